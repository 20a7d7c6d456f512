"""Pictures of no class: how unlike the known ones a picture is, and from where on it counts as unknown.

In come logits or distances in feature space, out go scores that are higher the less a picture looks like the
known ones, a frozen rule with a threshold, and how well the score tells unknown pictures from known ones.
Logits say how sure the network is; distances (see `feature_distance.py`) need features of training pictures.

Sources: Liu et al., Energy-based Out-of-distribution Detection, NeurIPS 2020, for the energy; Hendrycks and
Gimpel, ICLR 2017, for the highest probability; Papadopoulos et al., Inductive Confidence Machines for
Regression, ECML 2002, for the threshold; DeLong et al., Biometrics 44 (1988), for the variance of the AUROC,
and Pepe, The Statistical Evaluation of Medical Tests (2003), section 5.2, for its interval by the logit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit, log_softmax, logit, logsumexp, stdtrit

from eighteen.core.errors import EighteenError
from eighteen.core.measures import Measure
from eighteen.measuring.auroc import MacroAuroc, macro_auroc
from eighteen.measuring.intervals import Interval, auroc_intervals, effective_count, wider
from eighteen.measuring.scored import Floats, Ints

Score = Literal["energy", "missing_probability", "class_distance", "neighbour_distance"]


def energy(logits: npt.ArrayLike, temperature: float = 1.0) -> Floats:
    """-T · log of the sum of exp(logit / T), `[N]`: high where no class has a high logit.

    Args:
        logits: `[N, K]`; calibrated ones give another score than raw ones.
        temperature: T, above 0.

    Source: Liu et al. 2020, equation 4.

    >>> energy([[5.0, 0.0], [0.5, 0.0]]).round(2).tolist()
    [-5.01, -0.97]
    """
    scaled = np.asarray(logits, np.float64) / temperature
    return np.asarray(-temperature * logsumexp(scaled, axis=1))


def missing_probability(logits: npt.ArrayLike) -> Floats:
    """What the highest probability lacks to 1, `[N]`, 0 … 1: the usual score, "maximum softmax probability".

    It is the sum of the other probabilities, which does not round to 0 where the network is very sure.

    Args:
        logits: `[N, K]`.

    Source: Hendrycks and Gimpel 2017, with the sign turned.
    """
    logs = log_softmax(np.asarray(logits, np.float64), axis=1)
    logs[np.arange(len(logs)), logs.argmax(axis=1)] = -np.inf
    return np.asarray(np.exp(logs).sum(axis=1))


@dataclass(frozen=True)
class UnknownRule:
    """From which score on a picture counts as unknown.

    Attributes:
        score: name of the score.
        threshold: highest score of a picture that is accepted as known.
        accepted_fraction: share of new known pictures that are accepted, at least, 0 … 1.
        n: known pictures that it was fitted on.
    """

    score: Score
    threshold: float
    accepted_fraction: float
    n: int

    @classmethod
    def fit(cls, score: Score, known_scores: npt.ArrayLike, accepted_fraction: float = 0.95) -> Self:
        """The lowest threshold that accepts known pictures often enough.

        It is the score number ceil((n + 1) · accepted_fraction), counted upwards: a new picture from where
        these come from is then accepted with at least that chance, whatever the score's distribution.

        Args:
            score: name of the score.
            known_scores: `[N]`, of known pictures that neither the network nor the distances were fitted on.
            accepted_fraction: above 0 and below 1.

        Raises:
            EighteenError: scores are not finite, or too few for this share.
        """
        scores = _checked(known_scores, "known pictures")
        if not 0 < accepted_fraction < 1:
            raise EighteenError(
                f"a share of {accepted_fraction} known pictures cannot be accepted; expected above 0 and "
                f"below 1, such as 0.95"
            )
        # Less a trifle, since 20 · 0.95 may come out above 19.
        rank = math.ceil((len(scores) + 1) * accepted_fraction - 1e-9)
        if rank > len(scores):
            needed = math.ceil(accepted_fraction / (1 - accepted_fraction) - 1e-9)
            raise EighteenError(
                f"{len(scores)} known pictures are too few to accept {accepted_fraction:g} of new ones; "
                f"expected {needed} or more: give more pictures, or accept fewer of them"
            )
        return cls(score, float(np.sort(scores)[rank - 1]), accepted_fraction, len(scores))

    def is_unknown(self, scores: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which pictures count as unknown, `[N]`.

        Args:
            scores: `[N]`, by the score of this name.

        >>> UnknownRule("energy", -2.0, 0.95, 100).is_unknown([-9.0, -2.0, -1.5]).tolist()
        [False, False, True]
        """
        return _checked(scores, "pictures") > self.threshold

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        return cls(row["score"], row["threshold"], row["accepted_fraction"], row["n"])


