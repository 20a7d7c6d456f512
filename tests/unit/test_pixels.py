"""Every kind of picture comes out upright, in its depth, with the right colours; the rest with a reason."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from eighteen.core.errors import DatasetError, UnreadableImage
from eighteen.core.idx import is_idx, open_idx, read_header
from eighteen.core.pixels import MAX_PIXELS, Picture, decode, decode_reduced, sniff, to_uint8

Array = npt.NDArray[Any]
RED, GREEN, BLUE, WHITE = (230, 30, 30), (30, 200, 30), (30, 30, 230), (250, 250, 250)


def card(height: int = 48, width: int = 64) -> npt.NDArray[np.uint8]:
    """Red, green / blue, white: every turn and every mixed-up channel shows."""
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    pixels[: height // 2, : width // 2] = RED
    pixels[: height // 2, width // 2 :] = GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    pixels[height // 2 :, width // 2 :] = WHITE
    return pixels


def photo(height: int = 120, width: int = 160, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Smooth colours with some noise, so that an entropy coder has work to do."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    base = np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (height + width)], axis=2)
    return np.clip(base + rng.normal(0, 12, base.shape), 0, 255).astype(np.uint8)


def saved(pixels: Array | Image.Image, kind: str, **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(samples: Array, bits: int, colour: int, extra: bytes = b"", width: int | None = None) -> bytes:
    """A PNG without filters, written from the specification; `samples` are packed rows where bits < 8."""
    height = samples.shape[0]
    rows = samples.astype(">u2" if bits == 16 else np.uint8).reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width or samples.shape[1], height, bits, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", header), extra, chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(samples: Array, *, order: str = "<", more: tuple[tuple[int, int, int], ...] = ()) -> bytes:
    """An uncompressed TIFF of one strip, written from the specification; `[H, W]` or `[H, W, C]`."""
    height, width = samples.shape[:2]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    kind = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    body = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    bits = samples.dtype.itemsize * 8
    after = 8 + len(body)
    tail = b""
    if channels > 2:
        tail = struct.pack(f"{order}{2 * channels}H", *[bits] * channels, *[kind] * channels)
    tags = {
        256: (4, 1, width),
        257: (4, 1, height),
        258: (3, channels, after) if channels > 2 else (3, 1, bits),
        259: (3, 1, 1),
        262: (3, 1, 2 if channels > 2 else 1),
        273: (4, 1, 8),
        277: (3, 1, channels),
        278: (4, 1, height),
        279: (4, 1, len(body)),
        339: (3, channels, after + 2 * channels) if channels > 2 else (3, 1, kind),
    }
    if channels == 4:
        tags[338] = (3, 1, 2)
    tags.update({tag: (kind_, 1, value) for tag, kind_, value in more})
    start = after + len(tail)
    entries = b""
    for tag, (kind_, count, value) in sorted(tags.items()):
        inline = kind_ == 3 and count == 1
        entries += struct.pack(f"{order}HHI", tag, kind_, count)
        entries += struct.pack(f"{order}HH" if inline else f"{order}I", *([value, 0] if inline else [value]))
    directory = struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}I", 0)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}I", start) + body + tail + directory


def exif(orientation: int, kind: int = 3) -> bytes:
    value = struct.pack(">HH", orientation, 0) if kind == 3 else b"6\0\0\0"
    entry = struct.pack(">HHI", 274, kind, 1 if kind == 3 else 2) + value
    return b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 1) + entry + b"\0\0\0\0"


def stored_for(orientation: int) -> Image.Image:
    """The card as a camera would store it with this tag."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = Image.fromarray(card())
    return image.transpose(undo[orientation]) if orientation in undo else image


def is_card(picture: Picture, tolerance: int) -> bool:
    pixels = to_uint8(picture)
    return pixels.shape == (48, 64, 3) and all(
        np.abs(pixels[y, x].astype(int) - colour).max() <= tolerance
        for y, x, colour in ((12, 16, RED), (12, 48, GREEN), (36, 16, BLUE), (36, 48, WHITE))
    )


def reason(source: Any, **options: Any) -> str:
    with pytest.raises(UnreadableImage) as caught:
        decode(source, **options)
    return caught.value.reason


# --- JPEG ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 90},
        {"quality": 75, "progressive": True},
        {"subsampling": 0},
        {"subsampling": 1, "optimize": True},
        {"restart_marker_blocks": 4},
    ],
)
def test_jpeg_equals_pillow(options: dict[str, Any]) -> None:
    data = saved(photo(), "JPEG", **options)
    picture = decode(data)
    assert (picture.mode, picture.format, picture.frames, picture.notes) == ("RGB", "JPEG", 1, ())
    plain = np.asarray(Image.open(io.BytesIO(data)))
    assert np.abs(picture.pixels.astype(int) - plain).max() <= 1


def test_grey_jpeg_has_one_channel() -> None:
    data = saved(photo()[:, :, 0], "JPEG")
    picture = decode(data)
    assert picture.pixels.shape == (120, 160, 1)
    assert picture.mode == "L"
    assert np.array_equal(picture.pixels[:, :, 0], np.asarray(Image.open(io.BytesIO(data))))


