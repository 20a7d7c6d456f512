"""The sketch: what is kept of a picture so that near copies of it can be found without decoding again.

In: the upright 8-bit pixels of a decoded picture. Out: 2,496 bytes: a grey square of 48x48 (whatever the
aspect ratio, since a copy may be cut), then the mean colours of 8x8 cells. A large picture is not read in
full: three rows in each of the 48 bands settle these means well enough, in a tenth of the time of decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl
from PIL import Image

SIDE = 48
"""Pixels of a side of the grey square. At 32, different shirts on one carpet pass for copies."""

CELLS = 8
"""Cells of a side of the colours."""

SKETCH_BYTES = SIDE * SIDE + CELLS * CELLS * 3

_ROWS_A_BAND = 3
_MEAN = (1 / 3, 1 / 3, 1 / 3, 0.0)
"""Grey is the mean of the channels: luma tells blue things on red ground apart less well."""


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


def sketches_in(table: pl.DataFrame) -> Sketches:
    """The sketches of a scanned data set's table; pictures too small to go by show nothing.

    A sketch of a picture with a side under `SIDE` holds less than it seems to: among handwritten digits of 8
    pixels, every ninth would pass for a copy of another one. Only equal pixels count there.
    """
    found = Sketches.unpack(table["scan.sketch"].to_list())
    small = (table.select(pl.min_horizontal("width", "height")).to_series() < SIDE).to_numpy()
    return Sketches(np.where(small[:, None, None], np.uint8(0), found.grey), found.colour)


def sketch(pixels: npt.NDArray[np.uint8]) -> bytes:
    """The sketch of one picture, `SKETCH_BYTES` long.

    Args:
        pixels: uint8 `[H, W, 1]` grey or `[H, W, 3]` RGB, upright.

    >>> len(sketch(np.zeros((60, 40, 3), np.uint8))) == SKETCH_BYTES
    True
    """
    small = _small(_bands(pixels) if len(pixels) >= SIDE * _ROWS_A_BAND else pixels)
    grey = small.convert("L", _MEAN) if small.mode == "RGB" else small
    return grey.tobytes() + small.reduce(SIDE // CELLS).convert("RGB").tobytes()


def _bands(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Means of three rows in each of 48 bands, `[48, W, C]`."""
    rows = pixels.take(_middles(len(pixels)), axis=0).reshape(SIDE, _ROWS_A_BAND, *pixels.shape[1:])
    return np.asarray(rows.sum(axis=1, dtype=np.uint16) // np.uint16(_ROWS_A_BAND), np.uint8)


@lru_cache(maxsize=1024)
def _middles(length: int) -> npt.NDArray[np.int64]:
    """In each of 48 bands, the rows in the middle of its parts."""
    parts = np.arange(SIDE * _ROWS_A_BAND)
    return np.asarray((parts + 0.5) * length / (SIDE * _ROWS_A_BAND), np.int64)


def _small(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    """48x48: means where it becomes smaller, smooth where it becomes larger."""
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
    kernel = Image.Resampling.BOX if pixels.shape[1] >= 2 * SIDE else Image.Resampling.BILINEAR
    return image.resize((SIDE, SIDE), kernel)
