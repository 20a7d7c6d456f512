"""Precision, recall and F1 of each class, and the confusion matrix.

In come `Predictions`, out goes one `ClassMeasures` per class. Each of the three is a proportion of counted
images and has Wilson's interval; with groups the bootstrap by group, never narrower than Wilson's with as
many images as so few groups are worth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.measuring.columns import class_columns, tallies_in
from eighteen.measuring.intervals import (
    bootstrap_interval,
    effective_count,
    f1_intervals,
    wider,
    wilson,
)
from eighteen.measuring.methods import bootstrap_method, wilson_method
from eighteen.measuring.metrics import confusion_matrix
from eighteen.measuring.resampling import affordable_resamples, resampled_sums, unit_sums
from eighteen.measuring.scored import Floats, Ints, Scored, score
from eighteen.measuring.tallies import ClassTallies, f1_scores, precisions, recalls, tally

Ends = tuple[Floats, Floats]


@dataclass(frozen=True)
class ClassMeasures:
    """What is known about one class.

    Attributes:
        name: the class.
        support: images of the class.
        precision: share of the images given to the class that belong to it; not defined if none was given.
        recall: share of the images of the class that were given to it; not defined without such images.
        f1: 2 hits / (images of the class + images given to it); not defined if both are 0.
    """

    name: str
    support: int
    precision: Measure
    recall: Measure
    f1: Measure


def per_class(
    predictions: Predictions, split: str = "", confidence: float = 0.95, resamples: int = 2000
) -> list[ClassMeasures]:
    """Measures each class by itself.

    Args:
        predictions: rows in any order; those of unknown class are left out.
        split: name that is written into the measures.
        confidence: of the intervals, 0 … 1.
        resamples: of the bootstrap, used only with groups.

    Returns:
        One entry per class, in the order of `class_names`. The n of precision, recall and F1 is the number of
        images given to the class, of the class, and either.

    Raises:
        EighteenError: logits are missing, do not fit the classes, or are not finite.
    """
    scored = score(predictions)
    made = affordable_resamples(scored.n_units, resamples)
    setting = _Setting(scored, split, confidence, made)
    tallies = tally(scored.targets, scored.predicted, len(scored.class_names))
    drawn = _resampled_tallies(scored, made) if scored.clustered else None
    columns = []
    for ratio, ends, counts in _parts(scored, tallies, confidence):
        samples = None if drawn is None else ratio(drawn)
        columns.append(_measures(setting, ratio(tallies), samples, ends, counts))
    precision, recall, f1 = columns
    support = tallies.support.astype(int).tolist()
    return [
        ClassMeasures(*row) for row in zip(scored.class_names, support, precision, recall, f1, strict=True)
    ]


def confusion(predictions: Predictions) -> Ints:
    """Counts `[K, K]` of images with a known class: rows are true classes, columns the predicted ones."""
    scored = score(predictions)
    return confusion_matrix(scored.targets, scored.predicted, len(scored.class_names))


def recall_ends(scored: Scored, tallies: ClassTallies, confidence: float) -> Ends:
    """Wilson's interval of each class's recall, `[K]`, by the worth of the class's groups."""
    worth = _worth(scored, tallies.support, [scored.targets], confidence)
    return wilson(_scaled(tallies.hits, tallies.support, worth), worth, confidence)


def f1_ends(scored: Scored, tallies: ClassTallies, confidence: float) -> Ends:
    """The interval of each class's F1, `[K]`, by the worth of the groups that the class appears in."""
    union = tallies.support + tallies.predicted - tallies.hits
    worth = _worth(scored, union, [scored.targets, scored.predicted], confidence)
    return f1_intervals(tallies.hits, tallies.support, tallies.predicted, worth, confidence)


def _precision_ends(scored: Scored, tallies: ClassTallies, confidence: float) -> Ends:
    worth = _worth(scored, tallies.predicted, [scored.predicted], confidence)
    return wilson(_scaled(tallies.hits, tallies.predicted, worth), worth, confidence)


def _worth(scored: Scored, counts: Floats, classes: list[Ints], confidence: float) -> Floats:
    if not scored.clustered:
        return counts
    n_classes = len(scored.class_names)
    seen = np.unique(np.concatenate([scored.unit * n_classes + of_row for of_row in classes]))
    return effective_count(counts, np.bincount(seen % n_classes, minlength=n_classes), confidence)


def _scaled(hits: Floats, counts: Floats, worth: Floats) -> Floats:
    return hits / np.maximum(counts, 1) * worth


def _resampled_tallies(scored: Scored, resamples: int) -> ClassTallies:
    table = unit_sums(class_columns(scored), scored.unit, scored.n_units)
    sums = resampled_sums(table, resamples, scored.seed)
    return tallies_in(sums, len(scored.class_names))


@dataclass(frozen=True, eq=False)
class _Setting:
    scored: Scored
    split: str
    confidence: float
    resamples: int


def _parts(
    scored: Scored, tallies: ClassTallies, confidence: float
) -> list[tuple[Callable[[ClassTallies], Floats], Ends, Floats]]:
    # How each of the three is computed, the ends of its closed form, and its n
    union = tallies.support + tallies.predicted - tallies.hits
    return [
        (precisions, _precision_ends(scored, tallies, confidence), tallies.predicted),
        (recalls, recall_ends(scored, tallies, confidence), tallies.support),
        (f1_scores, f1_ends(scored, tallies, confidence), union),
    ]


def _measures(
    setting: _Setting, values: Floats, samples: Floats | None, ends: Ends, counts: Floats
) -> list[Measure]:
    scored, split, confidence = setting.scored, setting.split, setting.confidence
    method = wilson_method(confidence)
    if samples is not None:
        drawn_by = bootstrap_method(scored, setting.resamples, confidence, "bias removed from each resample")
        method = f"{drawn_by}, never narrower than wilson"
    made = []
    for k, value in enumerate(values.tolist()):
        if np.isnan(value):
            made.append(Measure(None, None, None, 0, "not defined: no such image", split))
            continue
        low, high = min(value, float(ends[0][k])), max(value, float(ends[1][k]))
        if samples is not None:
            drawn = bootstrap_interval(value, samples[:, k], scored.n_units, (0.0, 1.0), confidence)
            low, high = wider(drawn, (low, high))
        made.append(Measure(value, low, high, int(counts[k]), method, split))
    return made
