"""Scores a split with a trained model, and measures what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.core.corrections import LABEL_BEFORE
from eighteen.core.dataset import NEAR_COLUMN, Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.findings import name_some
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.core.scored import Scored
from eighteen.evaluating.ledger import openings_by, record_opening
from eighteen.evaluating.shift import name_shift
from eighteen.evaluating.unknown import measure_unknown
from eighteen.inference.predictor import Predictor
from eighteen.measuring.picture_facts import brightness_and_blur
from eighteen.tasks import make

_NO_FACTS = (
    *("path", "index", "target", "split", "group", "sha256", "pixels_sha256"),
    *(NEAR_COLUMN, LABEL_BEFORE),
)
"""Columns of a data set that name a picture instead of describing it, or that slices know already."""


@dataclass(frozen=True)
class Evaluation:
    """What a model did on some pictures.

    Attributes:
        name: the split, or "data" for pictures from elsewhere.
        predictions: what it said.
        measures: by name, each with its interval.
        details: per-class measures, confusion matrix, counts and sentences.
    """

    name: str
    predictions: Predictions
    measures: Mapping[str, Measure]
    details: Mapping[str, Any]


def evaluate_split(
    run: Run,
    split: str,
    progress: Progress = silent,
    scored: Predictions | None = None,
    goes_on: bool = False,
) -> Evaluation:
    """Scores a split of a run's data set, and stores predictions and measures in the run.

    Args:
        run: trained.
        split: "train", "val" or "test"; opening the test split is written into its ledger first.
        progress: told how far it is.
        scored: what the model says about the split, where that is known already.
        goes_on: with what a killed process began: a test split that it opened last is not opened once more.

    Raises:
        DatasetError: the split is empty.
    """
    known = run.dataset
    dataset = known.subset(split)
    if not len(dataset):
        counts = ", ".join(f"{key} {value}" for key, value in known.split_counts.items())
        raise DatasetError(f"the run's data set has no '{split}' pictures ({counts})")
    if split == "test":
        opened = openings_by(dataset, run.path, run.info["created"]) if goes_on else []
        run.save_ledger(opened or record_opening(dataset, run.path, "evaluate"))
    return evaluate_dataset(run, dataset, split, progress, scored)


def evaluate_once(
    run: Run,
    split: str,
    progress: Progress = silent,
    scored: Predictions | None = None,
    anew: bool = False,
) -> None:
    """The same for a run that is being finished: what a killed process has done of it is not done again.

    A test split that it had opened without leaving a number is not opened a second time.

    Args:
        run: trained.
        split: "train", "val" or "test".
        progress: told how far it is.
        scored: what the model says about the split, where that is known already.
        anew: what is stored was said before the run was calibrated, and does not hold any more.

    Raises:
        DatasetError: the split is empty.
    """
    if not anew:
        if split in run.measures:
            return
        if split in run.predicted_splits:
            scored = run.predictions(split)
    evaluate_split(run, split, progress, scored, goes_on=True)


def evaluate_dataset(
    run: Run,
    dataset: Dataset,
    name: str,
    progress: Progress = silent,
    scored: Predictions | None = None,
) -> Evaluation:
    """Scores every row of a data set, and stores predictions and measures in the run.

    Args:
        run: trained.
        dataset: the rows to score; labels are joined by name.
        name: what the result is called.
        progress: told how far it is.
        scored: what the model says about these rows, where that is known already.

    Raises:
        DatasetError: there is nothing to score, or it has labels that the model does not know.
    """
    check_labels(dataset, name, run.class_names)
    predictions = score_dataset(run, dataset, name, progress) if scored is None else scored
    return measure_and_store(run, Basis(run.recipe, run.dataset), dataset, predictions, name)


@dataclass(frozen=True)
class Basis:
    """What measures are computed with besides predictions.

    Attributes:
        recipe: level of the intervals, and the loss of the task.
        known: the data set that the model was trained on; None where it is not at hand.
    """

    recipe: Recipe
    known: Dataset | None


def check_labels(dataset: Dataset, name: str, class_names: Sequence[str]) -> None:
    """Lets only pictures with labels of the model's classes be scored.

    Raises:
        DatasetError: there is nothing to score, or it has labels that the model does not know.
    """
    if not len(dataset):
        raise DatasetError(
            f"there are no pictures to score in '{name}'; name another split, or other data with --data"
        )
    unknown = sorted(set(dataset.table["target"]) - set(class_names))
    if unknown:
        raise DatasetError(
            f"these labels are no classes of the model: {name_some(unknown)}; it knows "
            f"{name_some(list(class_names))}. Remove those pictures or train with them"
        )


def measure_and_store(
    place: Scored, basis: Basis, dataset: Dataset, predictions: Predictions, name: str
) -> Evaluation:
    """Measures what a model said, and stores predictions and measures.

    Args:
        place: takes them; what it holds of validation is what shifts are seen against.
        basis: what measures are computed with.
        dataset: the rows that were scored.
        predictions: with the light and blur of each picture.
        name: what the result is called.
    """
    recipe, settings = basis.recipe, basis.recipe.evaluation
    counts = dataset.class_counts() if basis.known is None else basis.known.class_counts("train")
    task = make(dataset.task, predictions.class_names, recipe.loss, counts)
    measures, details = task.measures(predictions, name, settings.confidence, settings.resamples)
    place.save_predictions(name, predictions)
    reference = place.predictions("val") if name != "val" and "val" in place.predicted_splits else None
    facts = _facts(dataset, predictions)
    more, more_details = task.evidence(
        predictions, reference, facts, name, settings.confidence, settings.resamples
    )
    measures, details = {**measures, **more}, {**details, **more_details}
    if reference is not None and name != "train" and basis.known is not None:
        sets = details.get("sets", {})
        details["shift"] = name_shift(basis.known, reference, predictions, name, measures, sets)
    place.save_measures(name, measures, details)
    return Evaluation(name, predictions, measures, details)


def score_dataset(run: Run, dataset: Dataset, name: str, progress: Progress) -> Predictions:
    """What a run's model says about every row, with the light and blur of each picture.

    Raises:
        DatasetError: none of the pictures can be read.
    """
    predictor = Predictor.open(run.path, run.recipe.training.device)
    if predictor.note:
        progress("warning", 0, 0, predictor.note)
    return ask(predictor, run.recipe, dataset, name, progress)


def ask(predictor: Predictor, recipe: Recipe, dataset: Dataset, name: str, progress: Progress) -> Predictions:
    """What a model says about every row, with the light and blur of each picture.

    Raises:
        DatasetError: none of the pictures can be read.
    """
    predictions = predictor.score(
        dataset, batch_size=recipe.evaluation.batch_size, seed=recipe.seed, progress=progress, look=_look
    )
    if not len(predictions):
        raise DatasetError(
            f"none of the {len(dataset)} pictures of '{name}' could be read: see `eighteen audit`"
        )
    return predictions


def _look(pixels: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
    brightness, blur = brightness_and_blur(pixels)
    return {"brightness": brightness.astype(np.float32), "blur": blur.astype(np.float32)}


def _facts(dataset: Dataset, predictions: Predictions) -> pl.DataFrame:
    """What is known of each scored picture and may explain mistakes: the table's columns, light and blur."""
    light = predictions.rows.select("id").with_columns(
        *(pl.Series(name, predictions.arrays[name]) for name in ("brightness", "blur"))
    )
    return light.join(dataset.table.drop(*_NO_FACTS, strict=False), on="id", how="left")


