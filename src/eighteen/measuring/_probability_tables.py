"""Probabilities that something can be decided by: what is wrong with them, in words.

In come probabilities `[N, K]` and perhaps the true classes `[N]`, out goes a list of problems, each with what
came and what is expected; it is empty where there are none.
"""

from __future__ import annotations

import numpy as np

from eighteen.core.findings import name_some
from eighteen.measuring.scored import Floats, Ints

# Softmax in half precision over a thousand classes is off by less.
_SUM_TOLERANCE = 5e-3


def problems_of(
    probabilities: Floats, targets: Ints | None = None, n_classes: int | None = None
) -> list[str]:
    """Says what keeps these from being probabilities of pictures, and from fitting their classes.

    Args:
        probabilities: expected as `[N, K]`, K at least 1, finite, 0 … 1, rows sum to 1.
        targets: expected as `[N]`, below K; negative where a class is unknown.
        n_classes: the K that is expected, if it is known.

    >>> problems_of(np.array([[3.0, 1.0]]))
    ['the rows of 1 pictures are not between 0 and 1 with a sum of 1 (row 0), expected probabilities']
    """
    if probabilities.ndim != 2 or probabilities.shape[1] != (n_classes or max(1, probabilities.shape[1])):
        return [
            f"probabilities have shape {probabilities.shape}, expected (pictures, {n_classes or 'classes'})"
        ]
    problems = _problems_of_rows(probabilities)
    if targets is None:
        return problems
    if targets.shape != (len(probabilities),):
        return [*problems, f"targets have shape {targets.shape}, expected ({len(probabilities)},)"]
    if targets.max(initial=-1) >= probabilities.shape[1]:
        problems.append(f"a target is {targets.max()}, expected at most {probabilities.shape[1] - 1}")
    return problems


def _problems_of_rows(probabilities: Floats) -> list[str]:
    # A NaN fails both comparisons.
    within = ((probabilities >= -_SUM_TOLERANCE) & (probabilities <= 1 + _SUM_TOLERANCE)).all(axis=1)
    good = within & (np.abs(probabilities.sum(axis=1) - 1) <= _SUM_TOLERANCE)
    rows = np.flatnonzero(~good)
    if not len(rows):
        return []
    named = name_some([f"row {row}" for row in rows], limit=3)
    return [
        f"the rows of {len(rows):,} pictures are not between 0 and 1 with a sum of 1 ({named}), "
        f"expected probabilities"
    ]
