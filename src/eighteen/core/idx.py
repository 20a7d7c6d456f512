"""The IDX container: a file that holds one array, the way MNIST is handed out; plain or gzip-compressed.

In: a path. Out: the array, memory-mapped where the file is plain, read-only either way. The header says what
must follow, and a file that holds less or more than that is refused, so that a bomb never grows beyond the
size it states and a cut file is never half used.

Source: the format note on http://yann.lecun.com/exdb/mnist/ (two zero bytes, a type code, the number of
dimensions, the dimensions as big-endian uint32, then the values in C order, big-endian).
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from eighteen.core.errors import DatasetError

MAX_ARRAY_BYTES = 8 << 30
"""A compressed file is unpacked in memory; one that states more than this (8 GiB) is refused, since MNIST and
every known relative of it stay below 1 GiB."""

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP_MAGIC = b"\x1f\x8b"
_MAX_DIMENSIONS = 8


def is_idx(path: Path) -> bool:
    """Whether the content (not the name) is IDX, plain or inside gzip. False where nothing can be read."""
    try:
        if not path.is_file():
            return False
        with _opened(path) as stream:
            return is_idx_head(stream.read(4))
    except (OSError, EOFError, zlib.error, ValueError):
        return False


def is_idx_head(head: bytes) -> bool:
    """Whether the first four bytes are an IDX magic number."""
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in _TYPES and 1 <= head[3] <= _MAX_DIMENSIONS


def read_header(path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """The type and the shape that the header states; the values are not read.

    Raises:
        DatasetError: the file is missing, is no IDX, or ends inside its header.
    """
    try:
        with _opened(path) as stream:
            return _header(path, stream)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(_damaged(path, error)) from error


def open_idx(path: Path) -> npt.NDArray[Any]:
    """The whole array, read-only: uint8 `[N, H, W]` for MNIST's images, uint8 `[N]` for its labels.

    The last few arrays stay open (keyed by path, size and time of change), so asking for picture after
    picture costs one opening.

    Raises:
        DatasetError: the file is missing, is no IDX, is cut, or holds more than its header states.
    """
    try:
        stat = path.stat()
    except (OSError, ValueError) as error:
        raise DatasetError(_damaged(path, error)) from error
    return _open_cached(str(path.absolute()), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=8)
def _open_cached(path_text: str, size_bytes: int, mtime_ns: int) -> npt.NDArray[Any]:
    path = Path(path_text)
    dtype, shape = read_header(path)
    offset, body_bytes = 4 + 4 * len(shape), math.prod(shape) * dtype.itemsize
    try:
        with path.open("rb") as stream:
            compressed = stream.read(2) == _GZIP_MAGIC
        if compressed:
            return _unpacked(path, dtype, shape, offset, body_bytes)
        _check_length(path, size_bytes - offset, body_bytes, shape)
        if body_bytes == 0:
            return np.empty(shape, dtype)
        return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(_damaged(path, error)) from error


def _unpacked(
    path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int, body_bytes: int
) -> npt.NDArray[Any]:
    if body_bytes > MAX_ARRAY_BYTES:
        raise DatasetError(
            f"{path}: the header states {body_bytes} bytes, more than the {MAX_ARRAY_BYTES} that are "
            "unpacked in memory; unpack the file on disk (gunzip) and give that"
        )
    with gzip.open(path, "rb") as stream:
        stream.read(offset)
        # One byte more than stated shows surplus without ever unpacking all of it.
        body = stream.read(body_bytes + 1)
    _check_length(path, len(body), body_bytes, shape)
    return np.frombuffer(body, dtype=dtype, count=math.prod(shape)).reshape(shape)


def _header(path: Path, stream: IO[bytes] | gzip.GzipFile) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = stream.read(4)
    if not is_idx_head(magic):
        raise DatasetError(
            f"{path}: begins with {magic.hex(' ') or 'nothing'}, which is no IDX file "
            "(00 00 type dimensions); check that this is the file meant"
        )
    dimensions = stream.read(4 * magic[3])
    if len(dimensions) < 4 * magic[3]:
        raise DatasetError(f"{path}: truncated inside the header; copy or download the file again")
    return np.dtype(_TYPES[magic[2]]), struct.unpack(f">{magic[3]}I", dimensions)


def _check_length(path: Path, have_bytes: int, expected_bytes: int, shape: tuple[int, ...]) -> None:
    if have_bytes == expected_bytes:
        return
    stated = "x".join(map(str, shape))
    what = (
        f"truncated, {have_bytes} of {expected_bytes} bytes of values are there"
        if have_bytes < expected_bytes
        else f"holds more than the {expected_bytes} bytes of values its header states"
    )
    raise DatasetError(f"{path}: {what} (the header states {stated}); copy or download the file again")


def _opened(path: Path) -> IO[bytes] | gzip.GzipFile:
    with path.open("rb") as stream:
        compressed = stream.read(2) == _GZIP_MAGIC
    return gzip.open(path, "rb") if compressed else path.open("rb")


def _damaged(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: there is no such file"
    if isinstance(error, EOFError):
        return f"{path}: truncated gzip file; copy or download the file again"
    return f"{path}: cannot be read ({error}); copy or download the file again"
