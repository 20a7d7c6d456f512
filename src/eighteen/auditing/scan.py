"""The scan: every picture is decoded in full, once, before anything is trained on it.

In: a data set as read. Out: the same with the hash, size and mode of each picture; unreadable ones are left
out by name, and notes say what was seen. A file that breaks hours into training elsewhere is found here.

Two hashes are kept. `sha256` is that of the file's bytes (of the pixels where a file holds many pictures): it
can be checked with any tool and does not depend on a decoder, so splits are made from it. `pixels_sha256`, a
further column, is that of the decoded pixels: it also finds copies that were saved anew or carry other
metadata.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import polars as pl

from eighteen.auditing import _scan_cache
from eighteen.auditing._facts import facts_of
from eighteen.auditing._looking import Record, look_at_all
from eighteen.auditing._scan_notes import classes_without_images, remarks, unreadable
from eighteen.core.dataset import Dataset
from eighteen.core.pixels import MAX_PIXELS
from eighteen.core.progress import Progress, silent
from eighteen.matching import Sketches

_FILLED = ("sha256", "width", "height", "mode", "pixels_sha256")

LOOKS = ("size_bytes", "mtime_ns", "format", "sketch", "facts")
"""What the checks of an audit read besides; as columns `scan.NAME`, which no run keeps."""

_LOOK = "scan."

_FACTS_AT_ONCE = 4096


def scan(
    dataset: Dataset,
    *,
    max_pixels: int = MAX_PIXELS,
    max_skipped_fraction: float = 0.5,
    workers: int | None = None,
    looks: bool = False,
    progress: Progress = silent,
) -> Dataset:
    """Looks at every picture.

    Args:
        dataset: as read; its `path`s start from `root`.
        max_pixels: pixels; larger pictures are left out unread.
        max_skipped_fraction: share of unreadable pictures (0..1) above which their finding is blocking.
        workers: threads; None takes one a core.
        looks: gives the columns of `LOOKS` as well; `without_looks` takes them away again.
        progress: told of the stage "scan", in pictures.

    Returns:
        The readable rows with `sha256`, `width`, `height`, `mode` and the further column `pixels_sha256`; the
        others in `skipped` with their reasons; notes on what was seen.
    """
    earlier, notes = _scan_cache.load(dataset.root)
    known = _look_up(dataset, earlier)
    records = _look_at_new(dataset, known, max_pixels, workers, progress)
    if known["sha256"].null_count():
        notes += _scan_cache.save(dataset.root, records.select(list(_scan_cache.SCHEMA)), earlier)
    more = [pl.col(name).alias(f"{_LOOK}{name}") for name in LOOKS] if looks else []
    full = dataset.with_table(dataset.table.with_columns(records.select(*_FILLED, *more)))
    bad = records.filter(pl.col("reason") != "")
    kept = full.without(dict(bad.select("id", "reason").iter_rows()))
    return kept.with_notes(
        [
            *notes,
            *unreadable(bad, len(dataset), max_skipped_fraction),
            *classes_without_images(dataset, kept),
            *remarks(records.filter(pl.col("reason") == "")),
        ]
    )


def without_looks(dataset: Dataset) -> Dataset:
    """Without the columns that only checks read."""
    gone = [name for name in dataset.table.columns if name.startswith(_LOOK)]
    return dataset.with_table(dataset.table.drop(gone))


def _look_up(dataset: Dataset, earlier: pl.DataFrame) -> pl.DataFrame:
    """The rows of the data set, in order, with their remembered record or nulls."""
    root = str(dataset.root)
    places = {path: _size_and_time(root, path) for path in dataset.table["path"].unique()}
    paths = dataset.table["path"].to_list()
    rows = dataset.table.select("id", "path", "index").with_columns(
        pl.Series("size_bytes", [places[path][0] for path in paths], pl.Int64),
        pl.Series("mtime_ns", [places[path][1] for path in paths], pl.Int64),
    )
    return rows.join(earlier, on=list(_scan_cache.KEY), how="left", maintain_order="left")


def _size_and_time(root: str, path: str) -> tuple[int, int]:
    try:
        # Making a Path for each picture takes twice as long as asking the system.
        stat = os.stat(f"{root}/{path}")  # noqa: PTH116
    except (OSError, ValueError):
        # The decoder says what is wrong with it.
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


def _look_at_new(
    dataset: Dataset, known: pl.DataFrame, max_pixels: int, workers: int | None, progress: Progress
) -> pl.DataFrame:
    """All records in row order; remembered ones are used where they hold and fit the limit."""
    holds = known["sha256"].is_not_null() & (known["width"] * known["height"] <= max_pixels)
    holds = holds.fill_null(False)
    new = known.filter(~holds)
    done = int(holds.sum())
    progress("scan", done, len(known), "")

    def count(more: int) -> None:
        nonlocal done
        done += more
        progress("scan", done, len(known), "")

    items = [(dataset.file(path), index) for path, index in new.select("path", "index").iter_rows()]
    looked = _as_table(new.select("id", *_scan_cache.KEY), look_at_all(items, max_pixels, workers, count))
    both = pl.concat([known.filter(holds), looked], how="vertical")
    return known.select("id").join(both, on="id", how="left", maintain_order="left")


def _as_table(rows: pl.DataFrame, records: Sequence[Record]) -> pl.DataFrame:
    columns = [
        pl.Series(name, [getattr(record, name) for record in records], _scan_cache.SCHEMA[name])
        for name in Record._fields
    ]
    parts = list(rows.with_columns(columns).iter_slices(_FACTS_AT_ONCE)) or [rows.with_columns(columns)]
    return pl.concat([_with_facts(part) for part in parts]).select("id", *_scan_cache.SCHEMA)


def _with_facts(rows: pl.DataFrame) -> pl.DataFrame:
    """With the column `facts`, computed for all readable rows at once."""
    looked = rows.filter(pl.col("sketch").bin.size() > 0)
    sides = [looked[name].to_numpy() for name in ("blur", "width", "height")]
    facts = facts_of(Sketches.unpack(looked["sketch"].to_list()), *sides)
    column = pl.Series("facts", facts.tolist(), _scan_cache.SCHEMA["facts"])
    return rows.join(looked.select("id", column), on="id", how="left", maintain_order="left")
