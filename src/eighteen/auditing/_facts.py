"""Plain facts of each picture, from what the scan kept of it.

In: sketches (small squares of grey and of colour) and the blur, taken from the one decode of the scan. Out: a
matrix with one column for each of `NAMES`, made in array code for thousands of pictures at once. The scan
keeps it in its cache; checks get it from `facts_in`.

| fact                                        | range   | what it is                                        |
|---------------------------------------------|---------|---------------------------------------------------|
| `brightness`, `contrast`                    | 0 … 255 | mean and standard deviation of the grey square    |
| `red`, `green`, `blue`                      | 0 … 255 | mean colour                                       |
| `saturation`                                | 0 … 255 | mean over cells of largest minus smallest channel |
| `border_red`, `border_green`, `border_blue` | 0 … 255 | mean colour of the outer eighth on each side      |
| `border_contrast`                           | 0 … 255 | standard deviation of the grey in the outer tenth |
| `border_detail`                             | 0 …     | detail there, over that of the whole picture      |
| `outside_detail`                            | 0 … 1   | share of the detail that a centre crop loses      |
| `blur`                                      | 0 … 1   | 1 / (1 + s), s of the Laplacian in file pixels    |

Detail is the step between neighbouring cells of the 48 x 48 square.

Source: Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, ICPR 2000, for the Laplacian.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from eighteen.core.dataset import Dataset
from eighteen.matching import Sketches

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[Any]

NAMES = (
    "brightness",
    "contrast",
    "red",
    "green",
    "blue",
    "saturation",
    "border_red",
    "border_green",
    "border_blue",
    "border_contrast",
    "border_detail",
    "outside_detail",
    "blur",
)

COLUMN = "scan.facts"
"""Where a scanned data set holds them during an audit."""

CROP_FRACTION = 0.875
"""Share of the short side that a centre crop keeps, as most published networks are evaluated."""

_SIDE = 48
_RIM = 5
_CHUNK = 2048
_BANDS = 8


def facts_of(sketches: Sketches, blur: Numbers, width: Numbers, height: Numbers) -> npt.NDArray[np.float32]:
    """The facts of N pictures, float32 `[N, 13]`, in the order of `NAMES`.

    Args:
        sketches: of N pictures.
        blur: `[N]`, as `blur_of` gives it.
        width, height: `[N]`, pixels of the files.
    """
    starts = range(0, len(sketches), _CHUNK)
    parts = [
        _some(sketches.grey[part], sketches.colour[part], blur[part], width[part], height[part])
        for part in (slice(start, start + _CHUNK) for start in starts)
    ]
    return np.concatenate([np.empty((0, len(NAMES)), np.float32), *parts])


def blur_of(pixels: npt.NDArray[np.uint8]) -> float:
    """Blur of one picture, 0 … 1, from bands of three rows of its green channel over the whole height.

    Args:
        pixels: uint8 `[H, W, C]`.

    >>> blur_of(np.full((9, 9, 1), 128, np.uint8))
    1.0
    """
    height, width, channels = pixels.shape
    if min(height, width) < 3:
        return 1.0
    rows = pixels.take(_bands(height), axis=0)[:, :, min(1, channels // 2)]
    above, here, below = rows.astype(np.int16).reshape(-1, 3, width).swapaxes(0, 1)
    laplacian = above[:, 1:-1] + below[:, 1:-1] + here[:, :-2] + here[:, 2:] - 4 * here[:, 1:-1]
    flat = laplacian.astype(np.float32).reshape(-1)
    variance = float(flat @ flat) / flat.size - (float(flat.sum()) / flat.size) ** 2
    return 1 / (1 + math.sqrt(max(variance, 0.0)))


@lru_cache(maxsize=1024)
def _bands(height: int) -> npt.NDArray[np.int64]:
    """The rows of bands of three over the whole height, band by band."""
    top = np.linspace(0, height - 3, min(_BANDS, height - 2)).astype(np.int64)
    return (top[:, None] + np.arange(3)).reshape(-1)


def facts_in(dataset: Dataset, names: Sequence[str] = NAMES) -> Floats | None:
    """The facts of every row, `[N, len(names)]`; None where the data set was not scanned for them."""
    if COLUMN not in dataset.table.columns or not len(dataset):
        return None
    lists = dataset.table[COLUMN]
    if lists.null_count() or (lists.list.len() != len(NAMES)).any():
        return None
    table = lists.explode().to_numpy().reshape(len(dataset), len(NAMES)).astype(np.float64)
    return np.asarray(table[:, [NAMES.index(name) for name in names]])


def area_outside(width: Numbers, height: Numbers) -> Floats:
    """Share of each picture's area, 0..1, that a centre crop leaves out."""
    short = np.minimum(width, height)
    return np.asarray(1 - (CROP_FRACTION * short) ** 2 / (width * height), np.float64)


def _some(
    grey: npt.NDArray[np.uint8], colour: npt.NDArray[np.uint8], blur: Numbers, width: Numbers, height: Numbers
) -> npt.NDArray[np.float32]:
    luma, cells = grey.astype(np.float32), colour.astype(np.float32)  # [n, 48, 48], [n, 8, 8, 3]
    rim = _ring(_SIDE, _RIM)
    detail = _detail(luma)
    total = np.maximum(detail.sum(axis=(1, 2)), 1e-6)
    columns = [
        luma.mean(axis=(1, 2)),
        luma.std(axis=(1, 2)),
        *cells.mean(axis=(1, 2)).T,
        (cells.max(axis=3) - cells.min(axis=3)).mean(axis=(1, 2)),
        *cells[:, _ring(cells.shape[1], 1)].mean(axis=1).T,
        luma[:, rim].std(axis=1),
        detail[:, rim].mean(axis=1) * _SIDE**2 / total,
        (detail * _outside(width, height)).sum(axis=(1, 2)) / total,
        blur,
    ]
    return np.stack([np.asarray(column, np.float32) for column in columns], axis=1)


def _detail(luma: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Steps to the next cell on the right and below, summed, `[n, 48, 48]`."""
    steps = np.zeros_like(luma)
    steps[:, :, :-1] += np.abs(np.diff(luma, axis=2))
    steps[:, :-1] += np.abs(np.diff(luma, axis=1))
    return steps


def _ring(side: int, width: int) -> npt.NDArray[np.bool_]:
    ring = np.ones((side, side), np.bool_)
    ring[width:-width, width:-width] = False
    return ring


def _outside(width: Numbers, height: Numbers) -> npt.NDArray[np.bool_]:
    """Cells that a centre crop leaves out, `[n, 48, 48]`."""
    kept = (CROP_FRACTION * np.minimum(width, height) / 2)[:, None]
    middle = (np.arange(_SIDE) + 0.5) / _SIDE - 0.5
    rows, columns = np.abs(middle * height[:, None]) < kept, np.abs(middle * width[:, None]) < kept
    return ~(rows[:, :, None] & columns[:, None, :])