def without_segment(data: bytes, marker: int) -> bytes:
    at = data.index(bytes([0xFF, marker]))
    return data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]


def test_cmyk_stays_red() -> None:
    ink = Image.fromarray(card()).convert("CMYK")
    jpeg = saved(ink, "JPEG", quality=95, subsampling=0)
    assert b"Adobe" in jpeg
    for data in (
        jpeg,
        without_segment(jpeg, 0xEE),
        saved(ink, "TIFF"),
        saved(ink, "TIFF", compression="tiff_lzw"),
    ):
        picture = decode(data)
        assert picture.mode == "CMYK"
        assert picture.pixels.shape[2] == 3
        assert is_card(picture, 40)


def test_ycck_jpeg() -> None:
    # Adobe's marker with transform 2: three planes are YCbCr of the inverted colours, K is inverted.
    ycc = np.asarray(Image.fromarray(255 - card()).convert("YCbCr"))
    planes = np.dstack([ycc, np.full(ycc.shape[:2], 255, np.uint8)])
    data = saved(
        Image.frombytes("CMYK", (64, 48), (255 - planes).tobytes()), "JPEG", quality=95, subsampling=0
    )
    at = data.index(b"Adobe") + 11
    picture = decode(data[:at] + b"\x02" + data[at + 1 :])
    assert picture.mode == "CMYK"
    assert is_card(picture, 40)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8, 0.95, 0.99])
def test_cut_jpeg_is_refused(share: float, progressive: bool) -> None:
    data = saved(photo(), "JPEG", progressive=progressive)
    cut = data[: int(len(data) * share)]
    assert "truncated" in reason(cut)
    assert "truncated" in reason(cut + b"\xff\xd9")


