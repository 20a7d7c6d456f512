"""From files to fitted pictures, in order, decoded ahead by threads.

Whatever is scored comes through here: in full, by the model's `InputSpec`, and a picture that cannot be read
is reported, never replaced.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from eighteen.core.dataset import Dataset
from eighteen.core.errors import UnreadableImage
from eighteen.core.inputs import InputSpec
from eighteen.core.pixels import MAX_PIXELS, decode

Pixel = TypeVar("Pixel", np.uint8, np.float32)

Item = tuple[Path | bytes | npt.NDArray[np.uint8], int]
"""What one picture is read from, and its index in a file of several (-1: the file is one picture)."""


@dataclass(frozen=True)
class Batch:
    """Fitted pictures of consecutive items.

    Attributes:
        positions: which items they are, `[B]`.
        pixels: `[B, C, size, size]` float32, 0..255, not normalised.
        unreadable: position and reason of the items that could not be read.
    """

    positions: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.float32]
    unreadable: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class PictureBatch:
    """RGB pictures of consecutive items, each of its own size.

    Attributes:
        positions: which items they are, `[B]`.
        pictures: `[H, W, 3]` uint8 each.
        unreadable: position and reason of the items that could not be read.
    """

    positions: npt.NDArray[np.int64]
    pictures: Sequence[npt.NDArray[np.uint8]]
    unreadable: tuple[tuple[int, str], ...]


def items_of(dataset: Dataset) -> list[Item]:
    """What to read for each row of a data set."""
    rows = dataset.table.select("path", "index").iter_rows()
    return [(dataset.file(path), int(index)) for path, index in rows]


def read_batches(
    items: Sequence[Item],
    inputs: InputSpec,
    batch_size: int,
    max_pixels: int | None = None,
    workers: int | None = None,
) -> Iterator[Batch]:
    """Reads and fits all items in order, `batch_size` at a time, a few batches ahead.

    Args:
        items: what to read.
        inputs: how a picture becomes the network's input.
        batch_size: items a batch; the last one may hold fewer.
        max_pixels: pictures above it are unreadable; None takes the decoder's own limit.
        workers: threads; None takes one a core.
    """

    def fit(item: Item) -> npt.NDArray[np.float32]:
        source, index = item
        if isinstance(source, np.ndarray):
            return inputs.fitted(inputs.to_channels_of(source))
        return inputs.read(source, index, max_pixels)

    for start, results in _read_ahead(items, fit, batch_size, workers):
        yield _assembled(start, results, inputs)


def read_pictures(
    items: Sequence[Item], inputs: InputSpec, batch_size: int, max_pixels: int | None = None
) -> Iterator[PictureBatch]:
    """Reads all items in order as RGB pictures of their own sizes, for models that fit them themselves.

    Args:
        items: what to read.
        inputs: gives the background that transparent pictures are laid over.
        batch_size: items a batch; the last one may hold fewer.
        max_pixels: pictures above it are unreadable; None takes the decoder's own limit.
    """
    coloured = inputs.model_copy(update={"channels": 3})
    limit = MAX_PIXELS if max_pixels is None else max_pixels

    def read(item: Item) -> npt.NDArray[np.uint8]:
        source, index = item
        if isinstance(source, np.ndarray):
            return coloured.to_channels_of(source)
        return coloured.to_channels(decode(source, index, limit))

    for start, results in _read_ahead(items, read, batch_size):
        positions, good, bad = _sorted_out(start, results)
        yield PictureBatch(positions, good, bad)


def _read_ahead(
    items: Sequence[Item],
    read: Callable[[Item], npt.NDArray[Pixel]],
    batch_size: int,
    workers: int | None = None,
) -> Iterator[tuple[int, list[npt.NDArray[Pixel] | str]]]:
    """Position of the first of a batch, and what was read or why not."""

    def attempt(item: Item) -> npt.NDArray[Pixel] | str:
        try:
            return read(item)
        except UnreadableImage as error:
            return error.reason

    workers = workers or max(1, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        remaining = iter(items)
        ahead: deque[Future[npt.NDArray[Pixel] | str]] = deque(
            pool.submit(attempt, item) for item in islice(remaining, 2 * batch_size)
        )
        start = 0
        while ahead:
            results = []
            for _ in range(min(batch_size, len(ahead))):
                results.append(ahead.popleft().result())
                ahead.extend(pool.submit(attempt, item) for item in islice(remaining, 1))
            yield start, results
            start += len(results)


def _sorted_out(
    start: int, results: Sequence[npt.NDArray[Pixel] | str]
) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[Pixel]], tuple[tuple[int, str], ...]]:
    good = [(start + k, result) for k, result in enumerate(results) if not isinstance(result, str)]
    bad = tuple((start + k, result) for k, result in enumerate(results) if isinstance(result, str))
    return np.array([position for position, _ in good], np.int64), [result for _, result in good], bad


def _assembled(start: int, results: Sequence[npt.NDArray[np.float32] | str], inputs: InputSpec) -> Batch:
    positions, good, bad = _sorted_out(start, results)
    shape = (0, inputs.channels, inputs.size, inputs.size)
    return Batch(positions, np.stack(good) if good else np.empty(shape, np.float32), bad)
