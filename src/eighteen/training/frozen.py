"""A model without training: frozen features of a network, and heads on them that score what they did not see.

In: an audited data set and a recipe that names a network with weights. Out: a feature vector for each
picture, and `Predictions` out of fold, as a cross-validation would give them, in minutes instead of hours.
Features are those that training starts from, so that their cache is shared with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError, RecipeError
from eighteen.core.predictions import Predictions, softmax
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.formats import native
from eighteen.inference.devices import choose_device
from eighteen.models import weights as model_weights
from eighteen.splitting import find_units, folds
from eighteen.training.features import FeatureReader
from eighteen.training.head import Head, fit_head, out_of_fold
from eighteen.training.planning import with_statistics
from eighteen.training.resolve import input_spec, resolve

Floats = npt.NDArray[np.float32]

FOLDS = 5


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What heads on frozen features say.

    Attributes:
        predictions: of every picture, by a head that was not fitted on it, nor on its group or copies.
        folds: `[N]`, which fold each picture was held out in.
        strength: the inverse regularisation C of the heads.
    """

    predictions: Predictions
    folds: npt.NDArray[np.int64]
    strength: float


def frozen_reader(dataset: Dataset, recipe: Recipe) -> FeatureReader:
    """The recipe's network before training, ready to read features of these and other pictures.

    Args:
        dataset: audited, with training pictures: they decide what "auto" means.
        recipe: its model and weights.

    Raises:
        RecipeError: the recipe has no weights, and features of random ones say nothing.
        WeightsError: the weights cannot be had.
    """
    resolved, _ = resolve(recipe, dataset)
    source = resolved.model.weights
    if source == "none":
        raise RecipeError(
            f"features of {resolved.model.name} without weights say nothing; name some: --weights FILE, or "
            f"--weights imagenet"
        )
    resolved, _ = with_statistics(resolved, {}, dataset)
    network = native.build(resolved, len(dataset.class_names))
    model_weights.fit(network, model_weights.start(resolved.model.name, source).tensors)
    device, _ = choose_device(resolved.training.device)
    return FeatureReader(network.to(device), input_spec(resolved), device, resolved.data.max_pixels)


def frozen_features(reader: FeatureReader, dataset: Dataset, progress: Progress = silent) -> Floats:
    """Features `[N, D]` of every row: the mean of those of the picture and of its mirror image."""
    plain, mirrored = reader.read(dataset, progress)
    return np.asarray((plain + mirrored) / 2, np.float32)


def score_out_of_fold(dataset: Dataset, features: Floats, seed: int = 0, k: int = FOLDS) -> OutOfFold:
    """Fits heads on all folds but one and scores that one; groups and copies are never on both sides.

    Args:
        dataset: audited, without its test split.
        features: `[N, D]`.
        seed: of the folds.
        k: folds; fewer where there are not as many pictures or groups.

    Raises:
        DatasetError: all pictures are of one group, or copies of one.
    """
    fold = _folds(dataset, k, seed)
    logits, strength = out_of_fold([features], dataset.class_index(), fold, len(dataset.class_names))
    return OutOfFold(as_predictions(dataset, logits, fold), fold, strength)


def score_others(known: Dataset, features: Floats, others: Dataset, their_features: Floats) -> Predictions:
    """Scores pictures by one head that is fitted on all known ones, such as a test split's.

    Args:
        known: without the others.
        features: `[N, D]` of `known`.
        others: of the same classes.
        their_features: `[M, D]`.

    Raises:
        DatasetError: all known pictures are of one group, or copies of one.
    """
    fold = _folds(known, FOLDS, 0)
    head: Head = fit_head([features], known.class_index(), fold, len(known.class_names))
    return as_predictions(others, head.logits(their_features), np.full(len(others), -1, np.int64))


def as_predictions(dataset: Dataset, logits: Floats, fold: npt.NDArray[np.int64]) -> Predictions:
    """Predictions of a data set's pictures, in its order.

    Args:
        dataset: of N pictures and K classes.
        logits: `[N, K]`.
        fold: `[N]`, which fold each picture was held out in, or -1.
    """
    best = logits.argmax(axis=1) if len(logits) else np.empty(0, np.int64)
    rows = dataset.table.select(
        "id",
        "path",
        "target",
        pl.Series("predicted", [dataset.class_names[k] for k in best], pl.String),
        pl.Series("score", softmax(logits)[np.arange(len(best)), best], pl.Float64),
        "split",
        "group",
        pl.Series("fold", fold, pl.Int64),
        seed=pl.lit(0, pl.Int64),
    )
    return Predictions(rows, {"logits": logits}, dataset.class_names, len(rows))


def _folds(dataset: Dataset, k: int, seed: int) -> npt.NDArray[np.int64]:
    units = len(find_units(dataset, seed))
    if units < 2:
        raise DatasetError(
            f"all {len(dataset)} pictures to learn from are of one group, or copies of one: none can be held "
            f"out of a head on frozen features; expected 2 groups or more. Name a column with more groups "
            f"(--group-column) or none, or look without a network: leave --model and --weights out"
        )
    return folds(dataset, min(k, units), seed)
