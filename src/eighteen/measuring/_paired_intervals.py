"""Intervals of a paired difference that do not shrink to a point where few pictures tell two models apart.

In come how many pictures only the first and only the second model gets right, and out of how many; out go
the ends of the difference, second minus first. Counts need not be whole: pictures in groups, or seen by
several trainings, count for as many independent ones as they are worth.

Sources: Tango, Statistics in Medicine 17 (1998) for the score interval, which is to a difference what
Wilson's is to a proportion; Clopper and Pearson, Biometrika 26 (1934) for the exact one; Zou and Donner,
Statistics in Medicine 27 (2008) for means.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from scipy.special import betaincinv

from eighteen.measuring.intervals import Interval
from eighteen.measuring.scored import Floats


def score_ends(
    only_first: Floats, only_second: Floats, n: Floats, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Gives Tango's score interval of each difference, `[K]`: all differences that fit the counts.

    Args:
        only_first, only_second: counts, `[K]`, 0 or more, together at most n.
        n: pictures, `[K]`; 0 gives the whole range [-1, 1].
        confidence: 0 … 1.

    Without discordant pictures it is ±z² / (n + z²), the same as Wilson's for none of n.

    >>> low, high = score_ends(np.array([0.0]), np.array([0.0]), np.array([96.0]))
    >>> round(float(low[0]), 3), round(float(high[0]), 3)
    (-0.038, 0.038)
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    low = -_upper_end(only_second, only_first, n, z)
    return low, _upper_end(only_first, only_second, n, z)


def exact_ends(only_first: float, only_second: float, n: float, confidence: float = 0.95) -> Interval:
    """Gives the interval of the difference that holds 0 just where the exact McNemar test does not reject.

    Clopper and Pearson's interval of the second's share of the discordant pictures, times the share of those
    among all pictures.

    Args:
        only_first, only_second: counts, 0 or more.
        n: pictures, above 0.
        confidence: 0 … 1; the test's level is 1 - confidence.

    >>> exact_ends(0, 5, 100)[0] < 0 < exact_ends(0, 6, 100)[0]
    True
    """
    tail, found = (1 - confidence) / 2, only_first + only_second
    low = float(betaincinv(only_second, only_first + 1, tail)) if only_second > 0 else 0.0
    high = float(betaincinv(only_second + 1, only_first, 1 - tail)) if only_first > 0 else 1.0
    return found / n * (2 * low - 1), found / n * (2 * high - 1)


def mean_ends(values: Floats, lows: Floats, highs: Floats) -> Interval:
    """Combines intervals of independent differences `[K]` into that of their mean, by their arms' squares."""
    mean, count = float(values.mean()), len(values)
    below = math.sqrt(float(((values - lows) ** 2).sum())) / count
    above = math.sqrt(float(((highs - values) ** 2).sum())) / count
    return max(-1.0, mean - below), min(1.0, mean + above)


def _upper_end(only_first: Floats, only_second: Floats, n: Floats, z: float) -> Floats:
    trials = np.maximum(n, 1e-12)
    seen = (only_second - only_first) / trials
    inside, outside = seen.copy(), np.ones_like(seen)
    for _ in range(60):  # halves the uncertainty down to rounding
        middle = (inside + outside) / 2
        fits = middle - seen <= z * _spread(middle, only_first, only_second, trials)
        inside, outside = np.where(fits, middle, inside), np.where(fits, outside, middle)
    return inside


def _spread(difference: Floats, only_first: Floats, only_second: Floats, n: Floats) -> Floats:
    # Standard error if this were the true difference; "rare" is the then likeliest share of only first right
    linear = (2 * n - only_second + only_first) * difference - only_second - only_first
    square = linear**2 + 8 * n * only_first * difference * (1 - difference)
    rare = (np.sqrt(np.maximum(square, 0)) - linear) / (4 * n)
    return np.sqrt(np.maximum(2 * rare + difference * (1 - difference), 0) / n)
