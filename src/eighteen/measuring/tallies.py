"""Counts per class, and the measures that need nothing else.

In come true and named classes, out go three counts per class: how often it is true, how often it is named,
how often both. Accuracy, precision, recall, F1 and their means follow from these; every function takes
counts `[..., K]`, so that thousands of resamples are one call.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eighteen.measuring.scored import Floats, Ints


@dataclass(frozen=True, eq=False)
class ClassTallies:
    """Counts per class, each `[..., K]`; leading axes are resamples.

    Attributes:
        support: images of the class.
        predicted: images that the model gave to the class.
        hits: images of the class that the model gave to it.
    """

    support: Floats
    predicted: Floats
    hits: Floats


def tally(targets: Ints, predicted: Ints, n_classes: int, weights: Floats | None = None) -> ClassTallies:
    """Counts images per class.

    Args:
        targets: true classes, `[N]`, 0 … K - 1.
        predicted: named classes, `[N]`, 0 … K - 1.
        n_classes: K.
        weights: how often each image counts, `[N]`, at least 0; 1 where not given.

    >>> tally(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).hits.tolist()
    [1.0, 1.0]
    """
    counts = np.ones(len(targets)) if weights is None else weights
    right = targets == predicted
    return ClassTallies(
        np.bincount(targets, counts, n_classes).astype(np.float64),
        np.bincount(predicted, counts, n_classes).astype(np.float64),
        np.bincount(targets[right], counts[right], n_classes).astype(np.float64),
    )


def recalls(tallies: ClassTallies) -> Floats:
    """Share of each class's images that were given to it, `[..., K]`; NaN without such images."""
    return _ratio(tallies.hits, tallies.support)


def precisions(tallies: ClassTallies) -> Floats:
    """Share of the images given to each class that belong to it, `[..., K]`; NaN if none was given."""
    return _ratio(tallies.hits, tallies.predicted)


def f1_scores(tallies: ClassTallies) -> Floats:
    """2 hits / (support + predicted), `[..., K]`; NaN for a class neither true nor predicted."""
    return _ratio(2 * tallies.hits, tallies.support + tallies.predicted)


def accuracy_of(tallies: ClassTallies) -> Floats:
    """Share of images given to their class, `[...]`."""
    return _ratio(tallies.hits.sum(axis=-1), tallies.support.sum(axis=-1))


def balanced_accuracy_of(tallies: ClassTallies) -> Floats:
    """Mean recall over the classes among the targets, `[...]`, as scikit-learn's balanced_accuracy_score."""
    return _mean_defined(recalls(tallies))


def macro_f1_of(tallies: ClassTallies) -> Floats:
    """Mean F1 over the classes among targets or predictions, `[...]`.

    The same as scikit-learn's `f1_score(average="macro", zero_division=0)` without `labels`.
    """
    return _mean_defined(f1_scores(tallies))


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    ratio = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=ratio, where=np.asarray(denominator) > 0)
    return ratio


def _mean_defined(values: Floats) -> Floats:
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1).astype(np.float64))
