"""Training pictures as squares of 8 bits, decoded once where memory allows.

Every picture is squashed to S x S pixels, S a little above the network's size, with its aspect ratio kept
beside it: one array then holds all of them, and the augmentation (which knows the aspect ratio) cuts, turns
and unsquashes in one resampling. JPEGs are decoded at reduced scale here; validation and test never are.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import psutil

from eighteen.core.dataset import Dataset
from eighteen.core.errors import TrainingError, UnreadableImage
from eighteen.core.inputs import InputSpec, resize
from eighteen.core.pixels import decode_reduced
from eighteen.core.progress import Progress, silent

STORED_MARGIN = 1.25
"""Side of the stored square over the network's size, where the source has that many pixels: a crop of 64 % of
the area is then still sampled at full resolution."""


class SquareReader:
    """Reads training pictures as uint8 squares `[C, S, S]`."""

    def __init__(self, dataset: Dataset, inputs: InputSpec, side_px: int, max_pixels: int) -> None:
        self.dataset = dataset
        self.inputs = inputs
        self.side_px = side_px
        self._max_pixels = max_pixels
        self._rows = list(dataset.table.select("path", "index").iter_rows())

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def aspects(self) -> npt.NDArray[np.float32]:
        """Width over height of each upright picture, `[N]`."""
        table = self.dataset.table
        return (table["width"] / table["height"]).to_numpy().astype(np.float32)

    def read(self, row: int) -> npt.NDArray[np.uint8]:
        """One picture, `[C, S, S]`.

        Raises:
            TrainingError: a file that could be read before no longer can.
        """
        path, index = self._rows[row]
        try:
            picture = decode_reduced(self.dataset.file(path), self.side_px, int(index), self._max_pixels)
        except UnreadableImage as error:
            raise TrainingError(
                f"{error}; it was readable when the data set was scanned. Bring it back or audit again, "
                f"then resume"
            ) from error
        pixels = self.inputs.to_channels(picture)
        squared = resize(pixels, self.side_px, self.side_px, self.inputs.kernel)
        return np.rint(squared).astype(np.uint8)


class Squares:
    """All training pictures of one size, kept in memory or read anew each time."""

    def __init__(
        self, reader: SquareReader, fraction: float, workers: int, progress: Progress = silent
    ) -> None:
        self.reader = reader
        self.aspects = reader.aspects
        self._workers = max(1, workers)
        self._pixels: npt.NDArray[np.uint8] | None = None
        if _bytes(reader) <= fraction * psutil.virtual_memory().available:
            self._pixels = self._read_all(progress)

    @property
    def in_memory(self) -> bool:
        return self._pixels is not None

    def take(self, rows: npt.NDArray[np.int64], pool: ThreadPoolExecutor | None) -> npt.NDArray[np.uint8]:
        """Pictures of some rows, `[B, C, S, S]`."""
        if self._pixels is not None:
            return self._pixels[rows]
        read = pool.map if pool is not None else map
        return np.stack(list(read(self.reader.read, rows.tolist())))

    def _read_all(self, progress: Progress) -> npt.NDArray[np.uint8]:
        reader = self.reader
        side = reader.side_px
        pixels = np.empty((len(reader), reader.inputs.channels, side, side), dtype=np.uint8)
        with ThreadPoolExecutor(self._workers, thread_name_prefix="decode") as pool:
            for row, square in enumerate(pool.map(reader.read, range(len(reader)))):
                pixels[row] = square
                progress("read", row + 1, len(reader), "")
        return pixels


def stored_side_px(size_px: int, short_sides_px: Sequence[int] | npt.NDArray[np.int64]) -> int:
    """Side of the stored squares: up to `STORED_MARGIN` above the network's size, never above what the
    pictures have.

    >>> stored_side_px(32, [32, 32]), stored_side_px(64, [100, 100])
    (32, 80)
    """
    median = int(np.median(np.asarray(short_sides_px)))
    return max(size_px, min(round(size_px * STORED_MARGIN), median))


def default_workers() -> int:
    """Threads that read and augment: one a core, at most eight."""
    return max(1, min(8, os.cpu_count() or 1))


def _bytes(reader: SquareReader) -> int:
    return len(reader) * reader.inputs.channels * reader.side_px**2
