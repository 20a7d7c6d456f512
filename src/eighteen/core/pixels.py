"""The only decoder: a path or the bytes of a file in, an upright `Picture` in its native depth out.

The type is taken from the content, never from the name. The size is read before anything is unpacked, a file
that is cut or damaged is refused with its reason rather than filled up, and whatever a decoder raises comes
out as `UnreadableImage`. Nothing here touches process-wide settings, warns, or keeps the interpreter lock
while it unpacks, so that many threads may decode at once. The formats are in `core/decoding/`, one file each.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from eighteen.core.decoding import depth, gif, jpeg, pillow, png, tiff
from eighteen.core.decoding.sniff import HEAD_BYTES, IMAGE_FORMATS, sniff, why_not
from eighteen.core.decoding.source import OpenFile
from eighteen.core.decoding.value import Decoded, NotReadable, check_size, turned_upright
from eighteen.core.errors import DatasetError, UnreadableImage
from eighteen.core.idx import is_idx, is_idx_head, open_idx

__all__ = ["MAX_PIXELS", "Picture", "Source", "decode", "decode_reduced", "sniff", "to_uint8"]

Source = str | os.PathLike[str] | bytes


class Digest(Protocol):
    """What the bytes of a file are given to, such as `hashlib.sha256()`."""

    def update(self, data: bytes, /) -> None: ...


MAX_PIXELS = 150_000_000
"""Pictures with more pixels are refused unless `data.max_pixels` says otherwise: a legitimate scan of 100
megapixels passes, a bomb (20000x20000 in 50 kB) does not."""

_DECODERS: dict[str, Callable[[bytes, int], Decoded]] = {
    "JPEG": jpeg.decode_jpeg,
    "PNG": png.decode_png,
    "GIF": gif.decode_gif,
    "TIFF": tiff.decode_tiff,
    "WEBP": pillow.decode_webp,
    "AVIF": pillow.decode_avif,
    "HEIC": pillow.decode_heic,
    "BMP": pillow.decode_bmp,
    "PPM": pillow.decode_ppm,
    "JPEG2000": pillow.decode_jpeg2000,
    "TGA": pillow.decode_tga,
}
_SMALLEST_FILE_BYTES = 8
_IDX_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture, upright.

    Attributes:
        pixels: `[H, W, C]`, C in 1 (grey), 2 (grey and alpha), 3 (RGB), 4 (RGB and alpha); uint8, uint16,
            int32, uint32 or float32, as the file has it. Palettes and CMYK are RGB(A) already.
        mode: as stored: "1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "F"; 16-bit samples carry their
            significant bits: "I;16", "I;12", "RGB;16".
        format: by content: "JPEG", "PNG", "GIF", "TIFF", "WEBP", "AVIF", "HEIC", "BMP", "PPM", "JPEG2000",
            "TGA", "IDX".
        frames: how many pictures or pages the file holds; the first one is `pixels`.
        notes: what a person should hear about this file, such as "3 frames, first used".
    """

    pixels: npt.NDArray[Any]
    mode: str
    format: str
    frames: int
    notes: tuple[str, ...]


def decode(
    source: Source, index: int = -1, max_pixels: int = MAX_PIXELS, digest: Digest | None = None
) -> Picture:
    """Decodes a picture in full.

    Args:
        source: a path, or the bytes of a file.
        index: which picture of an IDX file, from 0; -1 where the file is the picture.
        max_pixels: pictures with more pixels are refused before they are unpacked (`data.max_pixels`).
        digest: is given the bytes of the file, so that hashing it does not read it again; it gets nothing
            where the file is not read as one picture.

    Raises:
        UnreadableImage: the source is missing, no picture, cut, damaged, too large, or holds values that are
            not finite; `reason` says which.

    >>> decode(b"P5 2 1 255 " + bytes([0, 255])).pixels[:, :, 0].tolist()
    [[0, 255]]
    """
    return _decode(source, index, max_pixels, 0, digest)


def decode_reduced(
    source: Source, min_side_px: int, index: int = -1, max_pixels: int = MAX_PIXELS
) -> Picture:
    """Decodes a JPEG at the smallest scale whose sides are at least `min_side_px`; anything else in full.

    For training and hashing only: whatever is scored is decoded in full, as other people's decoders do.

    Raises:
        UnreadableImage: as `decode`.
    """
    return _decode(source, index, max_pixels, max(1, min_side_px))


def to_uint8(picture: Picture, background: tuple[int, int, int] = (255, 255, 255)) -> npt.NDArray[np.uint8]:
    """Brings a picture to 8 bits and lays it over a background.

    The depth rule "full-range" is written out in `core/decoding/depth.py`: 16 bits are divided by the range
    that the mode names (65535 or 4095), floats up to 1 are multiplied by 255, and so on; nothing wraps.

    Args:
        picture: any depth, any number of channels.
        background: RGB, 0..255, under transparent pixels; blended in float and rounded.

    Returns:
        uint8 `[H, W, 1]` for grey, `[H, W, 3]` for colour, and for grey with alpha over a background that is
        not grey.
    """
    pixels = picture.pixels
    if pixels.shape[2] not in (2, 4):
        return depth.to_bytes(pixels, picture.mode)
    colours = depth.to_bytes(pixels[:, :, :-1], picture.mode)
    # Alpha is scaled by the depth of its type: it has no significant bits of its own.
    alpha = depth.to_bytes(pixels[:, :, -1:], "")
    return depth.over_background(colours, alpha, background)


