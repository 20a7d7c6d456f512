"""Operating points: from which score on a picture is called one of a class.

In come scores `[N]` of a validation split and which pictures are of the class; out goes a frozen
`OperatingPoint` with a threshold for the recall or precision that is required, and from it and another split
what is then measured there. The split that it was chosen on flatters it: what counts is `apply` on another.

A required recall takes the highest threshold that reaches it, so that the fewest other pictures are named; a
required precision the lowest, so that the most of the class are found. On new pictures the required value is
missed about as often as not; ask for more where it must be held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from eighteen.core.errors import EighteenError
from eighteen.core.measures import Measure
from eighteen.measuring._slice_tests import share
from eighteen.measuring.auroc import Flags
from eighteen.measuring.scored import Floats, Ints
from eighteen.measuring.unit_means import units_of

Goal = Literal["recall", "precision"]

_MEASURES = ("recall", "precision", "named")


@dataclass(frozen=True)
class PointMeasures:
    """What a threshold does on a split.

    Attributes:
        recall: share of the pictures of the class that are named; not defined without such pictures.
        precision: share of the named pictures that are of the class; not defined if none is named.
        named: share of all pictures that are named.
    """

    recall: Measure
    precision: Measure
    named: Measure

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name).to_json() for name in _MEASURES}

    @classmethod
    def from_json(cls, row: dict[str, Any], split: str = "") -> Self:
        return cls(*(Measure.from_json(row[name], split) for name in _MEASURES))


@dataclass(frozen=True)
class OperatingPoint:
    """From which score on a picture is named.

    Attributes:
        goal: what was required, "recall" or "precision".
        required: of it, above 0, at most 1.
        threshold: lowest score of a picture that is named; None where what is required cannot be reached.
        chosen_on: what it does on the pictures that it was chosen on.
        reason: what was found, in a sentence.
    """

    goal: Goal
    required: float
    threshold: float | None
    chosen_on: PointMeasures
    reason: str

    def names(self, scores: npt.ArrayLike) -> Flags:
        """Which pictures are called one of the class, `[N]`.

        Args:
            scores: `[N]`, by the same model.

        Raises:
            EighteenError: there is no threshold, or scores are not finite.
        """
        if self.threshold is None:
            raise EighteenError(f"there is no threshold to decide by: {self.reason}")
        return _checked(scores) >= self.threshold

    def apply(
        self,
        scores: npt.ArrayLike,
        positives: npt.ArrayLike,
        groups: Sequence[str] = (),
        confidence: float = 0.95,
        split: str = "",
    ) -> PointMeasures:
        """Measures the threshold on another split.

        Args:
            scores: `[N]`, by the same model.
            positives: whether a picture is of the class, booleans `[N]`.
            groups: of each picture, `[N]`, "" where it has none; not given, all pictures are independent.
            confidence: of Wilson's intervals, 0 … 1.
            split: name that is written into the measures.

        Returns:
            The measures; not defined where there is no threshold.

        Raises:
            EighteenError: scores, positives or groups cannot be used.
        """
        values, of_class = _checked_pair(scores, positives)
        if self.threshold is None:
            return _undefined(self.reason, split)
        unit = units_of(groups, len(values))
        return _measured(values >= self.threshold, of_class, unit, confidence, split)

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "chosen_on": self.chosen_on.to_json()}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        return cls(**{**row, "chosen_on": PointMeasures.from_json(row["chosen_on"])})


def operating_point(
    scores: npt.ArrayLike,
    positives: npt.ArrayLike,
    *,
    recall: float | None = None,
    precision: float | None = None,
    groups: Sequence[str] = (),
    confidence: float = 0.95,
    split: str = "",
) -> OperatingPoint:
    """Chooses the threshold for a required recall or a required precision.

    Args:
        scores: higher for pictures of the class, such as its probability, `[N]`, finite.
        positives: whether a picture is of the class, booleans `[N]`.
        recall, precision: what is required, above 0, at most 1; one of the two.
        groups: of each picture, `[N]`, "" where it has none; not given, all pictures are independent.
        confidence: of Wilson's intervals, 0 … 1.
        split: name that is written into the measures.

    Returns:
        The point. Where the requirement cannot be reached, it has no threshold, and `reason` says why.

    Raises:
        EighteenError: scores, positives, groups or the requirement cannot be used.

    >>> point = operating_point([0.9, 0.8, 0.7, 0.1], [True, False, True, False], recall=0.9)
    >>> point.threshold, point.chosen_on.recall.value, round(point.chosen_on.precision.value, 2)
    (0.7, 1.0, 0.67)
    """
    goal, required = _requirement(recall, precision)
    values, of_class = _checked_pair(scores, positives)
    unit = units_of(groups, len(values))
    threshold, reason = _chosen(values, of_class, goal, required)
    if threshold is None:
        return OperatingPoint(goal, required, None, _undefined(reason, split), reason)
    found = _measured(values >= threshold, of_class, unit, confidence, split)
    reached = (
        f"a score of {threshold:.4g} or more reaches a recall of {found.recall.value or 0:.3f} and a "
        f"precision of {found.precision.value or 0:.3f} on the {len(values):,} pictures that it was chosen on"
    )
    return OperatingPoint(goal, required, threshold, found, reached)


def _chosen(values: Floats, of_class: Flags, goal: Goal, required: float) -> tuple[float | None, str]:
    """The threshold, or None and why there is none."""
    n, n_positive = len(values), int(of_class.sum())
    if not n_positive:
        return None, (
            f"a {goal} of {required:g} cannot be required of {n:,} pictures of which none is of the class; "
            f"choose the threshold on pictures of both kinds"
        )
    levels, level = np.unique(-values, return_inverse=True)  # rising, so that scores fall
    hits = np.cumsum(np.bincount(level, of_class))  # of the class at or above each score
    found = hits / n_positive if goal == "recall" else hits / np.cumsum(np.bincount(level))
    enough = np.flatnonzero(found >= required - 1e-12)
    if len(enough):
        return -float(levels[enough[0] if goal == "recall" else enough[-1]]), ""
    best = int(found.argmax())
    return None, (
        f"a {goal} of {required:g} cannot be reached on these {n:,} pictures: the highest is "
        f"{found[best]:.3f}, for scores of {-levels[best]:.4g} or more; ask for less, or better the model"
    )


def _measured(named: Flags, of_class: Flags, unit: Ints, confidence: float, split: str) -> PointMeasures:
    def part(right: Flags, rows: Flags) -> Measure:
        n = int(rows.sum())
        if not n:
            return Measure(None, None, None, 0, "not defined: no such image", split)
        return share(right[rows], unit[rows], n, confidence, split)

    everything = np.ones(len(named), dtype=np.bool_)
    return PointMeasures(part(named, of_class), part(of_class, named), part(named, everything))


def _undefined(reason: str, split: str) -> PointMeasures:
    nothing = Measure(None, None, None, 0, f"not defined: {reason}", split)
    return PointMeasures(nothing, nothing, nothing)


def _requirement(recall: float | None, precision: float | None) -> tuple[Goal, float]:
    required = precision if recall is None else recall
    if required is None or (recall is not None and precision is not None) or not 0 < required <= 1:
        raise EighteenError(
            f"no threshold can be chosen for recall {recall} and precision {precision}; expected one of the "
            f"two, above 0 and at most 1, such as recall=0.95"
        )
    return ("precision" if recall is None else "recall"), required


def _checked(scores: npt.ArrayLike) -> Floats:
    values = np.asarray(scores, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise EighteenError(
            f"scores have shape {values.shape} and {int((~np.isfinite(values)).sum())} values that are not "
            f"finite; expected one finite number a picture. Pass the probability of one class"
        )
    return values


def _checked_pair(scores: npt.ArrayLike, positives: npt.ArrayLike) -> tuple[Floats, Flags]:
    values, of_class = _checked(scores), np.asarray(positives)
    if of_class.shape != values.shape or (len(of_class) and of_class.dtype != np.bool_):
        raise EighteenError(
            f"positives are {of_class.dtype} of shape {of_class.shape}; expected bool of shape "
            f"{values.shape}. Pass whether each picture is of the class, such as targets == k"
        )
    return values, of_class.astype(np.bool_)
