"""TIFF and BigTIFF: bytes in, first page out.

The directory is read here, and a new one that keeps only the tags that decide the pixels is put behind the
data before Pillow sees it. So broken EXIF, profiles and vendor tags cannot fail or warn, the size and the
completeness of the strips are known beforehand, and the depth that the file states is at hand.

Source: TIFF 6.0 (Adobe 1992), section 2 and appendix A; BigTIFF design note (libtiff).
"""

from __future__ import annotations

import io
import struct
import sys
from dataclasses import dataclass

import numpy as np
from PIL import Image, TiffImagePlugin

from eighteen.core.decoding.exif import ORIENTATION_TAG, checked
from eighteen.core.decoding.pillow import pixels_of
from eighteen.core.decoding.value import (
    Array,
    Decoded,
    NotReadable,
    check_size,
    frames_note,
    significant_bits,
)

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _MAX_VALUE, _PLANES = 256, 257, 258, 262, 277, 281, 284
_PREDICTOR, _TILE_WIDTH, _EXTRA, _FORMAT = 317, 322, 338, 339
_OFFSETS, _LENGTHS = (273, 324), (279, 325)
_ONE_VALUE = frozenset({256, 257, 259, 262, 266, 277, 278, 284, 292, 293, 317, 322, 323, 332})
_KEPT = _ONE_VALUE | {258, 273, 279, 320, 324, 325, 338, 339, 347, 529, 530, 531, 532, 512, 513, 514}
_KINDS = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_WIDE_KINDS = {5: 8, 10: 8, 11: 4, 12: 8}
_MAX_PAGES = 100_000
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3


@dataclass(frozen=True)
class _Layout:
    """How this file writes numbers: byte order, and the sizes that differ between TIFF and BigTIFF."""

    order: str
    big: bool

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def pointer(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def entry(self) -> struct.Struct:
        return struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))


@dataclass(frozen=True)
class _Samples:
    bits: int
    kind: int
    channels: int


@dataclass(frozen=True)
class _Tag:
    kind: int
    number: int
    field: bytes
    values: tuple[int, ...]


def decode_tiff(data: bytes, max_pixels: int) -> Decoded:
    """Decodes the first page of a TIFF at native depth (16-bit RGB too)."""
    layout = _layout_of(data)
    try:
        (first,) = struct.unpack_from(layout.pointer, data, 8 if layout.big else 4)
        tags = _read_directory(data, layout, first)
    except struct.error as error:
        raise NotReadable("truncated TIFF: its directory is missing; copy or download it again") from error
    width, height = _one(tags, _WIDTH), _one(tags, _HEIGHT)
    check_size(width, height, max_pixels)
    _check_strips(data, tags)
    pixels, mode = _pixels(data, layout, tags)
    orientation, notes = _orientation(tags)
    frames = _page_count(data, layout, first)
    return Decoded(pixels, mode, frames, orientation, notes + frames_note(frames))


def _layout_of(data: bytes) -> _Layout:
    order = "<" if data[:2] == b"II" else ">"
    return _Layout(order, struct.unpack_from(f"{order}H", data, 2)[0] == 43)


def _read_directory(data: bytes, layout: _Layout, start: int) -> dict[int, _Tag]:
    (number,) = struct.unpack_from(layout.count, data, start)
    position, tags = start + struct.calcsize(layout.count), {}
    for _ in range(number):
        tag, kind, count, field = layout.entry.unpack_from(data, position)
        position += layout.entry.size
        if (tag in _KEPT or tag in (ORIENTATION_TAG, _MAX_VALUE)) and tag not in tags and kind in _KINDS:
            found = _values(data, layout, kind, count, field)
            if found is None and tag in _KEPT:
                raise NotReadable(
                    f"truncated TIFF: the data of tag {tag} is missing; copy or download it again"
                )
            tags[tag] = _Tag(kind, count, field, found or ())
        elif tag in _KEPT and kind in _WIDE_KINDS:
            tags.setdefault(tag, _Tag(kind, count, field, ()))
    return tags


def _values(data: bytes, layout: _Layout, kind: int, count: int, field: bytes) -> tuple[int, ...] | None:
    size = struct.calcsize(f"<{_KINDS[kind]}") * count
    if size <= len(field):
        return struct.unpack_from(f"{layout.order}{count}{_KINDS[kind]}", field)
    (offset,) = struct.unpack(layout.pointer, field)
    if offset + size > len(data):
        return None
    return struct.unpack_from(f"{layout.order}{count}{_KINDS[kind]}", data, offset)


