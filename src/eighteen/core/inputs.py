"""How a decoded picture becomes the network's tensor: the only place where preprocessing is written down.

A `Picture` (upright, native depth) becomes 8-bit grey or RGB over a stated background, is fitted to the
network's size, and is normalised. Validation, test, command line, server and every export use the same
`InputSpec`, which is stored and hashed with the model.

Two choices, settled by measurement:

* The resize works in float32 on the 8-bit picture, with antialiasing and without rounding afterwards.
  Pillow's float resampling, `torch.nn.functional.interpolate(antialias=True)` and ONNX `Resize(antialias=1)`
  then agree to 2e-5 of full range, and it costs what the rounding 8-bit resize costs (1.2 ms against 0.9 ms
  for 400x533 to 224x224 on one core).
* Reduced-scale JPEG decoding is for training and hashing only; whatever is scored is decoded in full.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eighteen.core.decoding.value import strips
from eighteen.core.errors import RunError, UnreadableImage
from eighteen.core.pixels import Picture, Source, decode, to_uint8

Fit = Literal["squash", "crop", "letterbox"]
Kernel = Literal["bilinear", "bicubic"]

_KERNELS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

MAX_ASPECT = 64.0
"""A picture longer than this many times its short side is squeezed to it first, so that bringing a 1x4000
picture's short side to 256 never makes a picture of a million rows."""

Byte = Annotated[int, Field(ge=0, le=255)]


