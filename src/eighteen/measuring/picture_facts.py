"""Brightness and blur of pictures: facts that slices can be cut by.

In come fitted pictures, out go two numbers each. Both are measured on what the network sees, so that a huge
picture and a small one are compared at the same size.

Sources: ITU-R BT.601 for luma; Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, ICPR 2000,
for the variance of the Laplacian.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eighteen.core.errors import EighteenError
from eighteen.measuring.scored import Floats

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_SHORTEST_SIDE_PX = 3


def brightness_and_blur(pixels: npt.NDArray[np.floating] | npt.NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """Gives brightness and blur of each picture, `[B]` each, float64.

    Args:
        pixels: `[B, C, H, W]`, 0..255, grey (C = 1) or RGB (C = 3), each side 3 px or more.

    Returns:
        Brightness: mean luma, 0 (black) … 255 (white). Blur: 1 / (1 + s), 0 … 1, with s the standard
        deviation of the luma's Laplacian over the picture's inside; 1 is a picture without any detail. It
        falls as the variance of the Laplacian rises, and grows with low contrast as it does with blur.

    Raises:
        EighteenError: another shape.

    >>> brightness, blur = brightness_and_blur(np.full((1, 3, 4, 4), 128, np.uint8))
    >>> round(float(brightness[0]), 3), float(blur[0])
    (128.0, 1.0)
    """
    _check(pixels.shape)
    planes = pixels.astype(np.float32)
    luma = planes[:, 0] if pixels.shape[1] == 1 else np.einsum("c,bchw->bhw", _LUMA, planes)  # [B, H, W]
    across = luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
    down = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1]
    laplacian = across + down - 4 * luma[:, 1:-1, 1:-1]
    spread = laplacian.std(axis=(1, 2), dtype=np.float64)
    return luma.mean(axis=(1, 2), dtype=np.float64), 1 / (1 + spread)


def _check(shape: tuple[int, ...]) -> None:
    if len(shape) != 4 or shape[1] not in (1, 3) or min(shape[2:]) < _SHORTEST_SIDE_PX:
        raise EighteenError(
            f"pixels of shape {shape} have no brightness and blur; expected [B, 1 or 3, H, W] with sides of "
            f"{_SHORTEST_SIDE_PX} px or more: give fitted pictures, as InputSpec.read makes them"
        )
