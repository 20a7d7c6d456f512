"""Large pictures are worked on in strips: the same numbers, and far less memory."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from eighteen.core.decoding import value
from eighteen.core.errors import UnreadableImage
from eighteen.core.inputs import resize, with_channels
from eighteen.core.pixels import Picture, decode, to_uint8

_SIDE_PX = 6000
_PEAK = """
import sys
from pathlib import Path
from eighteen.core.inputs import InputSpec
from eighteen.core.pixels import decode
from eighteen.evaluating._fresh_process import peak_bytes
before = peak_bytes()
spec = InputSpec()
spec.fitted(spec.to_channels(decode(Path(sys.argv[1]))))
print(peak_bytes() - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say how much memory a process took")
def test_a_large_png_takes_little_more_than_its_pixels(tmp_path: Path) -> None:
    # Decoded as a whole it took 0.54 GB beside 0.1 GB of pixels: copies by Pillow, and planes of float32.
    waves = (np.arange(_SIDE_PX)[:, None] + np.arange(_SIDE_PX)) // 40 % 256
    Image.fromarray(np.stack([waves] * 3, axis=2).astype(np.uint8)).save(tmp_path / "a.png", compress_level=1)
    asked = [sys.executable, "-c", _PEAK, str(tmp_path / "a.png")]
    told = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert int(told.stdout) < 2 * 3 * _SIDE_PX**2


@pytest.fixture(params=[1, 20, 100])
def small_strips(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(value, "STRIP_PIXELS", request.param)
    yield


def png(width: int, height: int, bits: int, colour: int, *packed: bytes) -> bytes:
    """A PNG whose picture data lies in so many chunks."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    bodies = [(b"IHDR", header), *((b"IDAT", each) for each in packed), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in bodies
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def filtered(rows: npt.NDArray[Any], pixel_bytes: int) -> bytes:
    """Rows of bytes, filtered in the five ways in turn."""
    out, above = [], np.zeros(rows.shape[1], np.int64)
    for number, row in enumerate(rows.astype(np.int64)):
        left = np.r_[np.zeros(pixel_bytes, np.int64), row[:-pixel_bytes]]
        corner = np.r_[np.zeros(pixel_bytes, np.int64), above[:-pixel_bytes]]
        guess = left + above - corner
        near = np.abs(np.stack([guess - left, guess - above, guess - corner])).argmin(axis=0)
        paeth = np.choose(near, [left, above, corner])
        taken = (np.zeros_like(row), left, above, (left + above) // 2, paeth)[number % 5]
        out.append(bytes([number % 5]) + ((row - taken) % 256).astype(np.uint8).tobytes())
        above = row
    return b"".join(out)


@pytest.mark.usefixtures("small_strips")
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_strips_of_a_png_unfilter_as_the_whole(bits: int, colour: int, channels: int) -> None:
    random = np.random.default_rng(colour)
    kind = np.dtype(f">u{bits // 8}")
    samples = random.integers(0, 1 << bits, (23, 11, channels)).astype(kind)
    rows = filtered(samples.view(np.uint8).reshape(23, -1), channels * bits // 8)
    packed = zlib.compress(rows)
    data = png(11, 23, bits, colour, packed[:50], b"", packed[50:])
    assert np.array_equal(decode(data).pixels, samples)


@pytest.mark.usefixtures("small_strips")
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_strips_of_pillows_pictures(mode: str) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (23, 11, 3), np.uint8)
    drawn = Image.fromarray(grey).convert("L" if mode == "I;16" else mode)
    wanted = np.asarray(drawn.convert("RGB") if mode == "P" else drawn)
    wanted = wanted.astype(np.uint8) * 255 if mode == "1" else wanted
    for kind in ("PNG", "TIFF"):
        content = io.BytesIO()
        drawn.convert("I;16").save(content, kind) if mode == "I;16" else drawn.save(content, kind)
        assert np.array_equal(decode(content.getvalue()).pixels.squeeze(), wanted.squeeze()), kind


@pytest.mark.usefixtures("small_strips")
def test_what_is_wrong_with_the_data_of_a_png_is_told_as_of_a_whole() -> None:
    rows = b"".join(b"\0" + bytes(range(number, number + 10)) for number in range(15))
    packed = zlib.compress(rows)
    pixels = decode(png(10, 15, 8, 0, packed)).pixels
    assert pixels[:, :, 0].tolist() == [list(range(number, number + 10)) for number in range(15)]
    with pytest.raises(UnreadableImage, match="truncated PNG: 90 of 165 bytes of picture data"):
        decode(png(10, 15, 8, 0, zlib.compress(rows[:90])))
    with pytest.raises(UnreadableImage, match=r"damaged PNG \(Error -3"):
        decode(png(10, 15, 8, 0, packed[:-1], bytes([packed[-1] ^ 1])))
    more = decode(png(10, 15, 8, 0, zlib.compress(rows + bytes(1000))))
    assert np.array_equal(more.pixels, pixels)


@pytest.mark.usefixtures("small_strips")
@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(7, 5), (64, 9), (64, 48), (40, 90), (200, 3)])
def test_strips_are_resized_as_the_whole(kernel: Any, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (64, 48, 3), np.uint8)
    kernels = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    planes = [Image.fromarray(pixels[:, :, channel].astype(np.float32)) for channel in range(3)]
    wanted = np.stack([np.asarray(plane.resize(size[::-1], kernels[kernel])) for plane in planes])
    assert np.abs(resize(pixels, *size, kernel) - np.clip(wanted, 0, 255)).max() < 1e-4


def test_strips_of_depth_background_and_grey(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    pictures = [
        Picture(random.integers(0, 4096, (23, 11, 4)).astype(np.uint16), "RGBA;12", "PNG", 1, ()),
        Picture(random.integers(0, 256, (23, 11, 2), np.uint8), "LA", "PNG", 1, ()),
        Picture(random.normal(0, 1, (23, 11, 1)).astype(np.float32), "F", "TIFF", 1, ()),
    ]
    wanted = [to_uint8(each, (200, 10, 0)) for each in pictures]
    grey = [with_channels(each, 1) for each in wanted]
    monkeypatch.setattr(value, "STRIP_PIXELS", 30)
    for picture, whole, luma in zip(pictures, wanted, grey, strict=True):
        found = to_uint8(picture, (200, 10, 0))
        assert np.array_equal(found, whole)
        assert np.array_equal(with_channels(found, 1), luma)
