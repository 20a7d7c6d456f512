"""Formats that need no walk of their own, by Pillow's plugins: WebP, AVIF, HEIC, BMP, PPM, JPEG 2000, TGA.

A plugin's class is called directly, by the format found in the content. `Image.open` would try other formats
too, EPS with its Ghostscript among them, and compare the size with a limit that the whole process shares.
Sizes are checked after the header is read and before pixels are.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    Image,
    ImageFile,
    Jpeg2KImagePlugin,
    PpmImagePlugin,
    TgaImagePlugin,
    WebPImagePlugin,
)

from eighteen.core.decoding.exif import orientation_of
from eighteen.core.decoding.value import Array, Decoded, NotReadable, check_size, frames_note, strips

HEIC_MISSING = (
    "HEIC is not readable here: install the heif extra (pip install 'eighteen[heif]') or convert to JPEG"
)
_DAMAGED = "copy or download it again"


def decode_webp(data: bytes, max_pixels: int) -> Decoded:
    """Decodes a WebP, of an animated one the first frame."""
    if len(data) < 30 or int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise NotReadable(f"truncated WebP: the data ends in the middle; {_DAMAGED}")
    check_size(*_webp_size(data), max_pixels)
    return _decoded(WebPImagePlugin.WebPImageFile(io.BytesIO(data)), max_pixels)


def decode_avif(data: bytes, max_pixels: int) -> Decoded:
    """Decodes an AVIF, of a sequence the first picture."""
    _check_boxes(data, "AVIF")
    return _decoded(AvifImagePlugin.AvifImageFile(io.BytesIO(data)), max_pixels)


def decode_jpeg2000(data: bytes, max_pixels: int) -> Decoded:
    """Decodes a JPEG 2000; its codec would fill what is missing, so the end mark is asked for first."""
    if data[:4] != b"\xff\x4f\xff\x51":
        _check_boxes(data, "JPEG 2000")
    if b"\xff\xd9" not in data[-64:]:
        raise NotReadable(f"truncated JPEG 2000: the end mark is missing; {_DAMAGED}")
    return _decoded(Jpeg2KImagePlugin.Jpeg2KImageFile(io.BytesIO(data)), max_pixels)


def decode_heic(data: bytes, max_pixels: int) -> Decoded:
    """Decodes an HEIC where the extra `heif` is installed."""
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise NotReadable(HEIC_MISSING) from error
    _check_boxes(data, "HEIC")
    return _decoded(HeifImageFile(io.BytesIO(data)), max_pixels)


def decode_bmp(data: bytes, max_pixels: int) -> Decoded:
    return _decoded(BmpImagePlugin.BmpImageFile(io.BytesIO(data)), max_pixels)


def decode_ppm(data: bytes, max_pixels: int) -> Decoded:
    return _decoded(PpmImagePlugin.PpmImageFile(io.BytesIO(data)), max_pixels)


def decode_tga(data: bytes, max_pixels: int) -> Decoded:
    return _decoded(TgaImagePlugin.TgaImageFile(io.BytesIO(data)), max_pixels)


def pixels_of(image: Image.Image) -> Array:
    """Loads a Pillow picture as `[H, W, C]`: palettes and CMYK become RGB(A), depth stays native."""
    image.load()
    convert = _CONVERSIONS.get(image.mode)
    pixels = array_of(convert(image) if convert else image)
    if pixels.dtype.byteorder == ">":
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    return pixels


def array_of(image: Image.Image) -> Array:
    """`[H, W, C]` of a loaded picture, one bit as 0 and 255. In strips: of a whole picture Pillow makes two
    copies on the way."""
    width, height = image.size
    first, *others = strips(height, width)
    if not others:
        return _array_of(image)
    top = _array_of(image.crop((0, 0, width, first.stop)))
    out = np.empty((height, *top.shape[1:]), top.dtype)
    out[first] = top
    for rows in others:
        out[rows] = _array_of(image.crop((0, rows.start, width, rows.stop)))
    return out


def _array_of(image: Image.Image) -> Array:
    pixels = np.asarray(image)
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _decoded(image: ImageFile.ImageFile, max_pixels: int) -> Decoded:
    check_size(*image.size, max_pixels)
    exif = image.info.get("exif")
    frames = int(getattr(image, "n_frames", 1))
    pixels, mode = pixels_of(image), image.mode
    if image.format == "PPM" and mode == "I":
        # Pillow has spread the values over 0..65535 by the maximum that the header states.
        pixels, mode = pixels.astype(np.uint16), "I;16"
    orientation, notes = orientation_of(exif if isinstance(exif, bytes) else None)
    return Decoded(pixels, mode, frames, orientation, notes + frames_note(frames))


def _with_colours(image: Image.Image) -> Image.Image:
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _grey(image: Image.Image) -> Image.Image:
    return image.convert("LA") if "transparency" in image.info else image


_CONVERSIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "P": _with_colours,
    "PA": lambda image: image.convert("RGBA"),
    "L": _grey,
    "La": lambda image: image.convert("LA"),
    "RGBa": lambda image: image.convert("RGBA"),
    "RGBX": lambda image: image.convert("RGB"),
    "CMYK": lambda image: image.convert("RGB"),
    "YCbCr": lambda image: image.convert("RGB"),
    "HSV": lambda image: image.convert("RGB"),
    "LAB": lambda image: image.convert("RGB"),
}


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height of the canvas, from whichever of the three kinds of header comes first."""
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", data, 21)
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise NotReadable(f"damaged WebP: unknown first chunk; {_DAMAGED}")


def _check_boxes(data: bytes, what: str) -> None:
    """Refuses an ISO media file whose boxes reach beyond its end."""
    position = 0
    while position + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        if length == 1 and position + 16 <= len(data):
            (length,) = struct.unpack_from(">Q", data, position + 8)
        if length == 0:
            return
        if length < 8:
            raise NotReadable(f"damaged {what}: a box of {length} bytes; {_DAMAGED}")
        position += length
    if position > len(data):
        raise NotReadable(f"truncated {what}: the data ends in the middle; {_DAMAGED}")
