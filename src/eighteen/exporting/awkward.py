"""Pictures that break preparations: very long, tiny, one pixel wide, larger than any input, flat and noisy.

A model file that fits pictures itself is asked for these too, beside real files: a wrong rounding of a side
or a missing antialias shows here first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def awkward_pictures(size_px: int) -> list[npt.NDArray[np.uint8]]:
    """RGB pictures `[H, W, 3]`, uint8, always the same ones.

    Args:
        size_px: side of the network's input.
    """
    random = np.random.default_rng(18)
    sides = [
        (1, 1),
        (1, 333),
        (333, 1),
        (2, 3),
        (size_px, size_px),
        (size_px - 1, size_px + 1),
        (2 * size_px + 1, 2 * size_px),
        (7, 640),
        (640, 7),
        (1500, 1001),
    ]
    noisy = [random.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in sides]
    return [*noisy, *(_stripes(height, width) for height, width in ((400, 533), (533, 400), (1203, 799)))]


def _stripes(height: int, width: int) -> npt.NDArray[np.uint8]:
    """One-pixel stripes in red, coarse ones in green, a ramp in blue: aliasing and colour order show."""
    rows, columns = np.mgrid[0:height, 0:width]
    red, green = (columns % 2) * 255, (rows // 16 % 2) * 255
    blue = columns * 255 // max(1, width - 1)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)
