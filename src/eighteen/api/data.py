"""Reading, splitting and auditing a data set, as functions. None of them needs torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from eighteen.auditing import Audit, judged
from eighteen.auditing import audit as audit_dataset
from eighteen.core import store
from eighteen.core.corrections import Corrections
from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError, GateError, RecipeError, RunError
from eighteen.core.findings import Finding, by_severity
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run, require_absent
from eighteen.measuring.resolution import crossval_sentence, resolution_sentence
from eighteen.reading import ReadOptions
from eighteen.reading import read as read_path
from eighteen.splitting import JOINED_COLUMNS, joined_groups, split_like
from eighteen.splitting import split as split_dataset

if TYPE_CHECKING:
    from eighteen.reporting.augment_sheet import Sheet

PathLike = str | Path


def read(path: PathLike, recipe: Recipe | None = None) -> Dataset:
    """Reads a data set's rows and labels, with its corrections applied; no picture is decoded.

    Args:
        path: a folder of class folders (with train/val/test above them or not), a table (CSV, TSV, JSONL,
            Parquet) or its folder, or IDX files.
        recipe: its `data` section names columns, limits and corrections.

    Raises:
        DatasetError: the path is no data set, with the layouts that are, or its corrections do not fit.
    """
    recipe = recipe or Recipe()
    data = recipe.data
    dataset = read_path(
        Path(path),
        ReadOptions(
            image_column=data.image_column,
            label_column=data.label_column,
            split_column=data.split_column,
            group_column=data.group_column,
            allow_outside=data.allow_outside,
            keep_negative_labels=data.keep_negative_labels,
            max_skipped_fraction=data.max_skipped_fraction,
        ),
    )
    return corrected(dataset, recipe)


def corrected(dataset: Dataset, recipe: Recipe) -> Dataset:
    """The data set with the decisions of `data.corrections` applied, where the recipe names a file.

    Raises:
        DatasetError: the file does not fit the data set, or is not the one that the recipe was stored with.
    """
    found = _corrections(recipe)
    return dataset if found is None else found.applied_to(dataset)


def pinned(recipe: Recipe) -> Recipe:
    """The recipe as a run stores it: with the hash of its corrections, so that it says what was corrected."""
    found = _corrections(recipe)
    return recipe if found is None else recipe.changed(data={"corrections_sha256": found.sha256})


def with_corrections(recipe: Recipe, corrections: PathLike | None) -> Recipe:
    """The recipe with other corrections, or with none."""
    named = None if corrections is None else Path(corrections).as_posix()
    return recipe.changed(data={"corrections": named, "corrections_sha256": None})


def chosen_rows(data: PathLike, split: str | None, recipe: Recipe) -> Dataset:
    """Other pictures with labels; of one of their splits where it is named.

    Raises:
        DatasetError: they have no such split.
    """
    dataset = read(data, recipe)
    chosen = dataset if split is None else dataset.subset(split)
    if not len(chosen):
        raise DatasetError(f"{data} has no '{split}' pictures; name another split with --split")
    return chosen


def _corrections(recipe: Recipe) -> Corrections | None:
    data = recipe.data
    if data.corrections is None:
        return None
    found = Corrections.read(data.corrections)
    if data.corrections_sha256 not in (None, found.sha256):
        raise DatasetError(
            f"{data.corrections} has changed: its hash is {found.sha256}, and data.corrections_sha256 asks "
            f"for {data.corrections_sha256}; restore the file, or leave that setting out to take it as it is"
        )
    return found


def split(dataset: Dataset, recipe: Recipe | None = None) -> Dataset:
    """Gives every row its split: the given ones, those of an earlier run, or new ones by the stated rule."""
    data = (recipe or Recipe()).data
    if data.splits_from is not None:
        return split_like(
            dataset,
            Run.open(data.splits_from).dataset.table,
            val_fraction=data.val_fraction,
            test_fraction=data.test_fraction,
            seed=data.split_seed,
        )
    done = split_dataset(
        dataset,
        val_fraction=data.val_fraction,
        test_fraction=data.test_fraction,
        seed=data.split_seed,
        resplit=data.resplit,
    )
    return done.with_notes(_idle_shares(dataset, recipe or Recipe()))


def _idle_shares(given: Dataset, recipe: Recipe) -> list[Finding]:
    """Shares that were asked for and that given splits leave nothing to do."""
    if not given.has_splits or recipe.data.resplit:
        return []
    idle = ["val_fraction"] * bool(given.split_counts["val"]) + ["test_fraction"]
    usual = Recipe().data
    asked = [f"data.{key}" for key in idle if getattr(recipe.data, key) != getattr(usual, key)]
    if not asked:
        return []
    message = f"the given splits stay as they are: {', '.join(asked)} moves no picture between them"
    return [Finding("idle_shares", "info", message, (), "to make all splits anew: --resplit")]


def audit(
    data: PathLike | Dataset,
    recipe: Recipe | None = None,
    progress: Progress = silent,
    *,
    labels_from: PathLike | None = None,
    frozen: bool = False,
    test_labels: bool = False,
) -> Audit:
    """Decodes every picture once, splits, checks, and repairs what can be repaired.

    Args:
        data: a path for `read`, or a data set.
        recipe: its `data` section rules; with `frozen` its model and weights look at the pictures.
        labels_from: a study of `crossval`, or a run, whose predictions of pictures that were held out of
            training say which labels look wrong.
        frozen: looks with frozen features of the recipe's network: labels, outliers, what more would bring.
        test_labels: also looks at the labels of the test split, which is written into its ledger. By default
            the test split takes part in nothing that a model does.

    Returns:
        The data set as training would use it, and the findings, worst first.

    Raises:
        DatasetError: the path is no data set, or nothing usable is left; or test labels were asked about
            without a model, or without a test split.
        RunError: there are no such predictions at `labels_from`.
        WeightsError: the weights cannot be had.
    """
    recipe = recipe or Recipe()
    dataset = corrected(data, recipe) if isinstance(data, Dataset) else read(data, recipe)
    found = audit_dataset(
        dataset,
        split_with=lambda scanned: split(scanned, recipe),
        accept=recipe.data.accept,
        strict=recipe.data.strict,
        max_pixels=recipe.data.max_pixels,
        max_skipped_fraction=recipe.data.max_skipped_fraction,
        min_images_per_class=recipe.data.min_images_per_class,
        progress=progress,
    )
    wanted = _Looks(None if labels_from is None else Path(labels_from), frozen, test_labels)
    looked = judged(_looked(found.dataset, recipe, wanted, progress), recipe.data.accept, recipe.data.strict)
    found = replace(found, findings=(*found.findings, *looked))
    more = (*_resolution(found.dataset), *_accepted_nothing(recipe, found.findings))
    return replace(found, findings=by_severity((*found.findings, *more)))


class _Looks(NamedTuple):
    """What a model is to look at; as `audit` takes it."""

    labels_from: Path | None
    frozen: bool
    test_labels: bool


def _looked(dataset: Dataset, recipe: Recipe, wanted: _Looks, progress: Progress) -> list[Finding]:
    """Findings of the checks that need a model; none of it is imported where none was asked for."""
    if wanted.labels_from is None and not wanted.frozen:
        if wanted.test_labels:
            raise DatasetError("a model looks at labels: give --labels-from, or --model and --weights")
        return []
    from eighteen.api import looking

    if wanted.test_labels:
        looking.require_test(dataset)
    found = []
    if wanted.labels_from is not None:
        found += looking.findings_of_stored(dataset, wanted.labels_from, wanted.test_labels)
    if wanted.frozen:
        found += looking.findings_of_features(dataset, recipe, wanted.test_labels, progress)
    return found


def augment(
    data: PathLike | Dataset, out: PathLike, recipe: Recipe | None = None, progress: Progress = silent
) -> Sheet:
    """Writes a sheet that shows what a recipe's augmentation does to these pictures.

    Args:
        data: a path for `read`, or a data set.
        out: the picture to write, .png.
        recipe: its `augment` section is shown; "auto" is settled for these pictures.

    Returns:
        What the sheet shows.

    Raises:
        DatasetError: there are no training pictures.
        RecipeError: settings that contradict one another, or another ending than .png.
    """
    recipe, out = recipe or Recipe(), Path(out)
    if out.suffix.lower() != ".png":
        raise RecipeError(f"--out {out}: the sheet is a PNG picture; give a name that ends in .png")
    dataset = audit(data, recipe, progress).dataset
    if not dataset.split_counts["train"]:
        raise DatasetError("there are no training pictures that could be shown; look with eighteen audit")
    from eighteen.reporting.augment_sheet import collect_sheet
    from eighteen.reporting.sheet_png import sheet_png

    sheet = collect_sheet(dataset, recipe)
    store.write_bytes(out, sheet_png(sheet))
    return sheet


def check_groups_file(path: PathLike) -> None:
    """Refuses a file that `write_groups` would not replace, before any work is done.

    Raises:
        RunError: it holds something else than groups, or cannot be made.
    """
    path = Path(path)
    if not path.is_file():
        require_absent(path, "--groups-out")
        return
    heading = ",".join(JOINED_COLUMNS).encode()
    with path.open("rb") as file:
        if file.readline(1024).strip() not in (b"", heading):
            raise RunError(
                f"{path} exists already and holds something else than groups, so it is not overwritten; "
                f"choose another --groups-out"
            )


def write_groups(found: Audit, path: PathLike) -> None:
    """Writes a CSV file with `image`, `label`, `split` and `group` of each picture of an audit.

    Copies and near copies join the groups that they belong to. Beside the pictures the file is read again
    with `--group-column group`.

    Raises:
        RunError: the file cannot be written, or is another one than an earlier audit wrote.
    """
    check_groups_file(path)
    store.make_folder(Path(path).parent)
    store.write_text(Path(path), joined_groups(found.dataset).write_csv())


def audited(data: PathLike | Dataset, recipe: Recipe, progress: Progress) -> Audit:
    """The audit that comes before a training: its warnings are told, and what blocks stops it.

    Raises:
        GateError: naming each blocking finding and how to accept it.
    """
    found = audit(data, recipe, progress)
    if blocking := found.blocking:
        lines = "; ".join(f"{finding.message} ({finding.advice})" for finding in blocking)
        names = " ".join(f"--accept {name}" for name in dict.fromkeys(f.check for f in blocking))
        raise GateError(f"training is blocked: {lines}. To train all the same: {names}")
    for finding in found.findings:
        if finding.severity == "warning":
            progress("warning", 0, 0, f"{finding.check}: {finding.message}")
    return found


def _resolution(dataset: Dataset) -> list[Finding]:
    """What the pictures that decide can tell apart."""
    counts = dataset.split_counts
    split = next((name for name in ("test", "val") if counts[name]), None)
    if split is None:
        return []
    sentence = resolution_sentence(counts[split])
    found = [
        Finding("resolution", "info", f"{split}: {sentence}", (), "more pictures tell smaller differences")
    ]
    few = crossval_sentence(counts["train"] + counts["val"], len(dataset.class_names))
    advice = "eighteen crossval DATA --out STUDY, with the options of train"
    return [*found, Finding("small_data", "info", few, (), advice)] if few else found


def _accepted_nothing(recipe: Recipe, findings: Iterable[Finding]) -> list[Finding]:
    """An accepted finding that is not there is most likely misspelt."""
    there = {finding.check for finding in findings}
    unmatched = [name for name in recipe.data.accept if name not in there]
    if not unmatched:
        return []
    message = f"--accept {', '.join(unmatched)}: nothing of that name was found"
    return [Finding("accept", "warning", message, (), f"findings here: {', '.join(sorted(there))}")]
