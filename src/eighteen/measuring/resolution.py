"""What a test set of n images can resolve, and when one held-out part is not enough.

In comes a number of images, out goes the smallest difference in accuracy that is more than luck: half the
width of the 95 % interval of one accuracy, z · sqrt(p (1 - p) / n). Two models on different images of one
kind need sqrt(2) times as much; two models on the very same images often less, which a paired test shows.
"""

from __future__ import annotations

import math
from statistics import NormalDist

SMALL = 5_000
"""Up to this many pictures outside the test split, measuring means cross-validation; with more of them one
held-out part is precise enough (at 750 pictures, 15 % of 5,000, the standard error of 90 % is 1.1 points)."""


def resolvable_difference(n: int, accuracy: float = 0.9, confidence: float = 0.95) -> float:
    """Gives the half width of the normal interval of an accuracy, as a fraction, 0 … 1.

    Args:
        n: images; 0 or fewer resolve nothing and give 1.
        accuracy: accuracy that is expected, 0 … 1; the default suits a model that works.
        confidence: 0 … 1.

    >>> round(resolvable_difference(60), 3)
    0.076
    """
    if n <= 0:
        return 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return min(1.0, z * math.sqrt(accuracy * (1 - accuracy) / n))


def resolution_sentence(n: int, accuracy: float = 0.9) -> str:
    """Says it in percentage points, rounded up (to a tenth below one point).

    >>> resolution_sentence(60)
    '60 images: differences under 8 points are luck'
    >>> resolution_sentence(10_000)
    '10000 images: differences under 0.6 points are luck'
    """
    if n <= 0:
        return "0 images: nothing can be said"
    points = 100 * resolvable_difference(n, accuracy)
    rounded = f"{math.ceil(points)}" if points > 1 else f"{math.ceil(10 * points) / 10:g}"
    images = "image" if n == 1 else "images"
    return f"{n} {images}: differences under {rounded} point{'' if rounded == '1' else 's'} are luck"


def crossval_sentence(n: int, n_classes: int) -> str:
    """Says that cross-validation is the way to measure so few pictures; "" where one held-out part will do.

    Args:
        n: pictures outside the test split.
        n_classes: 1 or more.

    >>> crossval_sentence(420, 10)
    'with 42 pictures a class outside the test split (420 in all), measure by cross-validation: each of them \
counts, not validation alone'
    >>> crossval_sentence(6000, 10)
    ''
    """
    if not 0 < n <= SMALL:
        return ""
    each = round(n / max(1, n_classes))
    noun = "picture" if each == 1 else "pictures"
    return (
        f"with {each:,} {noun} a class outside the test split ({n:,} in all), measure by cross-validation: "
        f"each of them counts, not validation alone"
    )
