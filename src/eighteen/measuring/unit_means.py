"""How far the mean over pictures may be off, where some of them belong together.

In come groups of pictures, or what each picture adds to a number; out go the units that are independent, or
the reach of the t interval to both sides. Sums over units take the place of pictures, which is the usual
linearisation of a mean over clusters.

Source: Korn and Graubard, Analysis of Health Surveys (1999), section 2.4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from eighteen.core.errors import EighteenError
from eighteen.measuring.scored import Floats, Ints


def units_of(groups: Sequence[str], n: int) -> Ints:
    """Number of each picture's group, `[N]`; a picture without one is a unit of its own.

    Args:
        groups: `[N]`, "" where a picture has none; or empty, where none has.
        n: N.

    Raises:
        EighteenError: there are some groups, but not one a picture.

    >>> units_of(["ann", "", "bob", "ann", ""], 5).tolist()
    [0, 1, 2, 0, 3]
    """
    if len(groups) not in (0, n):
        raise EighteenError(
            f"{len(groups)} groups were given for {n} pictures; expected one each, or none at all"
        )
    numbers: dict[tuple[str, int], int] = {}
    keys = [(group, -1) if group else ("", row) for row, group in enumerate(groups or [""] * n)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def reach_of_mean(influence: Floats, unit: Ints, confidence: float) -> float:
    """Half the width of the t interval; infinite with a single unit.

    Args:
        influence: what each picture adds to the number beyond its mean, divided by N; `[N]`, sums to 0.
        unit: of each picture, `[N]`.
        confidence: 0 … 1.
    """
    _, number = np.unique(unit, return_inverse=True)
    sums = np.bincount(number, influence)
    if len(sums) < 2:
        return math.inf
    error = math.sqrt(float((sums**2).sum()) * len(sums) / (len(sums) - 1))
    return float(stdtrit(len(sums) - 1, (1 + confidence) / 2)) * error


def unit_method(unit: Ints) -> str:
    """Says in a measure's method how many groups there were, if any.

    >>> unit_method(np.array([0, 0, 1])), unit_method(np.array([0, 1]))
    (' by group (2)', '')
    """
    n_units = len(np.unique(unit))
    return f" by group ({n_units})" if n_units < len(unit) else ""