def test_progressive_jpeg_cut_between_scans_is_refused() -> None:
    data = saved(photo(), "JPEG", progressive=True)
    starts = [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xda"]
    assert len(starts) > 3
    # Before the Huffman table of the next scan: every scan that is there is whole.
    table = data.rindex(b"\xff\xc4", 0, starts[-1])
    assert "truncated" in reason(data[:table])


def test_jpeg_without_end_marker_is_used_with_a_note() -> None:
    data = saved(photo(), "JPEG")
    for cut in (data[:-2], data[:-1]):
        picture = decode(cut)
        assert picture.notes == ("end marker is missing",)
        assert np.array_equal(picture.pixels, decode(data).pixels)


def test_stray_bytes_in_a_jpeg() -> None:
    data = saved(photo(), "JPEG")
    whole = decode(data).pixels
    behind = decode(data + b"trailing bytes" * 50)
    assert behind.notes == ()
    assert np.array_equal(behind.pixels, whole)
    table = data.index(b"\xff\xdb")
    before = data[:table] + b"\0\x12\x34" + data[table:]
    assert decode(before).notes == ("stray bytes between the markers, ignored",)
    assert np.array_equal(decode(before).pixels, whole)
    assert "truncated" in reason(before[: len(before) * 6 // 10] + b"\xff\xd9")


def test_unusual_jpegs_have_a_reason() -> None:
    data = bytearray(saved(photo(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    lossless, deep, flat = bytearray(data), bytearray(data), bytearray(data)
    lossless[frame + 1] = 0xC3
    deep[frame + 4] = 12
    flat[frame + 5 : frame + 7] = b"\0\0"
    assert "of a kind that is not read" in reason(bytes(lossless))
    assert "12 bits" in reason(bytes(deep))
    assert "at least 1x1" in reason(bytes(flat))


def test_mpo_is_one_picture_without_fuss() -> None:
    first, second = Image.fromarray(card()), Image.fromarray(255 - card())
    data = saved(first, "MPO", save_all=True, append_images=[second], quality=95)
    picture = decode(data)
    assert (picture.format, picture.frames, picture.notes) == ("JPEG", 1, ())
    assert is_card(picture, 40)


def test_reduced_jpeg_keeps_the_side_asked_for() -> None:
    data = saved(photo(480, 640), "JPEG")
    small = decode_reduced(data, 100)
    assert min(small.pixels.shape[:2]) == 120
    assert decode_reduced(data, 1000).pixels.shape == (480, 640, 3)
    assert decode_reduced(data, 480).pixels.shape == (480, 640, 3)
    assert decode_reduced(saved(card(), "PNG"), 8).pixels.shape == (48, 64, 3)
    assert abs(float(small.pixels.mean()) - float(decode(data).pixels.mean())) < 1.0


def test_arithmetic_jpeg_without_its_end_is_refused() -> None:
    # An arithmetic decoder cannot tell that data is missing: only the end marker shows that all of it came.
    data = bytearray(saved(photo(), "JPEG"))
    data[data.index(b"\xff\xc0") + 1] = 0xC9
    for length in (len(data) - 2, len(data) * 6 // 10):
        assert "truncated" in reason(bytes(data[:length]))


# --- orientation --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation_is_applied(kind: str, orientation: int) -> None:
    image = stored_for(orientation)
    if kind == "TIFF":
        data = saved(image, kind, tiffinfo={274: orientation})
    else:
        data = saved(image, kind, exif=exif(orientation), quality=95)
    picture = decode(data)
    assert picture.format == kind
    assert picture.notes == ()
    assert is_card(picture, 40)


@pytest.mark.parametrize(
    ("block", "noted"),
    [
        (exif(0), False),
        (exif(9), True),
        (exif(60000), True),
        (exif(1, kind=2), True),
        (b"Exif\0\0", True),
        (b"Exif\0\0garbage that is no directory", True),
        (b"Exif\0\0MM\0*\xff\xff\xff\xff", True),
        (b"Exif\0\0II*\0\x08\0\0\0\xff\xff", True),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_never_costs_a_picture(kind: str, block: bytes, noted: bool) -> None:
    if kind == "PNG":
        plain = saved(card(), "PNG")
        data = plain[:33] + chunk(b"eXIf", block.removeprefix(b"Exif\0\0")) + plain[33:]
    elif kind == "JPEG":
        plain = saved(card(), "JPEG", quality=95)
        data = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + plain[2:]
    else:
        data = saved(card(), kind, exif=block, quality=95)
    picture = decode(data)
    assert is_card(picture, 40)
    if len(block) > 6:
        assert picture.notes == (("EXIF orientation tag is broken, ignored",) if noted else ())


@pytest.mark.parametrize("value", [0, 9, 4000])
def test_broken_orientation_in_tiff(value: int) -> None:
    picture = decode(tiff(card(), more=((274, 3, value),)))
    assert np.array_equal(picture.pixels, card())
    assert bool(picture.notes) == (value != 0)


def test_corrupt_profile_never_costs_a_picture() -> None:
    for kind in ("JPEG", "PNG", "TIFF", "WEBP"):
        data = saved(card(), kind, icc_profile=b"no profile at all" * 9, quality=95)
        assert is_card(decode(data), 40)


# --- depth --------------------------------------------------------------------------------------------------


def test_grey16_png_keeps_every_bit() -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    picture = decode(png(ramp[:, :, None], 16, 0))
    assert (picture.mode, picture.pixels.dtype) == ("I;16", np.uint16)
    assert np.array_equal(picture.pixels[:, :, 0], ramp)
    expected = np.floor(ramp * (255 / 65535) + 0.5).astype(np.uint8)
    assert np.array_equal(to_uint8(picture)[:, :, 0], expected)
    assert np.array_equal(decode(saved(ramp, "PNG")).pixels[:, :, 0], ramp)


@pytest.mark.parametrize(("colour", "channels", "name"), [(2, 3, "RGB"), (4, 2, "LA"), (6, 4, "RGBA")])
def test_colour16_png_keeps_every_bit(colour: int, channels: int, name: str) -> None:
    samples = np.random.default_rng(1).integers(0, 65536, (20, 30, channels), dtype=np.uint16)
    samples[0, 0] = 65535
    picture = decode(png(samples, 16, colour))
    assert picture.mode == f"{name};16"
    assert np.array_equal(picture.pixels, samples)


def test_twelve_bits_in_sixteen() -> None:
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    for data in (png(ramp[:, :, None], 16, 0), tiff(ramp), tiff(ramp, order=">")):
        picture = decode(data)
        assert picture.mode == "I;12"
        levels = to_uint8(picture)
        assert (int(levels.min()), int(levels.max()), len(np.unique(levels))) == (0, 255, 256)
    colour = np.dstack([ramp, ramp[::-1], ramp.T])
    assert decode(png(colour, 16, 2)).mode == "RGB;12"
    assert int(to_uint8(decode(png(colour, 16, 2))).max()) == 255


def test_stated_bits_win_where_the_values_fit() -> None:
    ramp = np.arange(1024, dtype=np.uint16).reshape(32, 32)
    stated = decode(png(ramp[:, :, None], 16, 0, chunk(b"sBIT", b"\x0a")))
    assert (stated.mode, int(to_uint8(stated).max())) == ("I;10", 255)
    scaled_up = decode(png(ramp[:, :, None] * 64, 16, 0, chunk(b"sBIT", b"\x0a")))
    assert scaled_up.mode == "I;16"
    dark = decode(png(ramp[:, :, None], 16, 0, chunk(b"sBIT", b"\x10")))
    assert (dark.mode, int(to_uint8(dark).max())) == ("I;16", 4)
    assert decode(tiff(ramp, more=((281, 3, 1023),))).mode == "I;10"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [3, 4])
def test_colour16_tiff_keeps_every_bit(order: str, channels: int) -> None:
    samples = np.random.default_rng(2).integers(0, 65536, (20, 30, channels), dtype=np.uint16)
    samples[0, 0] = 65535
    picture = decode(tiff(samples, order=order))
    assert picture.mode == {3: "RGB;16", 4: "RGBA;16"}[channels]
    assert np.array_equal(picture.pixels, samples)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "name", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
)
def test_tiff_depths(name: str, order: str) -> None:
    samples = (np.arange(120).reshape(8, 15) % 100).astype(name)
    if name.startswith("int"):
        samples[0, 0] = -5
    data = tiff(samples, order=order)
    picture = decode(data)
    assert np.array_equal(picture.pixels[:, :, 0].astype(np.float64), samples.astype(np.float64))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("name", ["float16", "float32", "float64", "int16", "int32", "uint32"])
def test_deep_colour_tiff(name: str, channels: int, order: str) -> None:
    samples = (np.arange(8 * 5 * channels).reshape(8, 5, channels) / 8).astype(name)
    picture = decode(tiff(samples, order=order))
    assert np.array_equal(picture.pixels.astype(np.float64), samples.astype(np.float64))
    assert to_uint8(picture).shape == (8, 5, 3)


def test_sixteen_bit_tiff_where_white_is_zero() -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    picture = decode(tiff(ramp, more=((262, 3, 0),)))
    assert np.array_equal(picture.pixels[:, :, 0], 65535 - ramp)


def test_large_uint32_does_not_wrap() -> None:
    samples = np.array([[0, 2**31], [2**32 - 1, 2**30]], dtype=np.uint32)
    picture = decode(tiff(samples))
    assert np.array_equal(picture.pixels[:, :, 0], samples)
    assert to_uint8(picture)[:, :, 0].tolist() == [[0, 128], [255, 64]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 100, 255], [0, 100, 255]),
        ([0, 4095, 2048], [0, 255, 128]),
        ([0, 65535, 32768], [0, 255, 128]),
        ([0, 100_000, 200_000], [0, 128, 255]),
        ([-100, 0, 100], [0, 128, 255]),
        ([0, 0, 0], [0, 0, 0]),
        ([-7, -7, -7], [0, 0, 0]),
    ],
)
def test_int32_rule(values: list[int], expected: list[int]) -> None:
    picture = decode(tiff(np.array([values], dtype=np.int32)))
    assert picture.mode == "I"
    assert to_uint8(picture)[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0.5, 1], [0, 128, 255]),
        ([0, 100.4, 255], [0, 100, 255]),
        ([0, 2047.5, 4095], [0, 128, 255]),
        ([0, 1e6, 2e6], [0, 128, 255]),
        ([-1, 0, 1], [0, 128, 255]),
        ([0, 0, 0], [0, 0, 0]),
    ],
)
def test_float_rule(values: list[float], expected: list[int]) -> None:
    picture = decode(tiff(np.array([values], dtype=np.float32)))
    assert picture.mode == "F"
    assert to_uint8(picture)[0, :, 0].tolist() == expected


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_is_refused(bad: float) -> None:
    samples = np.zeros((4, 5), dtype=np.float32)
    samples[1, 2] = bad
    assert "holds not-finite values (1 of 20)" in reason(tiff(samples))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_shallow_png(bits: int) -> None:
    per_byte = 8 // bits
    packed = np.arange(16, dtype=np.uint8).reshape(4, 4) * 17
    levels = np.stack([packed >> (8 - bits * (i + 1)) & ((1 << bits) - 1) for i in range(per_byte)], axis=2)
    expected = levels.reshape(4, -1).astype(int) * (255 // ((1 << bits) - 1))
    picture = decode(png(packed, bits, 0, width=4 * per_byte))
    assert picture.mode == ("1" if bits == 1 else "L")
    assert np.array_equal(picture.pixels[:, :, 0], expected)
    # The same indices through a palette of greys.
    palette = bytes(v for i in range(1 << bits) for v in [i * (255 // ((1 << bits) - 1))] * 3)
    coloured = decode(png(packed, bits, 3, chunk(b"PLTE", palette), width=4 * per_byte))
    assert coloured.mode == "P"
    assert np.array_equal(coloured.pixels[:, :, 1], expected)


def test_pgm_and_ppm_depths() -> None:
    samples = np.array([[0, 2048, 4095]], dtype=">u2")
    picture = decode(b"P5 3 1 4095\n" + samples.tobytes())
    assert picture.format == "PPM"
    assert to_uint8(picture)[0, :, 0].tolist() == [0, 128, 255]
    full = decode(b"P5\n# comment\n3 1 65535\n" + np.array([[0, 100, 300]], dtype=">u2").tobytes())
    assert (full.mode, full.pixels[0, :, 0].tolist()) == ("I;16", [0, 100, 300])
    assert to_uint8(full)[0, :, 0].tolist() == [0, 0, 1]
    assert decode(b"P6 1 1 255 " + bytes(RED)).pixels[0, 0].tolist() == list(RED)
    assert decode(b"P3 1 1 255 230 30 30 ").pixels[0, 0].tolist() == list(RED)
    assert decode(b"P4 8 1\n\xaa...").pixels[0, :, 0].tolist() == [0, 255] * 4


# --- transparency and palettes ------------------------------------------------------------------------------


def test_alpha_is_laid_over_the_background() -> None:
    rgba = np.dstack([card(), np.full((48, 64), 128, np.uint8)])
    rgba[0, 0] = (9, 9, 9, 0)
    picture = decode(saved(rgba, "PNG"))
    share = 128 / 255
    expected = np.floor(np.array(RED) * share + 255 * (1 - share) + 0.5)
    assert to_uint8(picture)[12, 16].tolist() == expected.tolist()
    assert to_uint8(picture)[0, 0].tolist() == [255, 255, 255]
    assert to_uint8(picture, (10, 20, 30))[0, 0].tolist() == [10, 20, 30]


def test_grey_alpha() -> None:
    la = np.dstack([np.full((4, 4), 40, np.uint8), np.full((4, 4), 255, np.uint8)])
    la[0, 0, 1] = 0
    picture = decode(saved(Image.fromarray(la), "PNG"))
    assert picture.mode == "LA"
    assert to_uint8(picture).shape == (4, 4, 1)
    assert to_uint8(picture)[:2, 0, 0].tolist() == [255, 40]
    assert to_uint8(picture, (1, 2, 3))[0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("colour", [0, 2])
@pytest.mark.parametrize("bits", [8, 16])
def test_colour_key_png(bits: int, colour: int) -> None:
    channels = 1 if colour == 0 else 3
    full = (1 << bits) - 1
    samples = np.full((3, 3, channels), full // 3)
    samples[1, 1] = 7
    picture = decode(
        png(samples, bits, colour, chunk(b"tRNS", struct.pack(f">{channels}H", *[7] * channels)))
    )
    assert picture.pixels.shape == (3, 3, channels + 1)
    levels = to_uint8(picture)
    assert set(levels[1, 1].tolist()) == {255}
    assert set(levels[0, 0].tolist()) == {85}


def test_palette_with_alpha_for_every_entry() -> None:
    indices = np.array([[0, 1, 2, 3]], dtype=np.uint8)
    palette = chunk(b"PLTE", bytes([*RED, *GREEN, *BLUE])) + chunk(b"tRNS", bytes([255, 0]))
    picture = decode(png(indices, 8, 3, palette))
    levels = to_uint8(picture)
    assert levels[0, :3].tolist() == [list(RED), [255, 255, 255], list(BLUE)]
    # An index beyond the palette is black, as browsers show it.
    assert levels[0, 3].tolist() == [0, 0, 0]


def test_gif_with_transparency_and_a_first_frame_that_starts_inside() -> None:
    image = Image.new("P", (10, 8), 1)
    image.putpalette([*WHITE, *RED, *GREEN])
    image.putpixel((0, 0), 0)
    data = bytearray(saved(image, "GIF", transparency=0, optimize=False))
    at = data.index(b"\x2c\0\0\0\0\x0a\0\x08\0")
    # The canvas grows; the frame keeps its size and moves to (5, 4).
    data[6:10] = struct.pack("<HH", 20, 16)
    data[at + 1 : at + 5] = struct.pack("<HH", 5, 4)
    picture = decode(bytes(data))
    levels = to_uint8(picture, (1, 2, 3))
    assert levels.shape == (16, 20, 3)
    assert levels[8, 10].tolist() == list(RED)
    assert levels[0, 0].tolist() == [1, 2, 3]


def test_bmp_kinds() -> None:
    assert is_card(decode(saved(card(), "BMP")), 0)
    rgba = np.dstack([card(), np.full((48, 64), 0, np.uint8)])
    with_alpha = decode(saved(rgba, "BMP"))
    assert with_alpha.pixels.shape[2] in (3, 4)
    head = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 54) + struct.pack(
        "<IiiHHIIiiII", 40, 2, 1, 1, 16, 0, 4, 0, 0, 0, 0
    )
    assert decode(head + struct.pack("<HH", 0x7C00, 0x001F)).pixels[0].tolist() == [[255, 0, 0], [0, 0, 255]]
    for mode in ("1", "L", "P"):
        assert decode(saved(Image.fromarray(card()).convert(mode), "BMP")).pixels.shape[:2] == (48, 64)


def test_webp_kinds() -> None:
    rgba = np.dstack([card(), np.full((48, 64), 255, np.uint8)])
    rgba[:10, :10, 3] = 0
    picture = decode(saved(rgba, "WEBP", lossless=True, exact=True))
    assert picture.pixels.shape[2] == 4
    assert np.array_equal(picture.pixels, rgba)
    assert is_card(decode(saved(card(), "WEBP", quality=95)), 40)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_compressed_tiff(compression: str | None) -> None:
    picture = decode(saved(card(), "TIFF", compression=compression))
    assert (picture.mode, picture.notes) == ("RGB", ())
    assert is_card(picture, 12 if compression == "jpeg" else 0)


def test_tiff_palette_bilevel_and_alpha() -> None:
    image = Image.fromarray(card())
    assert is_card(decode(saved(image.quantize(8), "TIFF")), 12)
    assert set(np.unique(decode(saved(image.convert("1"), "TIFF", compression="group4")).pixels)) <= {0, 255}
    rgba = np.dstack([card(), np.full((48, 64), 255, np.uint8)])
    assert np.array_equal(decode(saved(rgba, "TIFF")).pixels, rgba)
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert np.array_equal(decode(saved(ramp, "TIFF", compression="tiff_lzw")).pixels[:, :, 0], ramp)


def test_bigtiff_and_tiled_tiff() -> None:
    assert is_card(decode(saved(card(), "TIFF", big_tiff=True)), 0)
    # Two tiles of 16x16 beside each other.
    left, right = np.full((16, 16), 10, np.uint8), np.full((16, 16), 200, np.uint8)
    body = left.tobytes() + right.tobytes()
    tags = [(256, 4, 1, 32), (257, 4, 1, 16), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    tags += [(322, 4, 1, 16), (323, 4, 1, 16), (324, 4, 2, 8 + 512), (325, 4, 2, 8 + 520)]
    lists = struct.pack("<IIII", 8, 8 + 256, 256, 256)
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    data = b"II*\0" + struct.pack("<I", 8 + 512 + 16) + body + lists
    picture = decode(data + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0")
    assert picture.pixels[3, [0, 15, 16, 31], 0].tolist() == [10, 10, 200, 200]


def test_broken_vendor_tags_never_cost_a_tiff() -> None:
    samples = photo(20, 30)
    for tag in ((33723, 4, 2**31), (34665, 4, 2**31), (700, 4, 5), (34853, 4, 99_999), (296, 3, 77)):
        assert np.array_equal(decode(tiff(samples, more=(tag,))).pixels, samples)


def test_other_formats() -> None:
    assert is_card(decode(saved(card(), "AVIF", quality=95)), 30)
    assert is_card(decode(saved(card(), "JPEG2000")), 3)
    assert is_card(decode(saved(card(), "JPEG2000", no_jp2=True)), 3)


def test_tga_is_read_by_its_name_alone(tmp_path: Path) -> None:
    (tmp_path / "card.tga").write_bytes(saved(card(), "TGA"))
    assert is_card(decode(tmp_path / "card.tga"), 0)


def test_interlaced_png() -> None:
    # Adam7 of a 2x2 picture: passes 1, 6 and 7 hold (0,0), (1,0) and the second row.
    raw = b"\0\x0a" + b"\0\x14" + b"\0\x1e\x28"
    header = struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 1)
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )
    assert decode(data).pixels[:, :, 0].tolist() == [[10, 20], [30, 40]]
    wide = b"".join(b"\0" + bytes(row) for row in ([1, 2], [3, 4], [5, 6, 7, 8]))
    header = struct.pack(">IIBBBBB", 2, 2, 16, 0, 0, 0, 1)
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(wide))
        + chunk(b"IEND", b"")
    )
    assert decode(data).pixels[:, :, 0].tolist() == [[0x0102, 0x0304], [0x0506, 0x0708]]


# --- several frames -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_first_frame_of_several(kind: str) -> None:
    frames = [Image.fromarray(np.roll(card(), shift, axis=1)) for shift in (0, 20, 40)]
    picture = decode(saved(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert picture.frames == 3
    assert picture.notes == ("3 frames, first used",)
    assert is_card(picture, 60)


def test_one_frame_has_no_note() -> None:
    for kind in ("GIF", "WEBP", "PNG", "TIFF", "AVIF"):
        assert decode(saved(card(), kind)).notes == ()


# --- limits and refusals ------------------------------------------------------------------------------------


def test_size_is_refused_before_anything_is_unpacked() -> None:
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
    gif = (
        b"GIF89a"
        + struct.pack("<HHBBB", 10, 10, 0, 0, 0)
        + b"\x2c"
        + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0)
    )
    gif += b"\x02\x01\x00\x00;"
    webp = (
        b"RIFF"
        + struct.pack("<I", 30)
        + b"WEBPVP8X"
        + struct.pack("<I", 10)
        + b"\0" * 4
        + b"\xff" * 6
        + b"\0" * 8
    )
    bmp = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 54)
    bmp += struct.pack("<IiiHHIIiiII", 40, 65000, 65000, 1, 24, 0, 4, 0, 0, 0, 0)
    pgm = b"P5 65000 65000 255 " + b"\0" * 50
    wide = tiff(np.zeros((2, 2), np.uint8), more=((256, 4, 65000), (257, 4, 65000)))
    for data in (bomb, gif, webp, bmp, pgm, wide):
        why = reason(data)
        assert "data.max_pixels = 150000000" in why
        assert "pixels" in why


def test_limit_can_be_set_for_one_call() -> None:
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "AVIF", "JPEG2000"):
        data = saved(card(), kind)
        assert "64x48 = 3072 pixels is more than data.max_pixels = 3071" in reason(data, max_pixels=3071)
        assert decode(data, max_pixels=3072).pixels.shape == (48, 64, 3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_a_picture_of_a_hundred_megapixels_passes_without_a_warning(kind: str) -> None:
    # Pillow's process-wide limit would warn at 89 megapixels and refuse at 179.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = saved(Image.new("L", (10_000, 10_000), 7), kind)
        assert decode(data).pixels.shape[:2] == (10_000, 10_000)
    assert MAX_PIXELS > 100_000_000


def test_text_bomb_in_a_png_costs_nothing() -> None:
    plain = saved(card(), "PNG")
    bomb = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(80_000_000)))
    assert is_card(decode(plain[:33] + bomb + plain[33:]), 0)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "TIFF", "BMP", "JPEG", "AVIF", "JPEG2000", "PPM"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_cut_files_are_refused_as_truncated(kind: str, share: float) -> None:
    data = saved(photo(), kind)
    assert "truncated" in reason(data[: int(len(data) * share)])


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_cut_compressed_tiff(compression: str) -> None:
    data = saved(photo(), "TIFF", compression=compression)
    assert "truncated" in reason(data[: len(data) * 6 // 10])


def test_png_that_holds_fewer_rows_than_it_states() -> None:
    samples = photo(20, 30)
    data = bytearray(png(samples, 8, 2))
    data[16:24] = struct.pack(">II", 30, 25)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    assert "truncated" in reason(bytes(data))


def test_png_end_and_checksums() -> None:
    data = png(photo(20, 30), 8, 2)
    assert decode(data[:-12]).notes == ("end marker is missing",)
    flipped = bytearray(data)
    flipped[60] ^= 1
    assert "checksum of IDAT" in reason(bytes(flipped))


def test_empty_files(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "b.jpg").write_bytes(b"x")
    assert reason(tmp_path / "a.jpg").startswith("empty file (0 bytes)")
    assert "empty file (1 byte)" in reason(tmp_path / "b.jpg")
    assert reason(b"").startswith("empty file (0 bytes)")


HEIC = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"heic", 0, b"mif1", b"heic") + b"\0" * 24


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"hello, this is a text file\n", "a text file, not an image"),
        (b"<!DOCTYPE html><html></html>", "an HTML page, not an image"),
        (b"<?xml version='1.0'?><svg xmlns='x'></svg>", "an SVG drawing"),
        (b"%PDF-1.7 and more", "a PDF document"),
        (b"PK\x03\x04 zip content", "a ZIP archive"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "an EPS document"),
        (b"8BPS\0\x01\0\0\0\0\0\0", "a Photoshop file"),
        (b"\0" * 128 + b"DICM" + b"\0" * 20, "a DICOM file"),
        (b"\x93NUMPY\x01\0v\0{}", "a NumPy array"),
        (b"\0\0\0\x20ftypisom\0\0\0\0mp42", "a video"),
        (b"\xff\x0a\x00\x10\x20\x30\x40\x50", "JPEG XL"),
        (b"\0" * 500, "nothing but zero bytes"),
        (b"\x1f\x8b\x08\0 gzip", "a gzip archive"),
        (bytes(range(1, 20)), "not a known image format"),
        (b"\0\0\x08\x03\0\0\0\x01\0\0\0\x01\0\0\0\x01\x07", "IDX"),
    ],
)
def test_other_files_are_named(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "picture.jpg").write_bytes(content)
    assert words in reason(tmp_path / "picture.jpg")
    assert words in reason(content)


