"""Which epoch's weights are kept: chosen on validation, without being fooled by luck.

With a few hundred validation pictures the best of many epochs is partly the luckiest, and often an early one
at a high learning rate. The last epoch therefore stays unless the best one was better by more than two
standard errors of a share of that many pictures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

LUCK = 2.0
"""Standard errors that a difference has to exceed."""


def is_better(measures: Mapping[str, float], best: Mapping[str, float] | None, select_by: str) -> bool:
    """Whether an epoch replaces the best so far; a later one wins a draw, and always without validation."""
    if best is None or not measures or select_by == "last":
        return True
    if select_by == "nll":
        return measures["nll"] <= best["nll"]
    return (measures[select_by], -measures["nll"]) >= (best[select_by], -best["nll"])


def last_is_as_good(
    last: Mapping[str, float], best: Mapping[str, float], select_by: str, images: int
) -> bool:
    """Whether the last epoch is within luck of the best one.

    Args:
        last, best: selection measures of the two epochs.
        select_by: the measure that decides; "nll" always keeps the best.
        images: pictures of validation.

    >>> last_is_as_good({"accuracy": 0.97, "nll": 0.1}, {"accuracy": 0.98, "nll": 0.1}, "accuracy", 200)
    True
    >>> last_is_as_good({"accuracy": 0.90, "nll": 0.3}, {"accuracy": 0.98, "nll": 0.1}, "accuracy", 200)
    False
    """
    if select_by == "nll":
        return False
    return best[select_by] - last[select_by] <= LUCK * _standard_error(best[select_by], images)


def _standard_error(share: float, images: int) -> float:
    """Of a share of n pictures, after adding one right and one wrong one, so that 100 % has an error too."""
    smoothed = (share * images + 1) / (images + 2)
    return math.sqrt(smoothed * (1 - smoothed) / images)
