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
from eighteen.inference._room import Room

MOST_PIXELS = 32_000_000
"""Of whole pictures in a batch, and of those decoded ahead: 100 MB of bytes each, where 64 photos of 12
megapixels would be 2.3 GB. It holds two of these, or 64 pictures of 700x700."""

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
        batch_size: items a batch; one ends earlier where its pictures reach `MOST_PIXELS`.
        max_pixels: pictures above it are unreadable; None takes the decoder's own limit.
    """
    coloured = inputs.model_copy(update={"channels": 3})
    limit = MAX_PIXELS if max_pixels is None else max_pixels

    def read(item: Item) -> npt.NDArray[np.uint8]:
        source, index = item
        if isinstance(source, np.ndarray):
            return coloured.to_channels_of(source)
        return coloured.to_channels(decode(source, index, limit))

    for start, results in _read_ahead(items, read, batch_size, most_pixels=MOST_PIXELS):
        positions, good, bad = _sorted_out(start, results)
        yield PictureBatch(positions, good, bad)


def _read_ahead(
    items: Sequence[Item],
    read: Callable[[Item], npt.NDArray[Pixel]],
    batch_size: int,
    workers: int | None = None,
    most_pixels: float = float("inf"),
) -> Iterator[tuple[int, list[npt.NDArray[Pixel] | str]]]:
    """Position of the first of a batch, and what was read or why not.

    Not more than `most_pixels` are in a batch and not more wait for the next one, but for single pictures.
    """
    room = Room(most_pixels)

    def attempt(position: int, item: Item) -> npt.NDArray[Pixel] | str:
        room.enter(position)
        try:
            found = read(item)
        except UnreadableImage as error:
            return error.reason
        room.put(_pixels(found))
        return found

    workers = workers or max(1, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        remaining = enumerate(items)
        ahead: deque[Future[npt.NDArray[Pixel] | str]] = deque()

        def read_on(number: int) -> None:
            ahead.extend(pool.submit(attempt, *each) for each in islice(remaining, number))

        read_on(2 * batch_size)
        start = 0
        try:
            while ahead:
                results: list[npt.NDArray[Pixel] | str] = []
                pixels = 0
                while ahead and len(results) < batch_size and pixels < most_pixels:
                    room.want(start + len(results))
                    results.append(ahead.popleft().result())
                    pixels += _pixels(results[-1])
                    room.take(_pixels(results[-1]))
                    read_on(1)
                yield start, results
                start += len(results)
        finally:
            room.leave_open()
            pool.shutdown(wait=False, cancel_futures=True)


def _pixels(found: npt.NDArray[Pixel] | str) -> int:
    return 0 if isinstance(found, str) else found.shape[0] * found.shape[1]


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
