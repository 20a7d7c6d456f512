"""Looks at pictures: each one is decoded in full, once, and what is worth keeping goes into a record.

In: files and positions inside them. Out: one `Record` each, in order. Threads share the work, since decoding
leaves the interpreter free. Memory stays bounded: pictures above `LARGE_PIXELS` are decoded alone, with all
other threads waiting, so a queue of huge scans costs no more than one of them. What smaller ones cost grows
with the number of threads.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, Semaphore
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eighteen.auditing._facts import blur_of
from eighteen.core.errors import DatasetError, UnreadableImage
from eighteen.core.idx import open_idx
from eighteen.core.pixels import Picture, decode, to_uint8
from eighteen.matching import sketch

LARGE_PIXELS = 16_000_000
"""Pictures with more pixels are decoded one at a time (a phone's 12 megapixels still go side by side)."""

_CHUNK = 32
"""Pictures a thread takes at once; fewer cost time in handing over, more make the progress jump."""

_HASHED_WHOLE_BYTES = 1 << 16

_IDX_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


class Record(NamedTuple):
    """What a look at one picture gives; `reason` says why it is unreadable and is "" otherwise.

    `sha256` is the hash of the file's bytes, or of the pixels where a file holds several pictures;
    `pixels_sha256` always that of the decoded upright pixels. `blank` means that all pixels are equal.
    `sketch` and `blur` are what plain facts and near copies are found from.
    """

    sha256: str = ""
    pixels_sha256: str = ""
    width: int = 0
    height: int = 0
    mode: str = ""
    format: str = ""
    frames: int = 0
    notes: tuple[str, ...] = ()
    blank: bool = False
    sketch: bytes = b""
    blur: float = 1.0
    reason: str = ""


Item = tuple[Path, int]
"""A file, and the index of the picture in it (-1: the file is one picture)."""


def look_at_all(
    items: Sequence[Item], max_pixels: int, workers: int | None, done: Callable[[int], None]
) -> list[Record]:
    """Records of all items, in their order.

    Args:
        items: what to look at.
        max_pixels: pictures with more pixels are unreadable.
        workers: threads; None takes one a core.
        done: told how many more pictures are finished.
    """
    workers = workers or os.cpu_count() or 1
    lanes = _Lanes(workers)
    chunks = [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]
    records: list[Record] = []
    with ThreadPoolExecutor(workers, thread_name_prefix="scan") as pool:
        try:
            for found in pool.map(lambda chunk: _look_at_some(chunk, max_pixels, lanes), chunks):
                records.extend(found)
                done(len(found))
        except BaseException:
            # Without this an interrupted scan would first finish all that is queued.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return records


def pixel_hash(pixels: npt.NDArray[Any]) -> str:
    """SHA-256 of shape, type and values: equal for equal pictures, whatever file they come from.

    Of a picture above 64 kB the sums of its rows and columns are hashed, in 64-bit words: SHA-256 of all
    bytes would take half as long as decoding them.

    >>> grey = np.zeros((2, 3, 1), np.uint8)
    >>> pixel_hash(grey) == pixel_hash(grey.copy()), pixel_hash(grey) == pixel_hash(grey.reshape(3, 2, 1))
    (True, False)
    """
    digest = hashlib.sha256(f"{pixels.dtype.str}{pixels.shape}".encode())
    pixels = np.ascontiguousarray(pixels)
    for part in [pixels] if pixels.nbytes <= _HASHED_WHOLE_BYTES else _sums(pixels):
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def _sums(pixels: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Sums of words along and across the rows, and the bytes that fill no word.

    Across, every third row is summed apart: an exchange between rows would otherwise leave both sums alone.
    """
    octets = pixels.reshape(len(pixels), -1).view(np.uint8)
    whole = octets.shape[1] // 8 * 8
    words = np.ascontiguousarray(octets[:, :whole]).view(np.uint64)
    # einsum, since it adds several words at once where sum does not.
    threes = len(words) // 3
    across = np.einsum("tij->ij", words[: 3 * threes].reshape(threes, 3, words.shape[1]))
    across[: len(words) - 3 * threes] += words[3 * threes :]
    return [np.einsum("ij->i", words), *across, octets[:, whole:]]


def _look_at_some(items: Sequence[Item], max_pixels: int, lanes: _Lanes) -> list[Record]:
    return [
        _look_in_container(path, index, max_pixels, lanes)
        if index >= 0
        else _look(path, -1, max_pixels, lanes)
        for path, index in items
    ]


def _look(path: Path, index: int, max_pixels: int, lanes: _Lanes) -> Record:
    try:
        return _look_sharing(path, index, max_pixels, lanes)
    except UnreadableImage as error:
        return Record(reason=error.reason)


def _look_sharing(path: Path, index: int, max_pixels: int, lanes: _Lanes) -> Record:
    """A size above the first limit is refused by the header alone; then the picture gets its turn alone."""
    with lanes.shared():
        try:
            return _record(path, index, min(max_pixels, LARGE_PIXELS))
        except UnreadableImage:
            if max_pixels <= LARGE_PIXELS:
                raise
    with lanes.alone():
        return _record(path, index, max_pixels)


def _record(path: Path, index: int, max_pixels: int) -> Record:
    digest = hashlib.sha256()
    picture = decode(path, index, max_pixels, digest)
    height, width = picture.pixels.shape[:2]
    pixels_sha256, shown = pixel_hash(picture.pixels), to_uint8(picture)
    return Record(
        sha256=digest.hexdigest() if index < 0 else pixels_sha256,
        pixels_sha256=pixels_sha256,
        width=width,
        height=height,
        mode=picture.mode,
        format=picture.format,
        frames=picture.frames if index < 0 else 1,
        notes=tuple(picture.notes),
        blank=_is_blank(picture.pixels),
        sketch=sketch(shown),
        blur=blur_of(shown),
    )


def _look_in_container(path: Path, index: int, max_pixels: int, lanes: _Lanes) -> Record:
    """A picture of an IDX file; plain bytes are taken from the array, other types go through the decoder."""
    try:
        values = open_idx(path)
    except DatasetError:
        # The decoder says what the file is instead.
        return _look(path, index, max_pixels, lanes)
    if not _plain(values, index, max_pixels):
        return _look(path, index, max_pixels, lanes)
    pixels = values[index]
    pixels = pixels if pixels.ndim == 3 else pixels[:, :, None]
    height, width, channels = pixels.shape
    digest = pixel_hash(pixels)
    mode = _IDX_MODES[channels]
    shown = to_uint8(Picture(pixels, mode, "IDX", 1, ()))
    blank, looks = _is_blank(pixels), (sketch(shown), blur_of(shown))
    return Record(digest, digest, width, height, mode, "IDX", 1, (), blank, *looks)


def _plain(values: npt.NDArray[Any], index: int, max_pixels: int) -> bool:
    shaped = values.ndim == 3 or (values.ndim == 4 and values.shape[3] in _IDX_MODES)
    if not shaped or values.dtype != np.uint8 or index >= len(values):
        return False
    return bool(0 < values.shape[1] * values.shape[2] <= min(max_pixels, LARGE_PIXELS))


def _is_blank(pixels: npt.NDArray[Any]) -> bool:
    """Whether all pixels are equal; most pictures are told by their corner."""
    if (pixels[:8, :8] != pixels[0, 0]).any():
        return False
    return all(
        bool(pixels[..., channel].min() == pixels[..., channel].max()) for channel in range(pixels.shape[2])
    )


class _Lanes:
    """Lets pictures be decoded side by side, or one alone; who asks to be alone is not overtaken."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._free = Semaphore(workers)
        self._turnstile = Lock()

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._turnstile:
            self._free.acquire()
        try:
            yield
        finally:
            self._free.release()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._turnstile:
            for _ in range(self._workers):
                self._free.acquire()
        try:
            yield
        finally:
            self._free.release(self._workers)