class InputSpec(BaseModel):
    """What the network expects, from the decoded picture on.

    Attributes:
        size: height and width of the network's input, pixels.
        channels: 1 (grey by ITU-R 601 luma) or 3 (RGB).
        fit: `squash` resizes both sides to `size`; `crop` brings the short side to `size / crop_fraction`
            and takes the middle; `letterbox` brings the long side to `size` and fills up with `background`.
        crop_fraction: share of the resized short side that the middle crop keeps (`crop` only).
        kernel: resampling kernel, antialiased when making smaller.
        depth: rule that brings other depths to 8 bits; see `pixels.to_uint8`.
        background: RGB laid under transparent pixels and around a letterboxed picture.
        mean, std: per channel, of values in 0..1.
        mirror_average: whether the answer is the mean of the logits of the picture and of its mirror image,
            which costs a second forward pass.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Annotated[int, Field(ge=8, le=4096)] = 224
    channels: Literal[1, 3] = 3
    fit: Fit = "crop"
    crop_fraction: Annotated[float, Field(gt=0, le=1)] = 0.875
    kernel: Kernel = "bilinear"
    depth: Literal["full-range"] = "full-range"
    background: tuple[Byte, Byte, Byte] = (255, 255, 255)
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    mirror_average: bool = False

    def read(self, source: Source, index: int = -1, max_pixels: int | None = None) -> npt.NDArray[np.float32]:
        """Decodes in full and fits: `[C, size, size]`, float32, 0..255, not normalised.

        Raises:
            UnreadableImage: the source is no usable picture.
        """
        picture = decode(source, index=index) if max_pixels is None else decode(source, index, max_pixels)
        return self.fitted(self.to_channels(picture))

    def to_channels(self, picture: Picture) -> npt.NDArray[np.uint8]:
        """8 bits, background under alpha, and the stated number of channels: `[H, W, C]`, uint8."""
        return with_channels(to_uint8(picture, self.background), self.channels)

    def to_channels_of(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """An array that a caller hands over: uint8 `[H, W]`, or `[H, W, C]` grey, RGB or RGBA, in that order.

        Raises:
            UnreadableImage: another shape or type, with what is expected.
        """
        shaped = pixels[:, :, None] if pixels.ndim == 2 else pixels
        if (
            shaped.dtype != np.uint8
            or shaped.ndim != 3
            or shaped.shape[2] not in (1, 3, 4)
            or not shaped.size
        ):
            raise UnreadableImage(
                "<array>",
                f"an array of {pixels.dtype} {pixels.shape} is no picture; give uint8 [H, W, 3] in RGB order "
                f"(OpenCV reads BGR: turn it with pixels[:, :, ::-1])",
            )
        modes = {1: "L", 3: "RGB", 4: "RGBA"}
        return self.to_channels(Picture(shaped, modes[shaped.shape[2]], "array", 1, ()))

    def fitted(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Fits `[H, W, C]` uint8 to the network's size: `[C, size, size]`, float32, 0..255."""
        height, width = pixels.shape[:2]
        size = self.size
        if self.fit == "squash" or (height == width and (self.fit == "letterbox" or self.crop_fraction == 1)):
            return resize(pixels, size, size, self.kernel)
        if self.fit == "letterbox":
            # Multiplied first: a half is then exact, and rounds alike in every program.
            inner_height, inner_width = (
                max(1, round(side * size / max(height, width))) for side in (height, width)
            )
            inner = resize(pixels, inner_height, inner_width, self.kernel)
            canvas = np.empty((self.channels, size, size), dtype=np.float32)
            canvas[:] = self.background_values[:, None, None]
            top, left = (size - inner_height) // 2, (size - inner_width) // 2
            canvas[:, top : top + inner_height, left : left + inner_width] = inner
            return canvas
        short = max(size, round(size / self.crop_fraction))
        kept = min(max(height, width), int(MAX_ASPECT) * min(height, width))
        long = max(short, round(short * kept / min(height, width)))
        new_height, new_width = (short, long) if height <= width else (long, short)
        resized = resize(pixels, new_height, new_width, self.kernel)
        top, left = (new_height - size) // 2, (new_width - size) // 2
        return np.ascontiguousarray(resized[:, top : top + size, left : left + size])

    def fitted_batch(self, pictures: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Arrays that a caller hands over, as `to_channels_of` takes them: `[B, C, size, size]`, 0..255."""
        return np.stack([self.fitted(self.to_channels_of(picture)) for picture in pictures])

    def normalised(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Brings a fitted batch `[B, C, H, W]` of 0..255 to the network's range."""
        scale, shift = self.scale_and_shift()
        return np.asarray(batch * scale[:, None, None] + shift[:, None, None], np.float32)

    def scale_and_shift(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """`scale` and `shift`, each `[C]`: network input = pixel (0..255) * scale + shift."""
        mean, std = np.asarray(self.mean, np.float64), np.asarray(self.std, np.float64)
        return (1.0 / (255.0 * std)).astype(np.float32), (-mean / std).astype(np.float32)

    @property
    def background_values(self) -> npt.NDArray[np.float32]:
        """The background in the network's channels, `[C]`, 0..255."""
        pixel = np.array([[self.background]], dtype=np.uint8)
        return np.asarray(with_channels(pixel, self.channels)[0, 0], dtype=np.float32)

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, row: dict[str, Any], where: str = "the description of the inputs") -> Self:
        """Reads what `to_json` gave.

        Args:
            row: as read.
            where: the file, for the error.

        Raises:
            RunError: with all that is wrong.
        """
        try:
            return cls.model_validate(row)
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, each['loc']))} is {each['input']!r:.60}: {each['msg']}"
                for each in error.errors()
            )
            raise RunError(
                f"{where} does not say how a picture becomes the network's input ({wrong}); restore it or "
                f"make it anew"
            ) from error

    @property
    def sha256(self) -> str:
        """Hash of every field: two models with the same hash preprocess alike."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


def resize(pixels: npt.NDArray[np.uint8], height: int, width: int, kernel: Kernel) -> npt.NDArray[np.float32]:
    """Antialiased float resize: `[H, W, C]` uint8 to `[C, height, width]` float32, 0..255, not rounded.

    Source: the separable filter of Pillow's `Image.resize` on mode F. Bicubic may overshoot 0..255 a little;
    it is clipped, as every 8-bit resize does.
    """
    if pixels.shape[:2] == (height, width):
        return np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)
    out = np.empty((pixels.shape[2], height, width), dtype=np.float32)
    for channel in range(pixels.shape[2]):
        plane = Image.fromarray(_shortened(pixels[:, :, channel], height, width, kernel))
        out[channel] = np.asarray(plane.resize((width, height), _KERNELS[kernel]))
    return np.clip(out, 0.0, 255.0, out=out) if kernel == "bicubic" else out


def _shortened(
    plane: npt.NDArray[np.uint8], height: int, width: int, kernel: Kernel
) -> npt.NDArray[np.float32]:
    """A plane `[H, W]` in float32; a large one has one side resized already, in strips, so that it is never
    held in float32 as it is.

    Pillow, too, resizes one side and then the other, each row or column by itself: where it begins with the
    same side (its own choice is by cost, much like this) the numbers are the same, and else they are within
    float32's rounding.
    """
    rows, columns = plane.shape
    across = rows * width <= height * columns
    parts = list(strips(rows, columns) if across else strips(columns, rows))
    if len(parts) == 1:
        return plane.astype(np.float32)
    out = np.empty((rows, width) if across else (height, columns), np.float32)
    for part in parts:
        where = (part, slice(None)) if across else (slice(None), part)
        count = part.stop - part.start
        strip = Image.fromarray(plane[where].astype(np.float32))
        new_size = (width, count) if across else (count, height)
        out[where] = np.asarray(strip.resize(new_size, _KERNELS[kernel]))
    return out


def with_channels(pixels: npt.NDArray[np.uint8], channels: int) -> npt.NDArray[np.uint8]:
    """`[H, W, 1 or 3]` as `[H, W, channels]`; grey is ITU-R 601 luma, Pillow's rounding."""
    have = pixels.shape[2]
    if have == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    out = np.empty((*pixels.shape[:2], 1), np.uint8)
    for rows in strips(*pixels.shape[:2]):
        out[rows, :, 0] = np.asarray(Image.fromarray(pixels[rows]).convert("L"))
    return out


def load_image(source: Source) -> npt.NDArray[np.uint8]:
    """Reads a picture the way every model of this package sees it.

    Args:
        source: a path, or the bytes of a file.

    Returns:
        uint8 `[H, W, 3]` RGB, upright, other depths brought to 8 bits by the default rule, transparency laid
        over white.

    Raises:
        UnreadableImage: with `path` and `reason`.
    """
    return with_channels(to_uint8(decode(source), (255, 255, 255)), 3)
