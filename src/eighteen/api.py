"""The whole way, as functions: what the command line calls, and what `from eighteen import …` gives.

Each composes the stages below it and leaves the same run folder as the command of its name. What needs torch
is imported where it is used: an audit neither waits for it nor pays its memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from eighteen.auditing import Audit
from eighteen.auditing import audit as audit_dataset
from eighteen.auditing.scan import scan
from eighteen.core.config import load_recipe
from eighteen.core.dataset import SPLITS, Dataset
from eighteen.core.errors import DatasetError, GateError, RunError
from eighteen.core.findings import Finding, by_severity
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run, require_absent
from eighteen.evaluating.ledger import openings, record_opening
from eighteen.measuring.resolution import resolution_sentence
from eighteen.reading import ReadOptions
from eighteen.reading import read as read_path
from eighteen.splitting import split as split_dataset
from eighteen.splitting import split_like

if TYPE_CHECKING:
    from eighteen.evaluating.evaluate import Evaluation
    from eighteen.inference.files import PredictedFiles
    from eighteen.inference.predictor import Predictor

PathLike = str | Path


def read(path: PathLike, recipe: Recipe | None = None) -> Dataset:
    """Reads a data set's rows and labels; no picture is decoded.

    Args:
        path: a folder of class folders (with train/val/test above them or not), a table (CSV, TSV, JSONL,
            Parquet) or its folder, or IDX files.
        recipe: its `data` section names columns and limits.

    Raises:
        DatasetError: the path is no data set, with the layouts that are.
    """
    data = (recipe or Recipe()).data
    return read_path(
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


def split(dataset: Dataset, recipe: Recipe | None = None) -> Dataset:
    """Gives every row its split: the given ones, those of an earlier run, or new ones by the stated rule."""
    data = (recipe or Recipe()).data
    if data.splits_from is not None:
        return split_like(dataset, Run.open(data.splits_from).dataset.table)
    return split_dataset(
        dataset,
        val_fraction=data.val_fraction,
        test_fraction=data.test_fraction,
        seed=data.split_seed,
        resplit=data.resplit,
    )


def audit(data: PathLike | Dataset, recipe: Recipe | None = None, progress: Progress = silent) -> Audit:
    """Decodes every picture once, splits, checks, and repairs what can be repaired.

    Args:
        data: a path for `read`, or a data set.
        recipe: its `data` section rules.

    Returns:
        The data set as training would use it, and the findings, worst first.

    Raises:
        DatasetError: the path is no data set, or nothing usable is left.
    """
    recipe = recipe or Recipe()
    dataset = data if isinstance(data, Dataset) else read(data, recipe)
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
    more = (*_resolution(found.dataset), *_accepted_nothing(recipe, found.findings))
    return replace(found, findings=by_severity((*found.findings, *more)))


def train(
    data: PathLike | Dataset, out: PathLike, recipe: Recipe | None = None, progress: Progress = silent
) -> Run:
    """Audits, trains, evaluates on validation, and writes the report.

    Args:
        data: a path for `read`, or a data set.
        out: the run folder to make; it must not exist.
        recipe: how; None takes the default recipe.

    Returns:
        The finished run.

    Raises:
        GateError: a finding blocks training.
        Interrupted: the user stopped it; the run resumes.
    """
    from eighteen.training import fitting, planning

    recipe, out = recipe or Recipe(), Path(out)
    require_absent(out)
    began = time.perf_counter()
    found = audit(data, recipe, progress)
    require_open(found)
    for finding in found.findings:
        if finding.severity == "warning":
            progress("warning", 0, 0, f"{finding.check}: {finding.message}")
    audited_s = time.perf_counter() - began
    plan = planning.plan(recipe, found.dataset)
    for note in plan.notes:
        progress("note", 0, 0, note)
    run = fitting.start(plan, found.dataset, found.findings, found.review, out)
    run.add_stage("audit", audited_s)
    return _finish(run, found.dataset, progress)


def resume(run: PathLike, data: PathLike | None = None, progress: Progress = silent) -> Run:
    """Goes on with an interrupted run; it ends with the weights that an uninterrupted one has.

    Args:
        run: the run folder.
        data: where the pictures lie now, if they have moved.

    Raises:
        RunError: the run cannot be resumed, or `data` has other classes or other pictures.
    """
    from eighteen.training import fitting

    opened = Run.open(run)
    state = opened.info["state"]
    if state == "complete":
        raise RunError(f"{opened.path} is complete already; nothing is left to resume")
    dataset = opened.dataset
    if data is not None:
        elsewhere = read(data, opened.recipe)
        fitting.check_same_classes(opened, elsewhere)
        dataset = fitting.moved(dataset, elsewhere.root)
        scanned = scan(dataset, max_pixels=opened.recipe.data.max_pixels, progress=progress)
        fitting.check_same_pictures(opened, dataset, scanned)
        opened.save_dataset(dataset)
    return _finish(opened, dataset, progress)


def evaluate(
    run: PathLike | Run, split: str | None = None, data: PathLike | None = None, progress: Progress = silent
) -> Evaluation:
    """Scores a split of a run's data set, or other data, and stores predictions and measures in the run.

    Args:
        run: the run.
        split: "train", "val" or "test"; opening the test split is written into its ledger. None is "val", or
            with `data` all of it.
        data: other pictures with labels.

    Raises:
        DatasetError: the split is empty, or labels are unknown to the model.
    """
    from eighteen.evaluating.evaluate import evaluate_dataset, trained_on

    run = run if isinstance(run, Run) else Run.open(run)
    if split not in (*SPLITS, None):
        raise DatasetError(f"'{split}' is no split; there are train, val and test")
    recipe, known = run.recipe, run.dataset
    predictor = _opened(run.path, recipe.training.device, progress)
    if data is not None:
        dataset, name = _other_data(data, split, recipe), "data"
        if warning := trained_on(scan(dataset, max_pixels=recipe.data.max_pixels), known):
            progress("warning", 0, 0, warning)
    else:
        name = split or "val"
        dataset = known.subset(name)
        if not len(dataset):
            counts = ", ".join(f"{key} {value}" for key, value in known.split_counts.items())
            raise DatasetError(f"the run's data set has no '{name}' pictures ({counts})")
        if name == "test":
            run.save_ledger(record_opening(dataset, run.path, "evaluate"))
    result = evaluate_dataset(predictor, dataset, name, recipe, known.class_counts("train"), progress)
    run.save_predictions(name, result.predictions)
    run.save_measures(name, result.measures, result.details)
    return result


def predict(
    run: PathLike,
    sources: Sequence[PathLike],
    out: PathLike | None = None,
    progress: Progress = silent,
    *,
    device: str = "auto",
) -> PredictedFiles:
    """What a trained model says about pictures.

    Args:
        run: the run folder.
        sources: files, and folders whose pictures are taken.
        out: table to write (.csv, .parquet or .jsonl); it must not exist.
        device: where the network runs.

    Returns:
        One row a picture; one that cannot be read is a row with its error.

    Raises:
        RunError: there is no trained model at `run`, or `out` exists or names no known format.
        TypeError: `sources` is one path instead of a list of them.
    """
    if isinstance(sources, str | Path):
        raise TypeError("predict takes several files or folders; for one, give a list: predict(run, [path])")
    from eighteen.inference.files import check_table_path, predict_files, write_table

    if out is not None:
        check_table_path(Path(out))
    predictor = _opened(run, device, progress)
    result = predict_files(predictor, map(Path, sources), progress)
    if out is not None:
        write_table(Path(out), result)
    return result


def demo(out: PathLike = "eighteen-demo", progress: Progress = silent) -> Run:
    """Audits, trains, tests and predicts on the built-in sample of handwritten digits.

    Args:
        out: folder for the sample (`digits`), the run (`run`, or `run-2` … where one is there already) and
            the predictions in it.

    Returns:
        The finished run, its test split opened.
    """
    from eighteen.sample import CUT, write_digits

    digits = write_digits(Path(out) / "digits")
    runs = (Path(out) / (f"run-{number}" if number > 1 else "run") for number in count(1))
    run = train(digits, next(path for path in runs if not path.exists()), load_recipe("demo"), progress)
    examples = sorted((digits / "5").iterdir())[:5]
    predict(run.path, [*examples, digits / CUT], run.path / "predictions.csv", progress)
    return run


def report(run: PathLike | Run) -> Path:
    """Writes `report.html` and the model card `README.md` of a run; returns the report's path."""
    from eighteen.reporting.page import write_report

    run = run if isinstance(run, Run) else Run.open(run)
    tested = run.dataset.subset("test")
    if run.predicted_splits and len(tested):
        run.save_ledger(openings(tested))
    return write_report(run)