def _one(tags: dict[int, _Tag], tag: int, default: int = 0) -> int:
    return tags[tag].values[0] if tag in tags and tags[tag].values else default


def _check_strips(data: bytes, tags: dict[int, _Tag]) -> None:
    for where, how_long in zip(_OFFSETS, _LENGTHS, strict=True):
        if where not in tags:
            continue
        starts, lengths = tags[where].values, tags[how_long].values if how_long in tags else ()
        ends = [start + length for start, length in zip(starts, lengths, strict=False)] or list(starts)
        if ends and max(ends) > len(data):
            raise NotReadable(
                f"truncated TIFF: its data reaches to byte {max(ends)} but the file ends at {len(data)}; "
                "copy or download it again"
            )


def _with_directory(data: bytes, layout: _Layout, tags: dict[int, _Tag]) -> bytes:
    """The file with a directory of the kept tags behind it, and the header pointing there."""
    entries = []
    for number, tag in sorted(tags.items()):
        if number not in _KEPT:
            continue
        count, field = tag.number, tag.field
        if number in _ONE_VALUE and count > 1 and tag.values:
            # Some writers repeat a single value per channel; the first one counts.
            width = len(field)
            field = struct.pack(f"{layout.order}{_KINDS[tag.kind]}", tag.values[0]).ljust(width, b"\0")
            count = 1
        entries.append(layout.entry.pack(number, tag.kind, count, field))
    start = len(data) + len(data) % 2
    directory = struct.pack(layout.count, len(entries)) + b"".join(entries) + struct.pack(layout.pointer, 0)
    at = 8 if layout.big else 4
    head = data[:at] + struct.pack(layout.pointer, start)
    return b"".join([head, memoryview(data)[len(head) :], b"\0" * (start - len(data)), directory])


def _pixels(data: bytes, layout: _Layout, tags: dict[int, _Tag]) -> tuple[Array, str]:
    stored = _Samples(_one(tags, _BITS, 1), _one(tags, _FORMAT, 1), _one(tags, _SAMPLES, 1))
    bits, kind = stored.bits, stored.kind
    if _is_wide(tags, stored):
        return _wide_pixels(data, layout, tags, stored)
    image = _opened(_with_directory(data, layout, tags))
    mode = image.mode
    rows = str(image.tile[0].args[0]) if image.tile and isinstance(image.tile[0].args, tuple) else ""
    if bits == 16 and mode in ("RGB", "RGBA") and rows[-1:] in ("B", "L", "N"):
        pixels = _sixteen_bit_colour(image, _opened(_with_directory(data, layout, tags)), rows)
    else:
        pixels = pixels_of(image)
    if mode == "L" and bits == 8 and kind == _SIGNED:
        return pixels.view(np.int8).astype(np.int32), "I"
    if pixels.dtype != np.uint16:
        return pixels, mode
    range_bits = _stated_range_bits(pixels, tags, bits)
    if _one(tags, _PHOTOMETRIC, 1) == 0:
        # White is zero here; Pillow turns 8 bits around, but not 16.
        pixels = np.uint16((1 << range_bits) - 1) - pixels
    return pixels, f"{mode.split(';')[0]};{range_bits}"


def _is_wide(tags: dict[int, _Tag], stored: _Samples) -> bool:
    """Whether Pillow has no mode for these samples: float64, float16, uint32, several deep channels."""
    bits, channels = stored.bits, stored.channels
    deep = {
        _UNSIGNED: bits == 32 or (bits == 16 and channels == 2),
        _SIGNED: bits in (16, 32) and channels > 1,
        _FLOAT: bits in (16, 64) or (bits == 32 and channels > 1),
    }.get(stored.kind, False)
    same_bits = len(set(tags[_BITS].values)) == 1 if _BITS in tags else False
    plain = _one(tags, _PLANES, 1) == 1 and _one(tags, _PREDICTOR, 1) == 1
    grey_or_rgb = _one(tags, _PHOTOMETRIC, 1) in (1, 2)
    return deep and same_bits and plain and grey_or_rgb and channels <= 4


