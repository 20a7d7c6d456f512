"""Training, evaluating and asking a model, as functions: each leaves the same run folder as its command.

What needs torch is imported where it is used.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from eighteen.api.artifacts import evaluate_artifact
from eighteen.api.data import PathLike, audited, chosen_rows, pinned, read, with_corrections
from eighteen.api.locked import require_test_split
from eighteen.auditing.scan import scan
from eighteen.core.config import load_recipe
from eighteen.core.dataset import SPLITS, Dataset
from eighteen.core.errors import DatasetError, RunError
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run, require_absent
from eighteen.core.study import Study
from eighteen.core.tables import check_table_path, write_table
from eighteen.evaluating.ledger import openings

if TYPE_CHECKING:
    from eighteen.evaluating.cost import Cost
    from eighteen.evaluating.evaluate import Evaluation
    from eighteen.explaining.explain import Explanations
    from eighteen.inference.files import PredictedFiles
    from eighteen.inference.predictor import Predictor


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
        DatasetError: the test split is to be opened, and there is none.
        GateError: a finding blocks training.
        Interrupted: the user stopped it; the run resumes.
    """
    from eighteen.training import fitting, planning

    recipe, out = pinned(recipe or Recipe()), Path(out)
    require_absent(out)
    began = time.perf_counter()
    found = audited(data, recipe, progress)
    if recipe.evaluation.open_test:
        require_test_split(found.dataset, "--test (evaluation.open_test)")
    for finding in found.findings:
        if finding.check == "small_data":
            progress("note", 0, 0, f"{finding.message} ({finding.advice})")
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
    from eighteen.training import same_data

    opened = Run.open(run)
    state = opened.info["state"]
    if state == "complete":
        raise RunError(f"{opened.path} is complete already; nothing is left to resume")
    dataset = opened.dataset
    if data is not None:
        elsewhere = read(data, with_corrections(opened.recipe, None))
        same_data.check_same_classes(opened, elsewhere)
        dataset = same_data.moved(dataset, elsewhere.root)
        scanned = scan(dataset, max_pixels=opened.recipe.data.max_pixels, progress=progress)
        same_data.check_same_pictures(opened, dataset, scanned)
        opened.save_dataset(dataset)
    return _finish(opened, dataset, progress)


def soup(runs: Sequence[PathLike], out: PathLike, greedy: bool = True, progress: Progress = silent) -> Run:
    """Averages the weights of runs into one run, and measures it on validation.

    Args:
        runs: two or more trained runs of one network on one data set; the first lends its recipe.
        out: the run folder to make; it must not exist.
        greedy: take runs in, best first, only while validation does not get worse.

    Raises:
        RunError: the runs do not go together.
    """
    from eighteen.training.soup import cook

    require_absent(Path(out))
    made = cook([Run.open(path) for path in runs], Path(out), greedy, progress)
    return _finish(made, made.dataset, progress)


def evaluate(
    run: PathLike | Run,
    split: str | None = None,
    data: PathLike | None = None,
    progress: Progress = silent,
    *,
    unknown: PathLike | None = None,
    corrections: PathLike | None = None,
    recall: Mapping[str, float] = MappingProxyType({}),
    costs: PathLike | None = None,
    abstain_cost: float | None = None,
) -> Evaluation:
    """Scores a split of a run's data set, or other data, and stores predictions and measures in the run.

    Args:
        run: the run; an exported model is handed to `evaluate_artifact`.
        split: "train", "val" or "test"; opening the test split is written into its ledger. None is "val", or
            with `data` all of it.
        data: other pictures with labels.
        unknown: a folder of pictures of none of the classes, to measure whether the model notices.
        corrections: decisions about the pictures of `data`.
        recall: required recall by class: the threshold for it is chosen on validation and measured here.
        costs: CSV file of what each mistake costs, to measure the cheapest answers.
        abstain_cost: of giving no answer, with `costs`; None answers every picture.

    Raises:
        DatasetError: the split is empty, labels are unknown to the model, or no unknown picture can be read;
            a class of `recall` or `costs` is unknown.
    """
    from eighteen.evaluating import evaluate as evaluating
    from eighteen.evaluating.cost_table import read_costs
    from eighteen.evaluating.decisions import Wanted, with_decisions
    from eighteen.inference.exported import is_exported

    if not isinstance(run, Run) and is_exported(Path(run)):
        return evaluate_artifact(run, split, data, progress)[0]
    run = run if isinstance(run, Run) else Run.open(run)
    if split not in (*SPLITS, None):
        raise DatasetError(f"'{split}' is no split; there are train, val and test")
    if corrections is not None and data is None:
        raise DatasetError(
            f"{run.path} keeps the labels that it was trained with; corrections go with other data (--data), "
            f"or into a new training: eighteen train … --corrections {corrections}"
        )
    if abstain_cost is not None and costs is None:
        raise DatasetError("a cost of abstaining needs the costs of the answers: give a table of costs too")
    others = [] if unknown is None else _pictures([unknown])
    table = None if costs is None else read_costs(Path(costs), run.class_names, abstain_cost)
    wanted = Wanted(recall, table)
    name = (split or "val") if data is None else "data"
    wanted.check(run, name)
    replaced = evaluating.not_asked_again(run, name, recall, costs is not None, bool(others))
    if replaced:
        progress("warning", 0, 0, replaced)
    if data is None:
        result = evaluating.evaluate_split(run, split or "val", progress)
        dataset = run.dataset.subset(result.name)
    else:
        dataset = chosen_rows(data, split, with_corrections(run.recipe, corrections))
        if warning := evaluating.trained_on(
            scan(dataset, max_pixels=run.recipe.data.max_pixels), run.dataset
        ):
            progress("warning", 0, 0, warning)
        result = evaluating.evaluate_dataset(run, dataset, "data", progress)
    if others:
        result = evaluating.with_unknown(run, result, dataset, others, progress)
    return with_decisions(run, result, wanted) if recall or costs is not None else result


