"""Scores a split with a trained model, and measures what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.findings import name_some
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.inference.predictor import Predictor
from eighteen.tasks import make


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


def evaluate_dataset(
    predictor: Predictor,
    dataset: Dataset,
    name: str,
    recipe: Recipe,
    training_counts: Mapping[str, int],
    progress: Progress = silent,
) -> Evaluation:
    """Scores every row of a data set.

    Args:
        predictor: the trained model.
        dataset: the rows to score; labels are joined by name.
        name: what the result is called.
        recipe: its `evaluation` section sets level and resamples.
        training_counts: training pictures of each class, which say what always guessing would answer.

    Raises:
        DatasetError: there is nothing to score, or it has labels that the model does not know.
    """
    if not len(dataset):
        raise DatasetError(
            f"there are no pictures to score in '{name}'; name another split, or other data with --data"
        )
    known = set(predictor.class_names)
    unknown = sorted(set(dataset.table["target"]) - known)
    if unknown:
        raise DatasetError(
            f"these labels are no classes of the model: {name_some(unknown)}; it knows "
            f"{name_some(list(predictor.class_names))}. Remove those pictures or train with them"
        )
    settings = recipe.evaluation
    predictions = predictor.score(
        dataset, batch_size=settings.batch_size, seed=recipe.seed, progress=progress
    )
    if not len(predictions):
        raise DatasetError(
            f"none of the {len(dataset)} pictures of '{name}' could be read: see `eighteen audit`"
        )
    task = make(dataset.task, predictor.class_names, recipe.loss, training_counts)
    measures, details = task.measures(predictions, name, settings.confidence, settings.resamples)
    return Evaluation(name, predictions, measures, details)


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