def test_heic_without_decoder_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    why = reason(HEIC)
    assert "HEIC is not readable here: install the heif extra (pip install 'eighteen[heif]')" in why
    assert "corrupt" not in why
    assert sniff(HEIC) == "HEIC"


def test_odd_paths(tmp_path: Path) -> None:
    data = saved(card(), "PNG")
    named = tmp_path / ("снимок 図 é " + "x" * 150 + ".JPG")
    named.write_bytes(data)
    assert is_card(decode(named), 0)
    assert is_card(decode(str(named)), 0)
    assert "no such file" in reason(tmp_path / "missing.png")
    assert "no such file" in reason(named / "below.png")
    assert "a folder, not a file" in reason(tmp_path)
    assert "too long" in reason(tmp_path / ("x" * 5000))
    assert "zero character" in reason("a\0b.png")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "symbolic link" in reason(tmp_path / "loop")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_and_devices_never_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    said: list[str] = []
    worker = threading.Thread(target=lambda: said.append(reason(tmp_path / "pipe.jpg")), daemon=True)
    worker.start()
    worker.join(5)
    assert said == ["a pipe, socket or device, not a file"]
    assert "not a file" in reason("/dev/zero")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(saved(card(), "PNG"))
    (tmp_path / "a.png").chmod(0)
    assert "no permission" in reason(tmp_path / "a.png")