def _wide_pixels(data: bytes, layout: _Layout, tags: dict[int, _Tag], stored: _Samples) -> tuple[Array, str]:
    """Reads the samples as a wider grey picture of 16- or 32-bit words, and puts them together again."""
    bits, kind, channels = stored.bits, stored.kind, stored.channels
    word_bits = 16 if bits == 16 else 32
    factor = channels * bits // word_bits
    as_words = {tag: entry for tag, entry in tags.items() if tag not in (_EXTRA, 320)}
    for tag in (_WIDTH, _TILE_WIDTH):
        if tag in tags:
            as_words[tag] = _single(layout, 4, _one(tags, tag) * factor)
    as_words[_BITS], as_words[_SAMPLES] = _single(layout, 3, word_bits), _single(layout, 3, 1)
    as_words[_FORMAT] = _single(layout, 3, _UNSIGNED if word_bits == 16 else _SIGNED)
    as_words[_PHOTOMETRIC] = _single(layout, 3, 1)
    words = pixels_of(_opened(_with_directory(data, layout, as_words)))
    if bits == 64 and layout.order != ("<" if sys.byteorder == "little" else ">"):
        words = words.reshape(len(words), -1, 2)[:, :, ::-1]
    native = np.ascontiguousarray(words.reshape(len(words), -1)).view(f"{'_uif'[kind]}{bits // 8}")
    samples = native.reshape(len(words), -1, channels)
    if channels in (2, 4) and _one(tags, _EXTRA) not in (1, 2):
        # The last channel is no alpha: nobody but its writer knows what it is.
        samples = samples[:, :, :-1]
    if kind == _FLOAT:
        return samples.astype(np.float32), "F"
    if samples.dtype == np.uint16:
        return samples, f"LA;{_stated_range_bits(samples[:, :, :1], tags, bits)}"
    return samples.astype(np.int32) if samples.dtype == np.int16 else samples, "I"


def _single(layout: _Layout, kind: int, value: int) -> _Tag:
    field = struct.pack(layout.order + _KINDS[kind], value).ljust(8 if layout.big else 4, b"\0")
    return _Tag(kind, 1, field, (value,))


def _opened(data: bytes) -> TiffImagePlugin.TiffImageFile:
    image = TiffImagePlugin.TiffImageFile(io.BytesIO(data))
    # Pillow allocates on loading, where it compares with a limit of its own that is shared by the whole
    # process; the size has been checked already, so the memory is given beforehand.
    image.im = Image.new(image.mode, image.size).im
    return image


def _sixteen_bit_colour(
    image: TiffImagePlugin.TiffImageFile, again: TiffImagePlugin.TiffImageFile, layout: str
) -> Array:
    """Pillow keeps the high byte of 16-bit colour; a second pass with bytes swapped gets the low one."""
    high = pixels_of(image).astype(np.uint16)
    native = "L" if sys.byteorder == "little" else "B"
    order = native if layout[-1] == "N" else layout[-1]
    swapped = layout[:-1] + ("B" if order == "L" else "L")
    again.tile = [tile._replace(args=(swapped, *tile.args[1:])) for tile in again.tile if tile.args]
    return (high << 8) | pixels_of(again)


def _stated_range_bits(pixels: Array, tags: dict[int, _Tag], bits: int) -> int:
    if bits < 16:
        return bits
    stated = _one(tags, _MAX_VALUE).bit_length()
    return significant_bits(pixels, stated if 0 < stated < 16 else None)


def _orientation(tags: dict[int, _Tag]) -> tuple[int, tuple[str, ...]]:
    if ORIENTATION_TAG not in tags:
        return 1, ()
    tag = tags[ORIENTATION_TAG]
    return checked(tag.values[0] if tag.kind in (3, 4) and tag.values else -1)


def _page_count(data: bytes, layout: _Layout, first: int) -> int:
    """Follows the chain of directories; it ends at zero, at a broken link, or where it meets itself."""
    seen: set[int] = set()
    position = first
    while position and position not in seen and len(seen) < _MAX_PAGES:
        try:
            (number,) = struct.unpack_from(layout.count, data, position)
            at = position + struct.calcsize(layout.count) + number * layout.entry.size
            (following,) = struct.unpack_from(layout.pointer, data, at)
        except struct.error:
            break
        seen.add(position)
        position = following
    return max(1, len(seen))