def auroc_unknown(
    known_scores: npt.ArrayLike,
    unknown_scores: npt.ArrayLike,
    *,
    known_groups: Sequence[str] = (),
    unknown_groups: Sequence[str] = (),
    split: str = "",
    confidence: float = 0.95,
) -> Measure:
    """Chance that an unknown picture has a higher score than a known one; ties count half.

    Args:
        known_scores, unknown_scores: `[N]` and `[M]`, finite, by one score.
        known_groups, unknown_groups: group of each picture, "" where it has none; not given, all pictures
            are independent.
        split: name that is written into the measure.
        confidence: of the interval, 0 … 1.

    Returns:
        scikit-learn's `roc_auc_score`. Its interval is the wider of DeLong's by the logit, from sums over
        groups where there are any, and Newcombe's, which does not shrink to a point at 1. Not defined
        without known or without unknown pictures.

    Raises:
        EighteenError: scores are not finite, or groups are not as many as scores.
    """
    known, unknown = _checked(known_scores, "known pictures"), _checked(unknown_scores, "unknown pictures")
    groups = _groups(known_groups, len(known), "known") + _groups(unknown_groups, len(unknown), "unknown")
    if not len(known) or not len(unknown):
        reason = f"not defined: no {'unknown' if len(known) else 'known'} pictures"
        return Measure(None, None, None, len(groups), reason, split)
    is_unknown = np.repeat([0, 1], [len(known), len(unknown)])
    # Ranks, since the area wants numbers between 0 and 1; they keep order and ties.
    values, rank = np.unique(np.concatenate([known, unknown]), return_inverse=True)
    share = (rank + 1) / (len(values) + 1)
    area = macro_auroc(is_unknown, np.stack([1 - share, share], axis=1))
    (low, high), method = _interval(area, _numbered(groups), is_unknown, confidence)
    return Measure(area.value, low, high, len(groups), method, split)


def _interval(area: MacroAuroc, unit: Ints, is_unknown: Ints, confidence: float) -> tuple[Interval, str]:
    (value,), positives, negatives = area.by_class
    n_units = int(unit.max()) + 1
    method = f"wider of delong by the logit and newcombe {100 * confidence:g} %"
    if n_units < len(unit):
        method += f", by group: {n_units}"
        few = min(len(np.unique(unit[is_unknown == side])) for side in (0, 1))
        positives, negatives = (effective_count(side, few, confidence) for side in (positives, negatives))
    lows, highs = auroc_intervals(area.by_class[0], positives, negatives, confidence)
    newcombe = min(float(value), float(lows[0])), max(float(value), float(highs[0]))
    if value in (0.0, 1.0):
        return newcombe, method
    return wider(newcombe, _delong(float(value), area.influence, unit, confidence)), method


def _delong(value: float, influence: Floats, unit: Ints, confidence: float) -> Interval:
    sums = np.bincount(unit, influence)
    error = math.sqrt(float((sums**2).sum()) * len(sums) / max(1, len(sums) - 1))
    reach = float(stdtrit(max(1, len(sums) - 1), (1 + confidence) / 2)) * error / (value * (1 - value))
    return float(expit(logit(value) - reach)), float(expit(logit(value) + reach))


def _checked(scores: npt.ArrayLike, whose: str) -> Floats:
    values = np.asarray(scores, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise EighteenError(
            f"scores of {whose} have shape {values.shape} and {bad} values that are not finite; expected one "
            f"finite number a picture. Look at the logits or features that they were made from"
        )
    return values


def _groups(groups: Sequence[str], n: int, whose: str) -> list[str]:
    if len(groups) not in (0, n):
        raise EighteenError(
            f"{len(groups)} groups were given for {n} {whose} pictures; expected one each, or none at all"
        )
    return list(groups) or [""] * n


def _numbered(groups: Sequence[str]) -> Ints:
    """Number of each picture's group; a picture without one is a group of its own."""
    numbers: dict[tuple[str, int], int] = {}
    keys = [(group, -1) if group else ("", row) for row, group in enumerate(groups)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
