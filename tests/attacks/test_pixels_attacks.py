"""Damaged files of every format: a picture or a clear refusal comes out, and never half a picture."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from eighteen.core.errors import UnreadableImage
from eighteen.core.pixels import Picture, decode, decode_reduced, to_uint8

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": ("JPEG", {"quality": 80}),
    "progressive": ("JPEG", {"quality": 80, "progressive": True}),
    "restarts": ("JPEG", {"restart_marker_rows": 1}),
    "png": ("PNG", {}),
    "gif": ("GIF", {}),
    "bmp": ("BMP", {}),
    "tiff": ("TIFF", {}),
    "lzw": ("TIFF", {"compression": "tiff_lzw"}),
    "deflate": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "jpeg in tiff": ("TIFF", {"compression": "jpeg"}),
    "webp": ("WEBP", {}),
    "lossless": ("WEBP", {"lossless": True}),
    "ppm": ("PPM", {}),
    "avif": ("AVIF", {}),
    "jpeg 2000": ("JPEG2000", {}),
}
LIMIT = 4_000_000
"""Flipped bits in a size must not make the tests slow."""


def photo(height: int = 48, width: int = 64) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:height, :width]
    base = np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (height + width)], axis=2)
    return np.clip(base + rng.normal(0, 12, base.shape), 0, 255).astype(np.uint8)


def encoded(kind: str) -> bytes:
    name, options = KINDS[kind]
    exif = Image.Exif()
    exif[274] = 6
    exif[271] = "a camera"
    if name in ("JPEG", "PNG", "WEBP", "TIFF"):
        options = options | {"exif": exif}
    out = io.BytesIO()
    Image.fromarray(photo()).save(out, name, **options)
    return out.getvalue()


def outcome(data: bytes) -> Picture | str:
    """The picture or the reason; any other exception fails the test. Every picture must reach 8 bits."""
    try:
        picture = decode(data, max_pixels=LIMIT)
    except UnreadableImage as refused:
        assert refused.reason
        assert "\n" not in refused.reason
        return refused.reason
    levels = to_uint8(picture)
    assert levels.dtype == np.uint8
    assert levels.ndim == 3
    assert levels.shape[2] in (1, 3)
    return picture


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bits(kind: str) -> None:
    data, rng = encoded(kind), np.random.default_rng(11)
    refused = 0
    for _ in range(120):
        damaged = bytearray(data)
        # Headers are short: aim half of the flips at them.
        reach = len(data) if rng.integers(2) else min(len(data), 200)
        for place in rng.integers(0, reach, rng.integers(1, 6)):
            damaged[place] ^= 1 << int(rng.integers(8))
        refused += isinstance(outcome(bytes(damaged)), str)
    assert refused > 0


@pytest.mark.parametrize("kind", KINDS)
def test_random_bytes_in_the_middle(kind: str) -> None:
    data, rng = encoded(kind), np.random.default_rng(12)
    for _ in range(40):
        start = int(rng.integers(4, len(data) - 2))
        length = int(rng.integers(1, 40))
        outcome(data[:start] + rng.bytes(length) + data[start + length * int(rng.integers(2)) :])


@pytest.mark.parametrize("kind", KINDS)
def test_cut_anywhere_is_refused_or_whole(kind: str) -> None:
    data = encoded(kind)
    whole = decode(data).pixels
    rng = np.random.default_rng(13)
    lengths = {
        *range(min(len(data), 60)),
        *rng.integers(0, len(data), 120).tolist(),
        *range(len(data) - 40, len(data)),
    }
    for length in sorted(lengths):
        result = outcome(data[:length])
        if isinstance(result, Picture):
            assert np.array_equal(result.pixels, whole), length


@pytest.mark.parametrize("kind", ["jpeg", "progressive", "restarts"])
def test_cut_jpeg_with_a_false_end_is_refused_or_whole(kind: str) -> None:
    data = encoded(kind)
    whole = decode(data).pixels
    for length in range(700, len(data) - 12, 7):
        result = outcome(data[:length] + b"\xff\xd9")
        assert isinstance(result, str) or np.array_equal(result.pixels, whole), length


@pytest.mark.parametrize("kind", ["png", "jpeg", "progressive", "gif", "tiff", "lzw", "bmp", "webp"])
def test_holes_of_zeros_never_pass_silently_in_checked_formats(kind: str) -> None:
    data = encoded(kind)
    whole = decode(data).pixels
    middle = len(data) // 2
    result = outcome(data[:middle] + bytes(64) + data[middle + 64 :])
    if kind == "png":
        assert isinstance(result, str)
        assert "checksum" in result
    else:
        assert isinstance(result, str) or result.pixels.shape == whole.shape


@pytest.mark.parametrize("seed", range(4))
def test_noise_behind_every_magic_number(seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = [
        *(b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"P5 ", b""),
        *(b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"\0\0\x08\x03", b"\x1f\x8b\x08\0"),
        *(b"RIFF\x40\0\0\0WEBPVP8 ", b"RIFF\x40\0\0\0WEBPVP8X"),
        *(b"\0\0\0\x18ftypavif", b"\0\0\0\x18ftypheic"),
        *(b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n"),
    ]
    for start in starts:
        for length in (0, 3, 10, 50, 400):
            assert isinstance(outcome(start + rng.bytes(length)), str)


def test_reduced_decoding_refuses_the_same_files() -> None:
    data = encoded("jpeg")
    for length in range(0, len(data) - 10, 23):
        with pytest.raises(UnreadableImage):
            decode_reduced(data[:length], 16)


def test_tiff_whose_directories_form_a_circle() -> None:
    data = bytearray(encoded("tiff"))
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    struct.pack_into("<I", data, start + 2 + 12 * count, start)
    assert isinstance(outcome(bytes(data)), Picture)


def test_tiff_tag_that_states_billions_of_values() -> None:
    data = bytearray(encoded("tiff"))
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    for entry in range(count):
        damaged = bytearray(data)
        struct.pack_into("<I", damaged, start + 2 + 12 * entry + 4, 0xFFFFFFFF)
        outcome(bytes(damaged))


def test_png_whose_data_inflates_beyond_its_size_stops_there() -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0)
    bomb = zlib.compress(bytes(200_000_000))
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", bomb) + chunk(b"IEND", b"")
    result = outcome(data)
    assert isinstance(result, Picture)
    assert result.pixels.shape == (2, 2, 1)
