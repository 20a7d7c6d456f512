"""Intervals that contain their value.

In come counts or resampled values, out go the two ends. Proportions get Wilson's interval, which stays honest
at 0 and 1; other measures the percentiles of a bootstrap, with its bias taken out of every resample and the
percentiles moved outwards for small samples; skewed losses the wider of that and the bootstrap-t.

Sources: Wilson, JASA 22 (1927); Zou and Donner, Statistics in Medicine 27 (2008) for means of proportions;
Newcombe, Statistics in Medicine 25 (2006), part 2, method 5 for the AUROC; Hesterberg, The American
Statistician 69 (2015) for expanded percentiles; Korn and Graubard, Survey Methodology 24 (1998) for
proportions in few groups.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from eighteen.measuring.scored import Floats

Interval = tuple[float, float]


def wilson(hits: npt.ArrayLike, n: npt.ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Gives Wilson's interval without continuity correction for each proportion.

    Args:
        hits: successes, 0 … n, any shape; need not be whole.
        n: trials, same shape; 0 gives the whole range [0, 1].
        confidence: 0 … 1.

    >>> low, high = wilson(60, 60)
    >>> round(float(low), 3), float(high)
    (0.94, 1.0)
    """
    z2 = _z(confidence) ** 2
    successes, trials = np.asarray(hits, dtype=np.float64), np.asarray(n, dtype=np.float64)
    share = successes / np.where(trials > 0, trials, 1)
    centre = (successes + z2 / 2) / (trials + z2)
    half = np.sqrt(z2 * (trials * share * (1 - share) + z2 / 4)) / (trials + z2)
    low, high = np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
    return np.where(trials > 0, np.minimum(low, share), 0.0), np.where(
        trials > 0, np.maximum(high, share), 1.0
    )


def effective_count(n: npt.ArrayLike, n_units: npt.ArrayLike, confidence: float = 0.95) -> Floats:
    """Number of independent images that n images in few groups are worth at most.

    n · (z / t)² with the t quantile of `n_units - 1` degrees of freedom; 0 for a single group, which says
    nothing about others.
    """
    freedom = np.asarray(n_units, dtype=np.float64) - 1
    quantile = stdtrit(np.maximum(freedom, 1), (1 + confidence) / 2)
    return np.where(freedom > 0, np.asarray(n) * (_z(confidence) / quantile) ** 2, 0.0)


def f1_intervals(
    hits: Floats, support: Floats, predicted: Floats, worth: Floats, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Gives the interval of each class's F1, `[K]`.

    Among the images that are of the class or were given to it, hits are a proportion J; F1 is 2 J / (1 + J),
    which grows with J, so the ends of J's Wilson interval become those of F1.

    Args:
        hits, support, predicted: counts `[K]`.
        worth: effective count of each class's images that are of it or were given to it, `[K]`.
        confidence: 0 … 1.
    """
    union = support + predicted - hits
    low, high = wilson(hits / np.maximum(union, 1) * worth, worth, confidence)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def auroc_intervals(
    areas: Floats, positives: Floats, negatives: Floats, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Gives Newcombe's interval of each AUROC, `[D]`: like Wilson's, all areas that fit the seen one.

    Its ends solve |seen - area| = z · sqrt(V(area)) with Hanley and McNeil's variance, both count sums
    replaced by their mean. It does not shrink to a point at 1.
    """
    low, high = np.zeros_like(areas), np.ones_like(areas)
    inner_low, inner_high = areas.copy(), areas.copy()
    for _ in range(60):  # halves the uncertainty of each end down to rounding
        middle = (low + inner_low) / 2
        outside = areas - middle > _z(confidence) * _area_spread(middle, positives, negatives)
        low, inner_low = np.where(outside, middle, low), np.where(outside, inner_low, middle)
        middle = (high + inner_high) / 2
        outside = middle - areas > _z(confidence) * _area_spread(middle, positives, negatives)
        high, inner_high = np.where(outside, middle, high), np.where(outside, inner_high, middle)
    return low, high


def interval_of_mean(values: Floats, lows: Floats, highs: Floats, shared: bool) -> Interval:
    """Combines the intervals of several values into that of their mean, by the squares of their arms.

    Args:
        values, lows, highs: `[K]`.
        shared: whether one mistake moves two of the values (the class it leaves and the one it enters): the
            variance of the mean is then up to twice that of independent values.
    """
    mean, factor = float(values.mean()), math.sqrt(2 if shared and len(values) > 1 else 1) / len(values)
    below = factor * math.sqrt(float(((values - lows) ** 2).sum()))
    above = factor * math.sqrt(float(((highs - values) ** 2).sum()))
    return max(0.0, mean - below), min(1.0, mean + above)


def bootstrap_interval(
    value: float, resampled: Floats, n_units: int, limits: Interval, confidence: float = 0.95
) -> Interval:
    """Gives the percentile interval of a bootstrap, after taking the bootstrap's bias out of each resample.

    Args:
        value: the measure on the images themselves.
        resampled: the measure on each resample, `[R]`; NaN where it is not defined.
        n_units: number of units that were resampled; a single one gives the limits.
        limits: smallest and largest possible value.
        confidence: 0 … 1.

    Returns:
        Ends within the limits, with the value between them.
    """
    if n_units < 2:
        return limits
    unbiased = resampled[~np.isnan(resampled)]
    unbiased = unbiased - (unbiased.mean() - value)
    low, high = np.quantile(unbiased, percentile_levels(n_units, confidence))
    return min(value, max(limits[0], float(low))), max(value, min(limits[1], float(high)))


def studentised_interval(
    value: float,
    error: float,
    shifts: Floats,
    errors: Floats,
    *,
    limits: Interval,
    confidence: float = 0.95,
) -> Interval:
    """Gives the bootstrap-t interval, which follows the skew of losses where percentiles fall short.

    Args:
        value, error: the measure and its standard error.
        shifts: resampled measure minus value, `[R]`.
        errors: standard error in each resample, `[R]`; resamples where it is 0 are left out.
        limits: smallest and largest possible value.
        confidence: 0 … 1.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 12.5.
    """
    usable = errors > 0
    if not usable.any():
        return value, value
    tail = (1 - confidence) / 2
    left, right = np.quantile(shifts[usable] / errors[usable], [tail, 1 - tail])
    low, high = value - float(right) * error, value - float(left) * error
    return min(value, max(limits[0], low)), max(value, min(limits[1], high))


def percentile_levels(n_units: int, confidence: float = 0.95) -> Interval:
    """Gives the two levels of an expanded percentile interval, further out the fewer units there are.

    >>> [round(level, 4) for level in percentile_levels(10)]
    [0.0086, 0.9914]
    """
    quantile = float(stdtrit(n_units - 1, (1 + confidence) / 2)) * math.sqrt(n_units / (n_units - 1))
    level = NormalDist().cdf(-quantile)
    return level, 1 - level


def wider(first: Interval, second: Interval) -> Interval:
    """The smallest interval that holds both."""
    return min(first[0], second[0]), max(first[1], second[1])


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _area_spread(area: Floats, positives: Floats, negatives: Floats) -> Floats:
    mean = np.maximum((positives + negatives) / 2 - 1, 0)
    pairs = np.maximum(positives * negatives, 1e-12)
    inflation = 1 + mean * (1 - area) / (2 - area) + mean * area / (1 + area)
    return np.sqrt(np.maximum(area * (1 - area) * inflation / pairs, 0))