def test_error_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage) as caught:
        decode(tmp_path / "missing.png")
    assert caught.value.path == str(tmp_path / "missing.png")
    assert str(caught.value).startswith(str(tmp_path / "missing.png"))


def test_many_threads_at_once() -> None:
    sources = [
        saved(photo(seed=seed), kind) for seed in range(4) for kind in ("JPEG", "PNG", "TIFF", "WEBP", "GIF")
    ]
    alone = [decode(data).pixels for data in sources]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: decode(data).pixels, sources * 3))
    assert all(np.array_equal(a, b) for a, b in zip(alone * 3, together, strict=True))


# --- IDX ----------------------------------------------------------------------------------------------------


def idx(values: Array, code: int = 8) -> bytes:
    head = bytes([0, 0, code, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.astype(values.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("packed", [False, True])
def test_idx_pictures(tmp_path: Path, packed: bool) -> None:
    values = np.random.default_rng(3).integers(0, 256, (5, 7, 6), dtype=np.uint8)
    path = tmp_path / ("images.idx3-ubyte" + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(idx(values)) if packed else idx(values))
    assert is_idx(path)
    assert read_header(path) == (np.dtype("u1"), (5, 7, 6))
    assert np.array_equal(open_idx(path), values)
    assert open_idx(path) is open_idx(path)
    picture = decode(path, index=3)
    assert (picture.mode, picture.format, picture.frames) == ("L", "IDX", 5)
    assert np.array_equal(picture.pixels[:, :, 0], values[3])
    assert "holds 5 (0..4)" in reason(path, index=5)
    assert "data.max_pixels" in reason(path, index=0, max_pixels=10)
    # A file that is written anew is opened anew.
    os.utime(path, ns=(1, 1))
    path.write_bytes(gzip.compress(idx(255 - values)) if packed else idx(255 - values))
    assert np.array_equal(decode(path, index=3).pixels[:, :, 0], 255 - values[3])


def test_idx_other_shapes(tmp_path: Path) -> None:
    colour = np.random.default_rng(4).integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    (tmp_path / "c").write_bytes(idx(colour))
    assert np.array_equal(decode(tmp_path / "c", index=1).pixels, colour[1])
    (tmp_path / "f").write_bytes(idx(np.full((2, 3, 3), 0.5, dtype=np.float64), 0x0E))
    assert set(to_uint8(decode(tmp_path / "f", index=0)).ravel().tolist()) == {128}
    (tmp_path / "labels").write_bytes(idx(np.arange(9, dtype=np.uint8)))
    assert open_idx(tmp_path / "labels").tolist() == list(range(9))
    assert "holds no pictures" in reason(tmp_path / "labels", index=0)


@pytest.mark.parametrize("packed", [False, True])
def test_damaged_idx(tmp_path: Path, packed: bool) -> None:
    whole = idx(np.zeros((5, 7, 6), dtype=np.uint8))
    wrap: Callable[[bytes], bytes] = gzip.compress if packed else bytes
    for name, content, words in (
        ("cut", wrap(whole[:-10]), "truncated, 200 of 210 bytes"),
        ("long", wrap(whole + b"x"), "more than the 210 bytes"),
        ("head", wrap(whole[:9]), "truncated inside the header"),
        ("claims", wrap(whole[:4] + b"\x7f\xff\xff\xff" * 3 + whole[16:]), "truncated, |bytes"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=words):
            open_idx(path)
        assert words.split("|")[-1] in reason(path, index=0)
    if packed:
        (tmp_path / "gz").write_bytes(wrap(whole)[:-12])
        with pytest.raises(DatasetError, match="truncated"):
            open_idx(tmp_path / "gz")


def test_an_index_beyond_an_ordinary_file() -> None:
    assert "counts as one picture" in reason(saved(card(), "PNG"), index=1)
    assert is_card(decode(saved(card(), "PNG"), index=0), 0)


# --- the bank of real failure cases -------------------------------------------------------------------------

CASES = [
    "C01",
    "C03",
    "C05",
    "C06",
    "C08",
    "C10",
    "C12",
    "C14",
    "C16",
    "C18",
    "C20",
    "C21",
    "C24",
    "C50",
    "C65",
]


@pytest.mark.shared
@pytest.mark.parametrize("case", CASES)
def test_case(case: str, case_dir: Callable[[str], Path]) -> None:
    root = case_dir(case)
    expected = json.loads((root / "case.json").read_text())["expected"]
    files = {
        p.relative_to(root / "data").as_posix(): p for p in sorted((root / "data").rglob("*")) if p.is_file()
    }
    refused = {}
    pictures = {}
    for name, path in files.items():
        try:
            pictures[name] = decode(path)
        except UnreadableImage as error:
            refused[name] = error.reason
    assert sorted(refused) == sorted(expected.get("skipped", []))
    for check in expected.get("pixels", []):
        x, y = check["xy"]
        seen = np.broadcast_to(to_uint8(pictures[check["file"]])[y, x], 3).astype(int)
        assert np.abs(seen - check["rgb"]).max() <= check["tol"], check
    for check in expected.get("levels", []):
        assert len(np.unique(to_uint8(pictures[check["file"]]))) >= check["min"]
    for group in expected.get("same", []):
        levels = [to_uint8(pictures[name]).astype(int) for name in group]
        assert all(np.abs(levels[0] - other).max() <= 3 for other in levels)


@pytest.mark.shared
def test_case_uploads(case_dir: Callable[[str], Path]) -> None:
    no_image, modes = case_dir("C72"), case_dir("C79")
    expected = json.loads((no_image / "case.json").read_text())["expected"]
    for name in expected["http_4xx"]:
        assert reason((no_image / "data" / name).read_bytes())
    assert decode(no_image / "data" / "good.png").format == "PNG"
    for group in json.loads((modes / "case.json").read_text())["expected"]["same"]:
        levels = [to_uint8(decode(modes / "data" / name)).astype(int) for name in group]
        assert all(np.abs(levels[0] - other).max() <= 1 for other in levels)


@pytest.mark.shared
def test_real_photos_equal_pillow(shared_data: Callable[[str], Path]) -> None:
    paths = sorted(shared_data("clothing").rglob("*.jpg"))[:20]
    assert paths
    for path in paths:
        with Image.open(path) as image:
            assert np.abs(decode(path).pixels.astype(int) - np.asarray(image.convert("RGB"))).max() <= 1