def _resolution(dataset: Dataset) -> list[Finding]:
    """What the pictures that decide can tell apart."""
    counts = dataset.split_counts
    split = next((name for name in ("test", "val") if counts[name]), None)
    if split is None:
        return []
    sentence = resolution_sentence(counts[split])
    return [
        Finding("resolution", "info", f"{split}: {sentence}", (), "more pictures tell smaller differences")
    ]


def _accepted_nothing(recipe: Recipe, findings: Iterable[Finding]) -> list[Finding]:
    """An accepted finding that is not there is most likely misspelt."""
    there = {finding.check for finding in findings}
    unmatched = [name for name in recipe.data.accept if name not in there]
    if not unmatched:
        return []
    message = f"--accept {', '.join(unmatched)}: nothing of that name was found"
    return [Finding("accept", "warning", message, (), f"findings here: {', '.join(sorted(there))}")]


def require_open(found: Audit) -> None:
    """Lets an audit without blocking findings pass.

    Raises:
        GateError: naming each blocking finding and how to accept it.
    """
    blocking = found.blocking
    if blocking:
        lines = "; ".join(f"{finding.message} ({finding.advice})" for finding in blocking)
        names = " ".join(f"--accept {name}" for name in dict.fromkeys(f.check for f in blocking))
        raise GateError(f"training is blocked: {lines}. To train all the same: {names}")


def _finish(run: Run, dataset: Dataset, progress: Progress) -> Run:
    from eighteen.training import fitting

    if run.info["state"] != "trained":
        with run.stage("train"):
            fitting.fit(run, dataset, progress)
    recipe = run.recipe
    wanted = [name for name in ("val", "test") if dataset.split_counts[name]]
    for name in wanted:
        if name != "test" or recipe.evaluation.open_test:
            with run.stage(f"evaluate {name}"):
                evaluate(run, name, progress=progress)
    with run.stage("report"):
        report(run)
    run.set_state("complete")
    return run


def _opened(run: PathLike, device: str, progress: Progress) -> Predictor:
    from eighteen.inference.predictor import Predictor

    predictor = Predictor.open(run, device)
    if predictor.note:
        progress("warning", 0, 0, predictor.note)
    return predictor


def _other_data(data: PathLike, split: str | None, recipe: Recipe) -> Dataset:
    dataset = read(data, recipe)
    chosen = dataset if split is None else dataset.subset(split)
    if not len(chosen):
        raise DatasetError(f"{data} has no '{split}' pictures; name another split with --split")
    return chosen