def not_asked_again(
    run: Run, name: str, recall: Mapping[str, float], with_costs: bool, with_unknown: bool
) -> str:
    """What an earlier evaluation measured besides and this one does not, as a sentence; "" for nothing.

    Args:
        run: trained; its measures of `name` are about to be replaced.
        name: the split, or "data".
        recall, with_costs, with_unknown: what is asked for now.
    """
    earlier, details = run.measures.get(name, {}), run.details.get(name, {})
    gone = {
        "--recall": bool(details.get("operating_points")) and not recall,
        "--costs": "mistake_costs" in details and not with_costs,
        "--unknown": "auroc_unknown" in earlier and not with_unknown,
    }
    flags = ", ".join(flag for flag, is_gone in gone.items() if is_gone)
    if not flags:
        return ""
    return (
        f"the earlier results of {flags} on {name} are replaced; give the option again to measure them anew"
    )


def with_unknown(
    run: Run, result: Evaluation, known: Dataset, unknown: Sequence[Path], progress: Progress
) -> Evaluation:
    """The same evaluation with `auroc_unknown` and `auroc_unknown_distance`, stored in the run too.

    Args:
        run: trained.
        result: of `known`.
        known: the pictures that were scored.
        unknown: pictures of none of the model's classes.
        progress: told how far it is.
    """
    found = measure_unknown(run, known, result.predictions, unknown, result.name, progress)
    measures = {**result.measures, **found}
    run.save_measures(result.name, measures, result.details)
    return replace(result, measures=measures)


def trained_on(dataset: Dataset, known: Dataset) -> str:
    """A sentence about pictures that the model was trained on or picked by; "" where there are none.

    Args:
        dataset: pictures to score, scanned.
        known: the data set of the run.
    """
    seen = set(known.table.filter(known.table["split"] != "test")["sha256"]) - {""}
    overlap = int(dataset.table["sha256"].is_in(list(seen)).sum())
    if not overlap:
        return ""
    return (
        f"{overlap} of these {len(dataset)} pictures are files of the run's training or validation: "
        f"scores on them are too good"
    )
