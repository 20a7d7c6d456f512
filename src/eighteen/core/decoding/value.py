"""What every decoder gives and takes: `Decoded` out, `NotReadable` where a file is refused.

Also the four things that all of them share: the limit on pixels, the strips that a large picture is worked on
in, turning a picture upright, and the number of significant bits of 16-bit samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

STRIP_PIXELS = 1 << 20
"""Pixels that are worked on at a time, so that what is made on the way stays small beside a large picture."""


class NotReadable(Exception):
    """A file is refused; the text is the reason for a person, without the path."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """Pixels `[H, W, C]` in native depth, still lying as stored.

    Attributes:
        pixels: uint8, uint16, int32, uint32 or float32.
        mode: as stored, with the significant bits of 16-bit samples ("I;12", "RGB;16").
        frames: how many the file holds.
        orientation: EXIF 1..8.
        notes: what a person should hear about this file.
    """

    pixels: Array
    mode: str
    frames: int = 1
    orientation: int = 1
    notes: tuple[str, ...] = ()


def check_size(width_px: int, height_px: int, max_pixels: int) -> None:
    """Refuses a size read from a header, before anything is unpacked.

    Raises:
        NotReadable: a side is below 1, or the picture has more pixels than allowed.
    """
    if width_px < 1 or height_px < 1:
        raise NotReadable(f"the header states {width_px}x{height_px} pixels; a picture needs at least 1x1")
    if width_px * height_px > max_pixels:
        raise NotReadable(
            f"{width_px}x{height_px} = {width_px * height_px} pixels is more than "
            f"data.max_pixels = {max_pixels}; raise that option if the picture is meant"
        )


def strips(height_px: int, width_px: int) -> Iterator[slice]:
    """Rows of a picture, from the top, about `STRIP_PIXELS` at a time.

    >>> [(rows.start, rows.stop) for rows in strips(5, STRIP_PIXELS // 2)]
    [(0, 2), (2, 4), (4, 5)]
    """
    rows = max(1, STRIP_PIXELS // max(1, width_px))
    for top in range(0, height_px, rows):
        yield slice(top, min(top + rows, height_px))


def turned_upright(pixels: Array, orientation: int) -> Array:
    """Applies an EXIF orientation to `[H, W, C]`; 1 and everything outside 2..8 leave it as it is."""
    match orientation:
        case 2:
            turned = pixels[:, ::-1]
        case 3:
            turned = pixels[::-1, ::-1]
        case 4:
            turned = pixels[::-1]
        case 5:
            turned = pixels.transpose(1, 0, 2)
        case 6:
            turned = pixels[::-1].transpose(1, 0, 2)
        case 7:
            turned = pixels[::-1, ::-1].transpose(1, 0, 2)
        case 8:
            turned = pixels[:, ::-1].transpose(1, 0, 2)
        case _:
            return pixels
    return np.ascontiguousarray(turned)


def significant_bits(samples: npt.NDArray[np.uint16], stated_bits: int | None = None) -> int:
    """Bits of the range that 16-bit samples fill: the stated number where the maximum fits into it, else the
    smallest of 8, 12 and 16 that holds the maximum (a picture below 256 in a 16-bit file is an 8-bit one)."""
    highest = int(samples.max(initial=0))
    candidates = (8, 12) if stated_bits is None else (stated_bits,)
    return next((bits for bits in candidates if highest < 1 << bits), 16)


def frames_note(frames: int) -> tuple[str, ...]:
    return (f"{frames} frames, first used",) if frames > 1 else ()
