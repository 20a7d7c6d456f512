"""`InputSpec` as a network: uint8 RGB pictures of any size to the network's tensor, in tensor algebra.

An antialiased resize is linear and separable: a matrix for the rows and one for the columns. Cutting the
middle keeps some of their rows, a letterbox leaves some empty. The matrices are worked out from height and
width inside the graph, so that nothing in it depends on data but their entries: every exporter takes it.

Source: the filters of Pillow's `Image.resize` (triangle; cubic with a = -0.5), widened by the scale when
pictures get smaller, and normalised.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eighteen.core.inputs import MAX_ASPECT, InputSpec

_LUMA = (19595.0, 38470.0, 7471.0)  # Pillow's, in 1/65536


class Preparing(nn.Module):
    """uint8 `[N, H, W, 3]` RGB to normalised float32 `[N, C, size, size]`."""

    scale: Tensor
    shift: Tensor
    background: Tensor
    luma: Tensor

    def __init__(self, inputs: InputSpec) -> None:
        super().__init__()
        self.inputs = inputs
        scale, shift = inputs.scale_and_shift()
        self.register_buffer("scale", torch.from_numpy(scale)[:, None, None])
        self.register_buffer("shift", torch.from_numpy(shift)[:, None, None])
        self.register_buffer("background", torch.from_numpy(inputs.background_values.copy())[:, None, None])
        self.register_buffer("luma", torch.tensor(_LUMA)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        planes = images.permute(0, 3, 1, 2).float()  # [N, 3, H, W], 0..255
        if self.inputs.channels == 1:
            # Whole numbers below 2^24: exact in float32.
            planes = (((planes * self.luma).sum(1, keepdim=True) + 32768.0) / 65536.0).floor()
        height, width = (_number(planes.shape[axis]) for axis in (2, 3))
        (rows, inside_rows), (columns, inside_columns) = self._matrices(height, width, planes)
        fitted = rows @ planes @ columns.T  # [N, C, size, size]
        if self.inputs.kernel == "bicubic":
            fitted = fitted.clamp(0.0, 255.0)
        if self.inputs.fit == "letterbox":
            inside = inside_rows[:, None] * inside_columns
            fitted = fitted * inside + self.background * (1.0 - inside)
        return fitted * self.scale + self.shift

    def _matrices(
        self, height: Tensor, width: Tensor, planes: Tensor
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """For rows and columns: the matrix `[size, length]`, and which of its rows hold picture, `[size]`."""
        found = []
        for axis, length, new_length in zip(
            (2, 3), (height, width), self._new_sides(height, width), strict=True
        ):
            place = torch.arange(self.inputs.size, dtype=torch.float64) + self._start(new_length)
            samples = torch.arange(planes.shape[axis], dtype=torch.float64)
            found.append(self._matrix(place, new_length, samples, length))
        return found[0], found[1]

    def _start(self, new_length: Tensor) -> Tensor:
        """Where the output begins in the resized picture; below 0 where a margin comes first. What is floored
        is the part cut off, or the margin."""
        size = self.inputs.size
        if self.inputs.fit == "letterbox":
            return -((size - new_length) / 2).floor()
        return ((new_length - size) / 2).floor()

    def _new_sides(self, height: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
        """Sides of the resized picture, before it is cut or filled up; rounded half to even, as Python."""
        inputs = self.inputs
        size = torch.full((), float(inputs.size), dtype=torch.float64)
        if inputs.fit == "squash":
            return size, size
        longer, shorter = torch.maximum(height, width), torch.minimum(height, width)
        if inputs.fit == "letterbox":
            # Multiplied first: a half is then exact, and rounds alike in every program.
            return (height * size / longer).round().clamp(min=1), (width * size / longer).round().clamp(min=1)
        short = float(max(inputs.size, round(inputs.size / inputs.crop_fraction)))
        kept = torch.minimum(longer, MAX_ASPECT * shorter)
        long = (kept * short / shorter).round().clamp(min=short)
        least = torch.full((), short, dtype=torch.float64)
        upright = width <= height
        return torch.where(upright, long, least), torch.where(upright, least, long)

    def _matrix(
        self, place: Tensor, new_length: Tensor, samples: Tensor, length: Tensor
    ) -> tuple[Tensor, Tensor]:
        step = length / new_length
        width = step.clamp(min=1.0)
        distance = (samples + 0.5 - (place[:, None] + 0.5) * step) / width  # [size, length]
        weights = _triangle(distance) if self.inputs.kernel == "bilinear" else _cubic(distance)
        inside = (place >= 0) & (place < new_length)
        total = torch.where(inside, weights.sum(1), torch.ones_like(place))  # nothing to share out elsewhere
        return (weights / total[:, None]).float(), inside.float()


def _number(side: int) -> Tensor:
    return torch.full((), side, dtype=torch.float64)


def _triangle(distance: Tensor) -> Tensor:
    return (1 - distance.abs()).clamp(min=0)


def _cubic(distance: Tensor) -> Tensor:
    x = distance.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
