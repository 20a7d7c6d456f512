"""What a test set of n images can resolve.

In comes a number of images, out goes the smallest difference in accuracy that is more than luck: half the
width of the 95 % interval of one accuracy, z · sqrt(p (1 - p) / n). Two models on different images of one
kind need sqrt(2) times as much; two models on the very same images often less, which a paired test shows.
"""

from __future__ import annotations

import math
from statistics import NormalDist


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
