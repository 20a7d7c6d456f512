"""One slice against the rest: accuracies, their difference, and how surprising it is.

In come right and wrong answers `[N]` and which of them belong together, out go a share with its interval, the
interval of a difference and the chance p of a slice at least as bad if it were no worse than the rest. Where
pictures come in groups, a slice has to stand out from the differences between groups too.

Sources: Fisher, Statistical Methods for Research Workers (1934), section 21.02, for the exact test; Korn and
Graubard, Analysis of Health Surveys (1999), chapter 5, for shares of a domain in groups and their degrees of
freedom; Newcombe, Statistics in Medicine 17 (1998), 873-890, method 10, for the difference; Holm,
Scandinavian Journal of Statistics 6 (1979), for many looks.
"""

from __future__ import annotations

import numpy as np
from scipy.special import stdtr

from eighteen.core.measures import Measure
from eighteen.measuring.auroc import Flags
from eighteen.measuring.intervals import effective_count, wilson
from eighteen.measuring.methods import wilson_method
from eighteen.measuring.scored import Floats, Ints


def share(right: Flags, unit: Ints, n_images: int, confidence: float, split: str = "") -> Measure:
    """The share of right answers with Wilson's interval, by as many pictures as the groups are worth.

    Args:
        right: `[N]`, at least one.
        unit: what belongs together, `[N]`.
        n_images: different pictures among the rows.
        confidence: 0 … 1.
        split: name that is written into the measure.
    """
    n, value = len(right), float(right.mean())
    _, number = np.unique(unit, return_inverse=True)
    sizes, hits = np.bincount(number), np.bincount(number, right)
    worth, method = float(n), wilson_method(confidence)
    if len(sizes) < n:
        spread = float(((hits - value * sizes) ** 2).sum()) * len(sizes) / max(1, len(sizes) - 1)
        inflation = max(1.0, spread / (n * value * (1 - value))) if 0 < value < 1 else 1.0
        worth = float(effective_count(n / inflation, len(sizes), confidence))
        method += f" by group, worth {worth:.0f} pictures"
    low, high = wilson(value * worth, worth, confidence)
    return Measure(value, min(value, float(low)), max(value, float(high)), n_images, method, split)


def difference(first: Measure, second: Measure, confidence: float) -> Measure:
    """First minus second of two shares of different pictures, from the intervals of both.

    >>> one, other = Measure(0.5, 0.4, 0.6, 50, ""), Measure(0.9, 0.8, 0.95, 50, "")
    >>> str(difference(one, other, 0.95))
    '-0.400 [-0.512, -0.259], n = 100'
    """
    ends = (first.value, first.low, first.high, second.value, second.low, second.high)
    one, one_low, one_high, two, two_low, two_high = (float(end) for end in ends if end is not None)
    value = one - two
    low = value - float(np.hypot(one - one_low, two_high - two))
    high = value + float(np.hypot(one_high - one, two - two_low))
    method = f"newcombe {100 * confidence:g} % from both intervals"
    return Measure(value, max(-1.0, low), min(1.0, high), first.n + second.n, method, first.split)


def chance_of_so_bad(right: Flags, inside: Flags, unit: Ints) -> tuple[float, str]:
    """Chance p of a slice at least as bad, were it no worse than the rest; and the test's name.

    Fisher's exact test, one-sided. Where rows belong together also the t test of the difference between two
    domains, with sums over units, and the larger p of both. That test takes the variance that chance alone
    gives as the least, and one degree of freedom less than the units on the side that has fewer.

    Args:
        right, inside, unit: `[N]`, with rows inside and outside.
    """
    exact = _fisher(right, inside)
    if len(np.unique(unit)) == len(unit):
        return exact, "Fisher's exact test, one-sided"
    return max(exact, _t_by_unit(right, inside, unit)), "t test by group and Fisher's exact test, larger p"


def holm(chances: Floats) -> Floats:
    """Chances after as many looks as there are, `[S]`: below 0.05 in any of them at most 5 % of the time.

    >>> holm(np.array([0.01, 0.5, 0.03])).tolist()
    [0.03, 0.5, 0.06]
    """
    order = np.argsort(chances, kind="stable")
    looks_left = np.arange(len(chances), 0, -1)
    corrected = np.empty(len(chances))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(chances[order] * looks_left))
    return corrected


def _fisher(right: Flags, inside: Flags) -> float:
    from scipy.stats import hypergeom  # takes half a second to import

    n, hits, n_inside = len(right), int(right.sum()), int(inside.sum())
    return min(1.0, float(hypergeom.cdf(int((right & inside).sum()), n, hits, n_inside)))


def _t_by_unit(right: Flags, inside: Flags, unit: Ints) -> float:
    n_units = min(len(np.unique(unit[inside])), len(np.unique(unit[~inside])))
    n_inside, n_outside, overall = int(inside.sum()), int((~inside).sum()), float(right.mean())
    if n_units < 2 or overall in (0.0, 1.0):
        return 1.0
    mean_inside, mean_outside = float(right[inside].mean()), float(right[~inside].mean())
    pull = np.where(inside, (right - mean_inside) / n_inside, (mean_outside - right) / n_outside)  # [N]
    of_groups = float((np.bincount(unit, pull) ** 2).sum()) * n_units / (n_units - 1)
    of_chance = overall * (1 - overall) * (1 / n_inside + 1 / n_outside)
    error = np.sqrt(max(of_groups, of_chance))
    return float(stdtr(n_units - 1, (mean_inside - mean_outside) / error))