def _decode(
    source: Source, index: int, max_pixels: int, min_side_px: int, digest: Digest | None = None
) -> Picture:
    name = "<bytes>" if isinstance(source, bytes) else os.fspath(source)
    try:
        if isinstance(source, bytes):
            return _from_bytes(source, "", index, max_pixels, min_side_px)
        with OpenFile(name) as opened:
            if index >= 0 and (is_idx_head(opened.head) or opened.head[:2] == b"\x1f\x8b"):
                return _from_idx(Path(name), index, max_pixels)
            _refuse_other_kinds(opened.head, name, opened.size_bytes)
            data = opened.rest()
            if digest is not None:
                digest.update(data)
            return _from_bytes(data, name, index, max_pixels, min_side_px)
    except NotReadable as refused:
        raise UnreadableImage(name, str(refused)) from refused


def _from_bytes(data: bytes, name: str, index: int, max_pixels: int, min_side_px: int) -> Picture:
    kind = _refuse_other_kinds(data[:HEAD_BYTES], name, len(data))
    if index > 0:
        raise NotReadable(f"picture {index} was asked for, but a {kind} file counts as one picture")
    try:
        if kind == "JPEG" and min_side_px:
            decoded = jpeg.decode_jpeg(data, max_pixels, min_side_px)
        else:
            decoded = _DECODERS[kind](data, max_pixels)
    except NotReadable:
        raise
    # Third-party decoders raise whatever a broken file leads them to (struct.error, IndexError, MemoryError,
    # ZeroDivisionError, SyntaxError, ...); for the user all of it means one thing: this file is unusable.
    except Exception as error:
        raise NotReadable(_damage(kind, error)) from error
    _check_finite(decoded.pixels)
    pixels = turned_upright(decoded.pixels, decoded.orientation)
    return Picture(pixels, decoded.mode, kind, decoded.frames, decoded.notes)


def _refuse_other_kinds(head: bytes, name: str, size_bytes: int) -> str:
    if size_bytes < _SMALLEST_FILE_BYTES:
        what = "empty file" if size_bytes == 0 else "nearly empty file"
        unit = "byte" if size_bytes == 1 else "bytes"
        raise NotReadable(f"{what} ({size_bytes} {unit}); copy or download it again")
    kind = sniff(head)
    if kind is None and name.lower().endswith(".tga"):
        # TGA has no mark at its start, so here alone the name decides.
        return "TGA"
    if kind is None and is_idx_head(head):
        raise NotReadable("an IDX file holds many pictures; read it as a data set, or give an index")
    if kind not in IMAGE_FORMATS:
        raise NotReadable(why_not(kind, head))
    return kind


def _damage(kind: str, error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"this {kind} needs more memory than there is; lower data.max_pixels or free memory"
    text = " ".join(str(error).split())[:160]
    cut = isinstance(error, EOFError) or "truncated" in text or "not enough image data" in text
    what = f"truncated {kind}" if cut else f"damaged {kind}"
    remedy = "copy it again or convert it to JPEG" if kind == "HEIC" else "copy or download it again"
    return f"{what} ({text or type(error).__name__}); {remedy}"


def _check_finite(pixels: npt.NDArray[Any]) -> None:
    if pixels.dtype.kind == "f":
        bad = pixels.size - int(np.count_nonzero(np.isfinite(pixels)))
        if bad:
            raise NotReadable(f"holds not-finite values ({bad} of {pixels.size}); repair or remove the file")


def _from_idx(path: Path, index: int, max_pixels: int) -> Picture:
    if not is_idx(path):
        raise NotReadable("a gzip archive, which is not read as an image; unpack it")
    try:
        values = open_idx(path)
    except DatasetError as error:
        raise NotReadable(str(error).removeprefix(f"{path}: ")) from error
    if values.ndim not in (3, 4) or (values.ndim == 4 and values.shape[3] not in _IDX_MODES):
        raise NotReadable(
            f"an IDX file of shape {values.shape} holds no pictures ([N, H, W] or [N, H, W, C])"
        )
    if index >= len(values):
        raise NotReadable(
            f"picture {index} was asked for, but the file holds {len(values)} (0..{len(values) - 1})"
        )
    check_size(values.shape[2], values.shape[1], max_pixels)
    pixels = np.array(values[index])
    if pixels.dtype != np.uint8:
        pixels = pixels.astype(np.float32 if pixels.dtype.kind == "f" else np.int32)
    pixels = pixels if pixels.ndim == 3 else pixels[:, :, None]
    _check_finite(pixels)
    mode = _IDX_MODES[pixels.shape[2]] if pixels.dtype == np.uint8 else pixels.dtype.kind.upper()
    return Picture(pixels, mode, "IDX", len(values), ())
