"""The EXIF orientation, read without a library that could warn or fail: bytes in, 1..8 out.

EXIF is a small TIFF: a byte order, the offset of a directory, and 12-byte entries, one of which (tag 274) may
say how the camera was held. Whatever is broken here only costs the orientation, never the picture.

Source: Exif 2.32 (CIPA DC-008), 4.6.2 and 4.6.4.A.
"""

from __future__ import annotations

import struct

ORIENTATION_TAG = 274
BROKEN_NOTE = "EXIF orientation tag is broken, ignored"
_SHORT, _LONG = 3, 4


def orientation_of(exif: bytes | None) -> tuple[int, tuple[str, ...]]:
    """The orientation that an EXIF block states, and a note where it is broken.

    Args:
        exif: the block, with or without its "Exif\\0\\0" prefix; None or empty where there is none.

    Returns:
        1..8 (1 where nothing is stated or it is broken), and the notes.

    >>> entry = struct.pack(">HHIHH", ORIENTATION_TAG, 3, 1, 6, 0)
    >>> orientation_of(b"MM" + struct.pack(">HIH", 42, 8, 1) + entry)
    (6, ())
    """
    if not exif:
        return 1, ()
    body = exif.removeprefix(b"Exif\0\0")
    try:
        value = _tag_value(body)
    except (struct.error, ValueError):
        return 1, (BROKEN_NOTE,)
    if value is None:
        return 1, ()
    return checked(value)


def checked(value: int) -> tuple[int, tuple[str, ...]]:
    """A stated value as 1..8, with a note where it lies outside. 0 means "unknown" to many cameras."""
    if 1 <= value <= 8:
        return value, ()
    return 1, () if value == 0 else (BROKEN_NOTE,)


def _tag_value(body: bytes) -> int | None:
    order = {b"II": "<", b"MM": ">"}.get(body[:2])
    if order is None:
        raise ValueError("no byte order")
    (start,) = struct.unpack_from(f"{order}I", body, 4)
    (count,) = struct.unpack_from(f"{order}H", body, start)
    for position in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", body, position)
        if tag == ORIENTATION_TAG:
            if number != 1 or kind not in (_SHORT, _LONG):
                raise ValueError("not one number")
            (value,) = struct.unpack_from(order + ("H" if kind == _SHORT else "I"), body, position + 8)
            return int(value)
    return None
