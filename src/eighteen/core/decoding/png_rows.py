"""The rows of a PNG, inflated a strip at a time: compressed pieces in, filtered rows out.

A row may be filtered by the one above it. So whoever unpacks a strip puts the row above before it, not
filtered, and drops it again afterwards.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from eighteen.core.decoding.value import NotReadable

Bytes = bytes | memoryview

_PIECE_BYTES = 1 << 20


class Rows:
    """Filtered rows, taken from the top."""

    def __init__(self, packed: Iterable[Bytes], need_bytes: int) -> None:
        """
        Args:
            packed: bodies of the chunks with picture data, in order.
            need_bytes: of all rows, with their filter bytes.
        """
        self._pieces = _pieces(packed)
        self._need_bytes = need_bytes
        self._taken_bytes = 0
        self._unpacker = zlib.decompressobj()
        self._waiting: Bytes = b""

    def take(self, count: int) -> bytes:
        """The next `count` bytes; never more are inflated, whatever the data would grow to.

        Raises:
            NotReadable: the data is damaged, or ends before.
        """
        parts: list[bytes] = []
        missing = count
        while missing and (part := self._inflated(missing)):
            parts.append(part)
            missing -= len(part)
        self._taken_bytes += count - missing
        if missing:
            raise NotReadable(
                f"truncated PNG: {self._taken_bytes} of {self._need_bytes} bytes of picture data; copy or "
                f"download it again"
            )
        if self._taken_bytes == self._need_bytes:
            self._inflated(1)  # goes on to the checksum, which may lie in a later piece
        return b"".join(parts)

    def _inflated(self, most: int) -> bytes:
        """At least one byte; empty at the end of the data."""
        try:
            while not self._unpacker.eof:
                found = self._unpacker.decompress(self._waiting, most)
                self._waiting = self._unpacker.unconsumed_tail
                if found:
                    return found
                if not self._waiting:
                    self._waiting = next(self._pieces, b"")
                    if not self._waiting:
                        break
        except zlib.error as error:
            raise NotReadable(f"damaged PNG ({error}); copy or download it again") from error
        return b""


def stored(rows: bytes) -> bytes:
    """Rows as a zlib stream without compression, which Pillow unpacks."""
    return zlib.compress(rows, 0)


def _pieces(packed: Iterable[Bytes]) -> Iterator[Bytes]:
    """Small ones, since what is not yet consumed is copied at every step; none is empty."""
    for body in packed:
        for start in range(0, len(body), _PIECE_BYTES):
            yield body[start : start + _PIECE_BYTES]
