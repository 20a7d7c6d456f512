"""The interval of a difference: pictures first, seeds on top.

In come `Pairs` with their resamples; out go the two ends. By pictures it is the widest of a paired bootstrap
and, for accuracies, closed forms that do not shrink to a point. What seeds add comes on as squares.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import stdtrit

from eighteen.measuring._paired_draws import Draws, Spread
from eighteen.measuring._paired_intervals import exact_ends, mean_ends, score_ends
from eighteen.measuring._paired_rows import Pairs
from eighteen.measuring.intervals import Interval, bootstrap_interval, effective_count, wider
from eighteen.measuring.metrics import SMALLEST_PROBABILITY

_MOST = dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1"), 1.0)
_MOST["nll"] = -math.log(SMALLEST_PROBABILITY)


def ends_of(pairs: Pairs, name: str, draws: Draws, spread: Spread, confidence: float) -> Interval:
    """Gives the interval of a difference, which holds its value.

    Args:
        pairs: the pictures.
        name: one of `MEASURES`.
        draws, spread: of that measure.
        confidence: 0 … 1.
    """
    most = _MOST[name]
    if draws.n_units < 2:
        return -most, most
    ends = bootstrap_interval(draws.value, draws.drawn, draws.n_units, (-most, most), confidence)
    if name == "accuracy":
        ends = wider(ends, _closed(pairs, confidence))
    elif name == "balanced_accuracy":
        ends = wider(ends, _closed_by_class(pairs, confidence))
    elif name == "macro_f1":
        # A picture that one model gets right moves the mean F1 by about as much as the mean recall.
        low, high = _closed_by_class(pairs, confidence)
        moved = draws.value - _recall_gain(pairs)
        ends = wider(ends, (low + moved, high + moved))
    below, above = _arms(draws.value, ends, spread, confidence)
    return max(-most, draws.value - below), min(most, draws.value + above)


def worth(pairs: Pairs) -> float:
    """Number of independent pictures, seen by one training each, that one of these is worth.

    Below 1 for pictures in groups, above 1 for pictures that several trainings saw, up to their number; 1 for
    independent pictures and one training each.
    """
    return 1 / (_by_trainings(pairs) * _by_groups(pairs))


def _closed(pairs: Pairs, confidence: float) -> Interval:
    weight = _weight(pairs, confidence)
    only_first, only_second = (float(each.sum()) * weight for each in pairs.discordant)
    n = len(pairs.gain) * weight
    low, high = score_ends(np.array([only_first]), np.array([only_second]), np.array([n]), confidence)
    exact = exact_ends(only_first, only_second, n, confidence)
    return wider((float(low[0]), float(high[0])), exact)


def _closed_by_class(pairs: Pairs, confidence: float) -> Interval:
    weight, classes = _weight(pairs, confidence), pairs.scored.targets
    support = np.bincount(classes).astype(np.float64) * weight
    present = support > 0
    only_first, only_second = (
        (np.bincount(classes, each) * weight)[present].astype(np.float64) for each in pairs.discordant
    )
    low, high = score_ends(only_first, only_second, support[present], confidence)
    return mean_ends((only_second - only_first) / support[present], low, high)


def _recall_gain(pairs: Pairs) -> float:
    classes = pairs.scored.targets
    support = np.bincount(classes)
    return float((np.bincount(classes, pairs.gain)[support > 0] / support[support > 0]).mean())


def _weight(pairs: Pairs, confidence: float) -> float:
    if not pairs.scored.clustered:
        return worth(pairs)
    return float(effective_count(worth(pairs), pairs.scored.n_units, confidence))


def _by_trainings(pairs: Pairs) -> float:
    # Variance of a picture's mean gain over that of a single pair of trainings
    if pairs.trained_once:
        return 1.0
    gain = pairs.gain
    single = float(sum(each.mean() for each in pairs.discordant)) - gain.mean() ** 2
    least = 1 / max(len(pairs.first.seeds), len(pairs.second.seeds))
    return min(1.0, max(least, float(gain.var()) / single)) if single > 0 else 1.0


def _by_groups(pairs: Pairs) -> float:
    # The design effect: variance of the mean by groups over that by pictures, at least 1
    scored, moved = pairs.scored, pairs.gain - pairs.gain.mean()
    plain = float((moved**2).sum())
    if not scored.clustered or plain == 0:
        return 1.0
    sums = np.bincount(scored.unit, moved, scored.n_units).astype(np.float64)
    return max(1.0, float((sums**2).sum()) * scored.n_units / max(1, scored.n_units - 1) / plain)


def _arms(value: float, ends: Interval, spread: Spread, confidence: float) -> tuple[float, float]:
    below, above = value - ends[0], ends[1] - value
    if not spread.luck:
        return below, above
    quantile = spread.quantile(confidence)
    stretch = max(1.0, quantile / float(stdtrit(spread.n_units - 1, (1 + confidence) / 2)))
    by_seeds = quantile * math.sqrt(spread.seeds)
    return math.hypot(stretch * below, by_seeds), math.hypot(stretch * above, by_seeds)
