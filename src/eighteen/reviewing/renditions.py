"""Pictures as the page shows them: decoded by this program and written anew as JPEG, never the file itself.

So nothing in a file but its pixels reaches the browser, and every format looks the same. Small ones are kept
in memory up to a limit, since a grid asks for them again and again.
"""

from __future__ import annotations

import io
import os
import threading
from collections import OrderedDict
from pathlib import Path

from PIL import Image

from eighteen.core.errors import UnreadableImage
from eighteen.core.inputs import with_channels
from eighteen.core.pixels import decode_reduced, to_uint8
from eighteen.reviewing.suspects import Shown, Suspects

THUMBNAIL_PX = 224
LARGE_PX = 1600
CACHE_BYTES = 128 * 2**20
"""About 15,000 thumbnails."""


class Renditions:
    """JPEGs of the pictures of a review.

    Args:
        suspects: whose pictures; no other file is read.
        max_pixels: larger pictures are not unpacked.
        allow_outside: whether files outside the root may be read, as the recipe says.
    """

    def __init__(self, suspects: Suspects, max_pixels: int, allow_outside: bool) -> None:
        self._suspects = suspects
        self._max_pixels = max_pixels
        self._allow_outside = allow_outside
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(max(1, os.cpu_count() or 1))

    def thumbnail(self, number: int) -> bytes:
        """A JPEG of at most 224 pixels a side.

        Raises:
            UnreadableImage: there is no such file, or it is no picture.
        """
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
        content = self._made(number, THUMBNAIL_PX)
        with self._lock:
            if number not in self._kept:
                self._kept[number] = content
                self._size += len(content)
            while self._size > CACHE_BYTES:
                self._size -= len(self._kept.popitem(last=False)[1])
        return content

    def large(self, number: int) -> bytes:
        """A JPEG of at most 1,600 pixels a side.

        Raises:
            UnreadableImage: there is no such file, or it is no picture.
        """
        return self._made(number, LARGE_PX)

    def _made(self, number: int, side_px: int) -> bytes:
        shown = self._suspects.pictures[number]
        path = self._file(shown)
        with self._turns:
            return jpeg(path, shown.index, side_px, self._max_pixels)

    def _file(self, shown: Shown) -> Path:
        root = self._suspects.root.resolve()
        path = (root / shown.path).resolve()
        if not self._allow_outside and not path.is_relative_to(root):
            raise UnreadableImage(shown.path, "the file lies outside the data set's folder")
        if not path.is_file():
            raise UnreadableImage(shown.path, "the file is no longer where it was")
        return path


def jpeg(path: Path, index: int, side_px: int, max_pixels: int) -> bytes:
    """A picture that fits into a square; a smaller one keeps its size.

    Raises:
        UnreadableImage: it is no picture that can be used.
    """
    pixels = with_channels(to_uint8(decode_reduced(path, side_px, index, max_pixels)), 3)
    picture = Image.fromarray(pixels)
    picture.thumbnail((side_px, side_px), Image.Resampling.LANCZOS, reducing_gap=2.0)
    # Tiny pictures cost nothing, and colours at half resolution would show.
    tiny = max(picture.size) <= 96
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95 if tiny else 85, subsampling=0 if tiny else 2)
    return buffer.getvalue()
