"""PNG: bytes in, `Decoded` out. The chunks are read here; Pillow only unpacks the picture data, in strips.

Only IHDR, PLTE, tRNS, sBIT, IDAT, eXIf and acTL are looked at, so that text bombs, bad colour profiles and
broken animation data never matter. Checksums of these are verified: a damaged picture is refused.

16-bit samples keep all their bits. Grey and grey+alpha rows of 16 bits are, byte for byte, rows of 8-bit
pictures with twice the channels; for RGB and RGBA the data is unpacked twice, high bytes and then low bytes.

Source: PNG specification, third edition (W3C 2025), chapters 5, 7, 9 and 11.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from eighteen.core.decoding.depth import looked_up
from eighteen.core.decoding.exif import orientation_of
from eighteen.core.decoding.pillow import array_of
from eighteen.core.decoding.png_rows import Bytes, Rows, stored
from eighteen.core.decoding.value import (
    Array,
    Decoded,
    NotReadable,
    check_size,
    frames_note,
    significant_bits,
    strips,
)

END_MARKER_NOTE = "end marker is missing"
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_CHANNELS = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGBA: 4}
_KNOWN = frozenset({b"IHDR", b"PLTE", b"tRNS", b"sBIT", b"IDAT", b"eXIf", b"acTL"})
_MUST_BE_RIGHT = frozenset({b"IHDR", b"PLTE", b"IDAT"})
# First column and row, and the steps between columns and rows, of the seven passes.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
# (bits, colour type): mode as stored, Pillow's mode, the layout of its rows.
_LAYOUTS = {
    (1, _GREY): ("1", "1", "1"),
    (2, _GREY): ("L", "L", "L;2"),
    (4, _GREY): ("L", "L", "L;4"),
    (8, _GREY): ("L", "L", "L"),
    (16, _GREY): ("I", "LA", "LA"),
    (8, _RGB): ("RGB", "RGB", "RGB"),
    (16, _RGB): ("RGB", "RGB", "RGB;16"),
    (1, _PALETTE): ("P", "P", "P;1"),
    (2, _PALETTE): ("P", "P", "P;2"),
    (4, _PALETTE): ("P", "P", "P;4"),
    (8, _PALETTE): ("P", "P", "P"),
    (8, _GREY_ALPHA): ("LA", "LA", "LA"),
    (16, _GREY_ALPHA): ("LA", "RGBA", "RGBA"),
    (8, _RGBA): ("RGBA", "RGBA", "RGBA"),
    (16, _RGBA): ("RGBA", "RGBA", "RGBA;16"),
}


@dataclass(frozen=True)
class _Header:
    width_px: int
    height_px: int
    bits: int
    colour: int
    interlaced: int


@dataclass
class _Parts:
    header: _Header | None = None
    packed: list[Bytes] = field(default_factory=list)
    others: dict[bytes, bytes] = field(default_factory=dict)
    has_end: bool = False


def decode_png(data: bytes, max_pixels: int) -> Decoded:
    """Decodes a PNG at native depth; of an animated one the default picture."""
    parts = _read_parts(data, max_pixels)
    header, others = parts.header, parts.others
    if header is None or not parts.packed:
        raise NotReadable("truncated or damaged PNG: no picture data; copy or download it again")
    name, mode, layout = _LAYOUTS[header.bits, header.colour]
    rows = Rows(parts.packed, _row_bytes(header))
    pixels = _with_transparency(_samples(rows, header, mode, layout), others, header)
    if header.bits == 16:
        # sBIT promises bits of precision; writers that do not scale up leave the values below that.
        stated = min(others[b"sBIT"][0], 16) if others.get(b"sBIT") else None
        colours = pixels[:, :, : 1 if header.colour in (_GREY, _GREY_ALPHA) else 3]
        name = f"{name};{significant_bits(colours, stated or None)}"
    orientation, exif_notes = orientation_of(others.get(b"eXIf"))
    frames = _frame_count(others.get(b"acTL", b""))
    end_notes = () if parts.has_end else (END_MARKER_NOTE,)
    return Decoded(pixels, name, frames, orientation, end_notes + exif_notes + frames_note(frames))


def _read_parts(data: bytes, max_pixels: int) -> _Parts:
    parts = _Parts()
    for name, body in _chunks(data):
        if name == b"IDAT":
            parts.packed.append(body)
        elif name == b"IHDR" and parts.header is None:
            parts.header = _read_ihdr(bytes(body), max_pixels)
        elif name == b"IEND":
            parts.has_end = True
        else:
            parts.others.setdefault(name, bytes(body))
    return parts


def _chunks(data: bytes) -> Iterator[tuple[bytes, Bytes]]:
    """Name and body of every known chunk; stops where the file ends between two chunks."""
    position = 8
    while position < len(data):
        if position + 8 > len(data):
            return
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if name == b"IEND":
            yield name, b""
            return
        if not name.isalpha():
            raise NotReadable("damaged PNG: a broken chunk; copy or download it again")
        if end + 4 > len(data):
            if name in _KNOWN:
                raise NotReadable("truncated PNG: the data ends in the middle; copy or download it again")
            return
        body = memoryview(data)[position + 8 : end]
        if name in _KNOWN:
            right = zlib.crc32(body, zlib.crc32(name)) == int.from_bytes(data[end : end + 4], "big")
            if not right and name in _MUST_BE_RIGHT:
                what = name.decode()
                raise NotReadable(f"damaged PNG: the checksum of {what} is wrong; copy or download it again")
            if right:
                yield name, body
        elif not name[0] & 0x20:
            raise NotReadable(f"a PNG with an unknown critical chunk {name.decode()}; convert it again")
        position = end + 4


def _read_ihdr(body: bytes, max_pixels: int) -> _Header:
    if len(body) != 13:
        raise NotReadable("damaged PNG: its header has a wrong length")
    width, height, bits, colour, method, filtering, interlaced = struct.unpack(">IIBBBBB", body)
    if (bits, colour) not in _LAYOUTS or method or filtering or interlaced > 1:
        raise NotReadable(f"damaged PNG: its header states colour type {colour} with {bits} bits")
    check_size(width, height, max_pixels)
    return _Header(width, height, bits, colour, interlaced)


def _row_bytes(header: _Header) -> int:
    """Bytes of all rows with their filter bytes, over all passes."""
    pixel_bits = header.bits * _CHANNELS[header.colour]
    total = 0
    for left, top, step_x, step_y in _ADAM7 if header.interlaced else ((0, 0, 1, 1),):
        across = -(-(header.width_px - left) // step_x)
        down = -(-(header.height_px - top) // step_y)
        if across > 0 and down > 0:
            total += down * (1 + (across * pixel_bits + 7) // 8)
    return total


def _samples(rows: Rows, header: _Header, mode: str, layout: str) -> Array:
    """`[H, W, C]`, palettes still as indices."""
    whole_bytes = _row_bytes(header)
    if header.interlaced or header.bits < 8:
        return _unpacked(rows.take(whole_bytes), header.height_px, header, mode, layout)
    row_bytes = whole_bytes // header.height_px
    shape = (header.height_px, header.width_px, _CHANNELS[header.colour])
    out = np.empty(shape, np.uint16 if header.bits == 16 else np.uint8)
    above = b""
    for part in strips(*shape[:2]):
        count = part.stop - part.start
        taken = above + rows.take(count * row_bytes)
        out[part] = _unpacked(taken, len(taken) // row_bytes, header, mode, layout)[-count:]
        above = b"\0" + out[part.stop - 1].astype(f">u{header.bits // 8}").tobytes()  # 0: not filtered
    return out


def _unpacked(rows: bytes, height_px: int, header: _Header, mode: str, layout: str) -> Array:
    size, packed = (header.width_px, height_px), stored(rows)
    if layout.endswith(";16"):
        high, low = (_unpack(packed, size, header, mode, layout + order) for order in "BL")
        return (high.astype(np.uint16) << 8) | low
    pixels = _unpack(packed, size, header, mode, layout)
    return pixels.view(">u2").astype(np.uint16) if header.bits == 16 else pixels


def _unpack(packed: bytes, size: tuple[int, int], header: _Header, mode: str, layout: str) -> Array:
    try:
        image = Image.frombytes(mode, size, packed, "zip", layout, header.interlaced)
    except ValueError as error:
        raise NotReadable("damaged PNG: a row is broken; copy or download it again") from error
    return array_of(image)


def _with_transparency(pixels: Array, others: dict[bytes, bytes], header: _Header) -> Array:
    clear = others.get(b"tRNS", b"")
    if header.colour == _PALETTE:
        return _through_palette(pixels[:, :, 0], others.get(b"PLTE", b""), clear)
    wanted_bytes = {_GREY: 2, _RGB: 6}.get(header.colour)
    if wanted_bytes is None or len(clear) != wanted_bytes:
        return pixels
    key = np.frombuffer(clear, dtype=">u2").astype(np.int64)
    if header.bits < 8:
        # Samples below 8 bits have been spread over 0..255.
        key = key * (255 // ((1 << header.bits) - 1))
    height, width, channels = pixels.shape
    out = np.empty((height, width, channels + 1), pixels.dtype)
    out[:, :, :channels] = pixels
    for rows in strips(height, width):
        out[rows, :, channels] = np.where((pixels[rows] == key).all(axis=2), 0, np.iinfo(pixels.dtype).max)
    return out


def _through_palette(indices: Array, palette: bytes, clear: bytes) -> Array:
    if len(palette) < 3:
        raise NotReadable("damaged PNG: the palette is missing")
    table = np.zeros((256, 4), dtype=np.uint8)
    table[:, 3] = 255
    colours = np.frombuffer(palette[: len(palette) // 3 * 3][:768], dtype=np.uint8).reshape(-1, 3)
    table[: len(colours), :3] = colours
    opacity = np.frombuffer(clear[:256], dtype=np.uint8)
    table[: len(opacity), 3] = opacity
    return looked_up(table if len(opacity) else table[:, :3], indices)


def _frame_count(animation: bytes) -> int:
    return max(1, int.from_bytes(animation[:4], "big")) if len(animation) == 8 else 1
