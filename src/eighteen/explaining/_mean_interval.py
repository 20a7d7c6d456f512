"""The interval of the mean of one number a picture, by pictures or by groups that belong together.

Source: the t interval; with groups, the variance of sums over groups and as many degrees of freedom as there
are groups less one (Korn and Graubard, Analysis of Health Surveys, 1999, chapter 5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

Ends = tuple[float, float]


def mean_interval(
    values: npt.NDArray[np.float64], groups: Sequence[str] = (), confidence: float = 0.95
) -> tuple[Ends, str]:
    """Interval of the mean of `[N]` values of -1..1, and how it was made.

    Args:
        values: N of 1 or more.
        groups: `[N]`, "" where a value has none; not given, all are independent.
        confidence: 0 … 1.

    Returns:
        Ends within -1..1; all of it where there is one picture or one group, which says nothing about others.

    >>> (low, high), method = mean_interval(np.array([0.1, 0.2, 0.3]))
    >>> round(low, 3), round(high, 3), method
    (-0.048, 0.448, 't 95 %')
    """
    names = [group or row for row, group in enumerate(groups)] or list(range(len(values)))
    number = {name: position for position, name in enumerate(dict.fromkeys(names))}
    unit = np.array([number[name] for name in names])
    n_units, mean = len(number), float(values.mean())
    kind = f" by group, {n_units} groups" if n_units < len(values) else ""
    if n_units < 2:
        return (-1.0, 1.0), f"whole range: one {'group' if kind else 'picture'} says nothing about others"
    sums = np.bincount(unit, values - mean)
    error = math.sqrt(float((sums**2).sum()) * n_units / (n_units - 1)) / len(values)
    reach = float(stdtrit(n_units - 1, (1 + confidence) / 2)) * error
    return (max(-1.0, mean - reach), min(1.0, mean + reach)), f"t {100 * confidence:g} %{kind}"