def predict(
    run: PathLike,
    sources: Sequence[PathLike],
    out: PathLike | None = None,
    progress: Progress = silent,
    *,
    device: str = "auto",
    coverage: float | None = None,
) -> PredictedFiles:
    """What a trained model says about pictures.

    Args:
        run: the run folder.
        sources: files, and folders whose pictures are taken.
        out: table to write (.csv, .parquet or .jsonl); it must not exist.
        device: where the network runs.
        coverage: also gives a set of classes that holds the true one as often as this says, 0..1.

    Returns:
        One row a picture; one that cannot be read is a row with its error.

    Raises:
        RunError: there is no trained model at `run`, or `out` exists or names no known format.
        TypeError: `sources` is one path instead of a list of them.
    """
    if isinstance(sources, str | Path):
        raise TypeError("predict takes several files or folders; for one, give a list: predict(run, [path])")
    from eighteen.inference.files import predict_files

    if out is not None:
        check_table_path(Path(out))
    predictor = _opened(run, device, progress, coverage)
    result = predict_files(predictor, map(Path, sources), progress)
    if out is not None:
        write_table(Path(out), result.to_table())
    return result


def explain(
    run: PathLike, sources: Sequence[PathLike], progress: Progress = silent, *, occlusion: bool = False
) -> tuple[Explanations, Path]:
    """Where the network looked, similar training pictures, and checks of both; writes a page into the run.

    Args:
        run: a trained run whose pictures still lie where they lay.
        sources: files, and folders whose pictures are taken.
        occlusion: also says what covering each part of a picture costs its answer; some 80 forward passes a
            picture.

    Returns:
        The explanations and the path of the page.

    Raises:
        DatasetError: no picture can be read.
        RunError: there is no trained model at `run`.
    """
    from eighteen.explaining.explain import explain as explain_pictures
    from eighteen.reporting.explanations import write_explanations

    if isinstance(sources, str | Path):
        raise TypeError("explain takes several files or folders; for one, give a list: explain(run, [path])")
    opened = Run.open(run)
    found = explain_pictures(opened, _pictures(sources), progress, with_occlusion=occlusion)
    return found, write_explanations(opened, found)


def cost(run: PathLike, progress: Progress = silent) -> Cost:
    """Parameters, computation, time and memory of an answer on this machine, measured once a model.

    Raises:
        RunError: there is no trained model at `run`.
    """
    from eighteen.evaluating.cost import measure_cost
    from eighteen.inference.devices import open_placed

    opened = Run.open(run)
    return measure_cost(open_placed(opened)[0], opened.inputs, run=opened.path, progress=progress)


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


def report(path: PathLike | Run) -> Path:
    """Writes `report.html` of a run (with its model card `README.md`) or of a study; returns its path."""
    from eighteen.reporting.page import write_report
    from eighteen.reporting.study_page import write_study_report

    if not isinstance(path, Run) and (Path(path) / "study.json").exists():
        return write_study_report(Study.open(path))
    run = path if isinstance(path, Run) else Run.open(path)
    tested = run.dataset.subset("test")
    if run.predicted_splits and len(tested):
        run.save_ledger(openings(tested))
    return write_report(run)


def _finish(run: Run, dataset: Dataset, progress: Progress) -> Run:
    from eighteen.evaluating.finishing import finish

    wanted = ["val", "test"] if run.recipe.evaluation.open_test else ["val"]
    finish(run, dataset, [name for name in wanted if dataset.split_counts[name]], progress)
    with run.stage("report"):
        report(run)
    run.set_state("complete")
    return run


def _pictures(sources: Sequence[PathLike]) -> list[Path]:
    from eighteen.inference.files import expand

    files, _ = expand(map(Path, sources))
    if not files:
        raise DatasetError(f"there are no pictures in {', '.join(map(str, sources))}; name others")
    return files


def _opened(run: PathLike, device: str, progress: Progress, coverage: float | None) -> Predictor:
    from eighteen.inference.predictor import Predictor

    predictor = Predictor.open(run, device, coverage)
    if predictor.note:
        progress("warning", 0, 0, predictor.note)
    if predictor.set_rule is not None:
        progress("note", 0, 0, f"prediction sets: {predictor.set_rule.reason}")
    return predictor
