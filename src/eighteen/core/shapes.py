"""Which fit keeps the whole of a picture: one rule, for an audit's advice and for a training's choice.

In go the shapes of the training pictures, out come `squash` or `letterbox` and why. Squashing uses every
pixel of the network's square and changes proportions; a letterbox keeps them and leaves a margin. So long
pictures decide: where more than one in twenty is over twice as long as wide, proportions are kept.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

SQUARE = 1.05
"""Long side over short side; up to it a picture counts as square."""

MOST_SQUASHED = 2.0
"""Long side over short side of the longest twentieth; above it squashing changes proportions too much."""


def aspect_spread(width: npt.NDArray[Any], height: npt.NDArray[Any]) -> float:
    """95th percentile of long over short side.

    >>> round(aspect_spread(np.array([300, 200]), np.array([200, 300])), 2)
    1.5
    """
    return float(np.quantile(np.maximum(width, height) / np.minimum(width, height), 0.95))


def whole_fit(spread: float) -> tuple[Literal["squash", "letterbox"], str]:
    """The fit, and why.

    Args:
        spread: as `aspect_spread` gives it.

    >>> whole_fit(3.0)
    ('letterbox', '5 % of the pictures are over 3.0 times as long as wide')
    """
    if spread <= SQUARE:
        return "squash", "the pictures are square"
    if spread <= MOST_SQUASHED:
        return "squash", "nothing at the borders is lost, and proportions change little"
    return "letterbox", f"5 % of the pictures are over {spread:.1f} times as long as wide"
