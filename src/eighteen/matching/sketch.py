"""The sketch: what is kept of a picture so that near copies of it can be found without decoding again.

In: the upright 8-bit pixels of a decoded picture. Out: 2,496 bytes: a grey square of 48x48 (whatever the
aspect ratio, since a copy may be cut), then the mean colours of 8x8 cells. A large picture is not read in
full: three rows in each of the 48 bands and 32x32 points for the colours settle these means well enough, and
cost a tenth of what decoding does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 48
"""Pixels of a side of the grey square. At 32, different shirts on one carpet pass for copies."""

CELLS = 8
"""Cells of a side of the colours."""

SKETCH_BYTES = SIDE * SIDE + CELLS * CELLS * 3

_ROWS_A_BAND = 3
_POINTS_A_CELL = 4
_SMALL_PX = 2 * SIDE


@dataclass(frozen=True, eq=False)
class Sketches:
    """Sketches of N pictures.

    Attributes:
        grey: uint8 `[N, 48, 48]`, the mean of the channels.
        colour: uint8 `[N, 8, 8, 3]`, RGB.
    """

    grey: npt.NDArray[np.uint8]
    colour: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.grey)

    @classmethod
    def unpack(cls, rows: Sequence[bytes]) -> Sketches:
        """From the `bytes` that `sketch` gives, one a picture (a column `sketch` of a scanned data set)."""
        flat = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), SKETCH_BYTES)
        grey, colour = flat[:, : SIDE * SIDE], flat[:, SIDE * SIDE :]
        return cls(grey.reshape(-1, SIDE, SIDE), colour.reshape(-1, CELLS, CELLS, 3))


def sketch(pixels: npt.NDArray[np.uint8]) -> bytes:
    """The sketch of one picture, `SKETCH_BYTES` long.

    Args:
        pixels: uint8 `[H, W, 1]` grey or `[H, W, 3]` RGB, upright.

    >>> len(sketch(np.zeros((60, 40, 3), np.uint8))) == SKETCH_BYTES
    True
    """
    height, width = pixels.shape[:2]
    grey = _shrunk(pixels) if min(height, width) >= _SMALL_PX else _resized(pixels)
    return grey.tobytes() + _colours(pixels).tobytes()


def _shrunk(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Means over bands of rows, then over columns; channels are columns that stand side by side."""
    height, width, channels = pixels.shape
    rows = pixels[_middles(height, SIDE * _ROWS_A_BAND)].reshape(SIDE, _ROWS_A_BAND, width * channels)
    bands = rows.sum(axis=1, dtype=np.uint16).astype(np.float32)
    means = bands @ _column_weights(width * channels)
    return np.asarray(means + np.float32(0.5), np.uint8)


def _resized(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Small pictures in full, enlarged smoothly where they are smaller than the square."""
    grey = pixels.mean(axis=2, dtype=np.float32)
    return np.asarray(Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BILINEAR)).astype(np.uint8)


def _colours(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width, channels = pixels.shape
    side = CELLS * _POINTS_A_CELL
    points = pixels[_middles(height, side)[:, None], _middles(width, side)[None, :]]
    cells = points.reshape(CELLS, _POINTS_A_CELL, CELLS, _POINTS_A_CELL, channels)
    means = cells.sum(axis=(1, 3), dtype=np.uint16) // _POINTS_A_CELL**2
    return np.broadcast_to(means.astype(np.uint8), (CELLS, CELLS, 3))


@lru_cache(maxsize=1024)
def _middles(length: int, parts: int) -> npt.NDArray[np.int64]:
    """Positions of the middles of `parts` equal parts of a length."""
    return ((np.arange(parts) + 0.5) * length / parts).astype(np.int64)


@lru_cache(maxsize=256)
def _column_weights(columns: int) -> npt.NDArray[np.float32]:
    """`[columns, 48]`: the share of each column in each mean, over the rows that a band holds."""
    edges = np.arange(SIDE + 1) * columns / SIDE
    left = np.arange(columns)[:, None]
    shares = np.minimum(edges[None, 1:], left + 1) - np.maximum(edges[None, :-1], left)
    return np.asarray(np.clip(shares, 0, None) * SIDE / columns / _ROWS_A_BAND, np.float32)
