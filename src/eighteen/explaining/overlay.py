"""A picture and its map side by side, as one picture.

In go a fitted picture and its map, out come pixels or a PNG: on the left what the network saw, on the right
the same in grey with the map laid over it. Bright yellow is where the map is highest, dark violet where it is
0: a perceptually uniform scale, also for eyes that do not tell red from green, and in print.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from eighteen.core.errors import EighteenError
from eighteen.core.inputs import with_channels

Bytes = npt.NDArray[np.uint8]

LEAST_SIDE_PX = 224
"""Smaller pictures are shown enlarged, their pixels as squares."""

GAP_PX = 8
COVER = 0.6
"""Share of the map's colour in the right half."""

_SCALE = "inferno"


def overlay(pixels: npt.NDArray[np.float32], heat: npt.NDArray[np.float32], top: float = 1.0) -> Bytes:
    """Draws a picture beside its map.

    Args:
        pixels: fitted picture `[C, H, W]`, 0..255, grey (C = 1) or RGB (C = 3).
        heat: its map `[h, w]`, finite, brought to the picture's size by bilinear resampling; negative values
            count as 0.
        top: value that gets the brightest colour, above 0: 1 for Grad-CAM; for occlusion a common one for all
            pictures that are compared, or a faint map looks like a strong one.

    Returns:
        uint8 `[S, 2 S' + 8, 3]` with S and S' the sides, each a whole multiple of H and W; white between.

    Raises:
        EighteenError: other shapes, values that are not finite, or `top` not above 0.
    """
    _check(pixels, heat, top)
    times = -(-LEAST_SIDE_PX // min(pixels.shape[1:]))
    height, width = (times * side for side in pixels.shape[1:])
    plain = np.clip(np.rint(pixels), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    shown = with_channels(plain, 3).repeat(times, axis=0).repeat(times, axis=1)  # [S, S', 3]
    grey = with_channels(with_channels(shown, 1), 3)
    mixed = (1 - COVER) * grey + COVER * _coloured(heat, height, width, top)
    gap = np.full((height, GAP_PX, 3), 255, np.uint8)
    return np.concatenate([shown, gap, np.rint(mixed).astype(np.uint8)], axis=1)


def overlay_png(pixels: npt.NDArray[np.float32], heat: npt.NDArray[np.float32], top: float = 1.0) -> bytes:
    """The same as the bytes of a PNG file; equal input gives equal bytes."""
    buffer = io.BytesIO()
    Image.fromarray(overlay(pixels, heat, top)).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _coloured(heat: npt.NDArray[np.float32], height: int, width: int, top: float) -> npt.NDArray[np.float64]:
    """The map as colours 0..255, `[height, width, 3]`."""
    from matplotlib import colormaps  # a sixth of a second to import

    plane = Image.fromarray(heat.astype(np.float32))
    smooth = np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR))
    return np.asarray(255 * colormaps[_SCALE](np.clip(smooth / top, 0, 1))[:, :, :3])


def _check(pixels: npt.NDArray[np.float32], heat: npt.NDArray[np.float32], top: float) -> None:
    problems = []
    if pixels.ndim != 3 or pixels.shape[0] not in (1, 3) or not pixels.size:
        problems.append(f"pixels have shape {pixels.shape}, expected [1 or 3, H, W]")
    if heat.ndim != 2 or not heat.size:
        problems.append(f"the map has shape {heat.shape}, expected [h, w]")
    if not (np.isfinite(pixels).all() and np.isfinite(heat).all()):
        problems.append("values are not all finite")
    if not top > 0:
        problems.append(f"top={top}, expected above 0")
    if problems:
        raise EighteenError(f"no overlay can be drawn: {'; '.join(problems)}. Give one picture and its map")
