"""The splits of an earlier run, put on the same or a grown data set.

In: a data set and the stored table of a run. Out: old pictures in their old splits, found by what they show
and, where a file was replaced, by its id; new pictures join the split of their group or of their copy, and
else are split by the hash rule of `stratified`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.core.dataset import SPLITS, Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding, name_some
from eighteen.splitting._gaps import CODES, TEST, TRAIN, VAL, GapFiller
from eighteen.splitting._units import Units, content_keys, find_units
from eighteen.splitting.stratified import by_thresholds

_COLUMNS = ("id", "sha256", "index", "group", "split")
_UNKNOWN = -1


def freeze(
    dataset: Dataset, frozen: pl.DataFrame, val_fraction: float, test_fraction: float, seed: int
) -> Dataset:
    """Puts old pictures where they were and new ones where they do no harm.

    Args:
        dataset: the pictures to split. A new picture with a given split keeps it.
        frozen: stored table with `id`, `sha256`, `index`, `group` and `split`.
        val_fraction, test_fraction, seed: rule for new pictures; a split that `frozen` lacks is not made.

    Raises:
        DatasetError: columns are missing, or no row of `frozen` has a split.
    """
    _check(frozen)
    old = frozen.filter(pl.col("split") != "")
    codes = _known_splits(dataset, old)
    units = find_units(dataset, seed)
    new = codes == _UNKNOWN
    given = np.array([CODES.get(split, _UNKNOWN) for split in dataset.table["split"]], np.int64)
    codes = np.where(new & (given != _UNKNOWN), given, codes)
    codes = _join_groups(codes, dataset.table["group"], old)
    codes = _join_units(codes, units)
    codes = _by_rule(codes, dataset, units, old, (val_fraction, test_fraction))
    result = dataset.with_columns(split=np.array(SPLITS)[codes].tolist())
    return result.with_notes(_findings(result, old, new))


def _check(frozen: pl.DataFrame) -> None:
    missing = [name for name in _COLUMNS if name not in frozen.columns]
    if missing:
        raise DatasetError(
            f"the table that splits are taken from lacks the columns {', '.join(missing)}; expected the "
            "dataset.parquet of a run folder"
        )
    if (frozen["split"] == "").all():
        raise DatasetError("the table that splits are taken from has none; name a run that was trained")


def _known_splits(dataset: Dataset, old: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Split code of each row that `old` knows, `[N]`, -1 for new ones.

    The same picture under the same id is surest; then the same picture, then the same id.
    """
    then = old.select("id", "split", content=content_keys(_comparable(old, dataset.table)))
    now = dataset.table.select("id", content=content_keys(_comparable(dataset.table, old)))
    both = now.join(then, on=["id", "content"], how="left", maintain_order="left")["split"]
    by_content = _lookup(now["content"], then.select("content", "split"))
    by_id = _lookup(now["id"], then.select("id", "split"))
    found = both.fill_null(by_content).fill_null(by_id)
    return np.array([CODES.get(split, _UNKNOWN) for split in found], np.int64)


def _comparable(table: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Pixels are compared only where both tables hold their hash."""
    return table if "pixels_sha256" in other.columns else table.drop("pixels_sha256", strict=False)


def _lookup(keys: pl.Series, table: pl.DataFrame) -> pl.Series:
    """The split of each key; of several, test wins, then val: what was a secret stays one."""
    ranked = table.with_columns(code=pl.col("split").replace_strict(CODES, return_dtype=pl.Int64))
    first = ranked.sort("code", descending=True).unique(table.columns[0], keep="first")
    joined = keys.to_frame("key").join(
        first.rename({table.columns[0]: "key"}), on="key", how="left", maintain_order="left"
    )
    return joined["split"]


def _join_groups(codes: npt.NDArray[np.int64], group: pl.Series, old: pl.DataFrame) -> npt.NDArray[np.int64]:
    """New pictures of a group that the old run knew go where most of that group was."""
    main = (
        old.filter(pl.col("group") != "")
        .group_by("group", "split")
        .len()
        .with_columns(code=pl.col("split").replace_strict(CODES, return_dtype=pl.Int64))
        .sort(["len", "code"], descending=[True, False])
        .unique("group", keep="first", maintain_order=True)
    )
    homes = dict(main.select("group", "code").iter_rows())
    joined = np.array([homes.get(name, _UNKNOWN) for name in group], np.int64)
    return np.where(codes == _UNKNOWN, joined, codes)


def _join_units(codes: npt.NDArray[np.int64], units: Units) -> npt.NDArray[np.int64]:
    """New pictures beside placed ones of their unit go where most of these are."""
    votes = np.zeros((len(units), len(SPLITS)), np.int64)  # [U, 3]
    placed = codes != _UNKNOWN
    np.add.at(votes, (units.of_row[placed], codes[placed]), 1)
    home = np.where(votes.sum(axis=1) > 0, votes.argmax(axis=1), _UNKNOWN)
    return np.where(placed, codes, home[units.of_row])


def _by_rule(
    codes: npt.NDArray[np.int64],
    dataset: Dataset,
    units: Units,
    old: pl.DataFrame,
    fractions: tuple[float, float],
) -> npt.NDArray[np.int64]:
    """Units without any placed picture, by the hash rule, into the splits that the old run had."""
    had = set(old["split"].unique())
    val_fraction, test_fraction = (
        share if name in had else 0.0 for name, share in zip(("val", "test"), fractions, strict=True)
    )
    free = np.zeros(len(units), np.bool_)
    free[units.of_row[codes == _UNKNOWN]] = True
    assigned = by_thresholds(units.position, val_fraction, test_fraction)
    # For the gaps a placed unit counts where its first row lies; it is never moved.
    assigned[units.of_row[~free[units.of_row]]] = codes[~free[units.of_row]]
    wanted = [TRAIN, *[VAL] * (val_fraction > 0), *[TEST] * (test_fraction > 0)]
    GapFiller(units, dataset.table["target"].to_list(), assigned, wanted, free).fill()
    return np.where(codes == _UNKNOWN, assigned[units.of_row], codes)


def _findings(dataset: Dataset, old: pl.DataFrame, new: npt.NDArray[np.bool_]) -> list[Finding]:
    findings = []
    added = dataset.table.filter(new)
    if len(added):
        counts = dict(added["split"].value_counts().iter_rows())
        parts = ", ".join(f"{counts[split]} {split}" for split in SPLITS if split in counts)
        message = f"{len(added)} pictures are new since the splits were frozen ({parts})"
        advice = "compare scores with the earlier run only on the pictures both know"
        findings.append(Finding("new_images", "info", message, tuple(added["id"]), advice))
    known = set(dataset.table["id"]) | {sha for sha in dataset.table["sha256"] if sha}
    gone = [name for name, sha in old.select("id", "sha256").iter_rows() if not {name, sha} & known]
    if gone:
        message = f"{len(gone)} pictures of the frozen splits are not here any more: {name_some(gone)}"
        advice = "scores of the earlier run included them"
        findings.append(Finding("frozen_images_missing", "warning", message, tuple(gone), advice))
    return findings
