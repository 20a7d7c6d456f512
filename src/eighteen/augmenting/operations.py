"""The operations of policies that change pixel values, on all pictures of a batch that drew them.

In come pictures of 0..255 as float32, which operation each one gets and how strong; the pictures are changed
in place. Brightness, colour and contrast are one matrix a picture for all of them together; the others are a
few array operations for each kind. Results are those of `torchvision.transforms.v2.functional` on bytes, to
the rounding that it does after each operation and this does not (a test compares each).

Sums are taken picture by picture in a fixed order, so that a picture comes out the same in any batch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eighteen.augmenting import colour
from eighteen.augmenting.policies import Operation

Floats = npt.NDArray[np.float64]

_LINEAR = (Operation.BRIGHTNESS, Operation.COLOR, Operation.CONTRAST)


def change(pictures: Tensor, operations: npt.NDArray[np.int64], magnitudes: Floats) -> None:
    """Does one operation to each picture, in place.

    Args:
        pictures: float32 `[n, C, H, W]`, 0..255.
        operations: `[n]`, of `Operation`; those that move pixels are left to the resampling.
        magnitudes: `[n]`, see `policies.magnitude_table`.
    """
    linear = np.flatnonzero(np.isin(operations, _LINEAR))
    if len(linear):
        rows = torch.from_numpy(linear).to(pictures.device)
        pictures[rows] = _recoloured(pictures[rows], operations[linear], magnitudes[linear])
    for kind, apply in _OTHERS.items():
        chosen = np.flatnonzero(operations == kind)
        if len(chosen):
            rows = torch.from_numpy(chosen).to(pictures.device)
            strengths = torch.from_numpy(magnitudes[chosen]).to(pictures)
            pictures[rows] = apply(pictures[rows], strengths[:, None, None, None])


def _recoloured(pictures: Tensor, operations: npt.NDArray[np.int64], magnitudes: Floats) -> Tensor:
    def factor(kind: Operation) -> Floats:
        return np.where(operations == kind, 1.0 + magnitudes, 1.0)

    linear, grey_gain = colour.fused_maps(
        factor(Operation.BRIGHTNESS),
        factor(Operation.CONTRAST),
        factor(Operation.COLOR),
        np.zeros(len(operations)),
        pictures.shape[1],
    )
    ones = torch.ones(pictures.shape[1], device=pictures.device)
    out = torch.empty_like(pictures)
    maps = (torch.from_numpy(part).to(pictures.device) for part in (linear, grey_gain))
    colour.write_recoloured(pictures, *maps, scale=ones, shift=0 * ones, out=out)
    return out


def sharpened(pictures: Tensor, magnitudes: Tensor) -> Tensor:
    """Away from (or towards) a smoothed picture, whose middle weighs 5 of 13; the border stays."""
    height, width = pictures.shape[-2:]
    if min(height, width) < 3:
        return pictures
    threes = pictures[..., :-2] + pictures[..., 1:-1] + pictures[..., 2:]
    inner = pictures[..., 1:-1, 1:-1]
    smooth = threes[..., :-2, :] + threes[..., 1:-1, :] + threes[..., 2:, :]
    smooth = ((smooth + 4.0 * inner) / 13.0).round_()
    out = pictures.clone()
    out[..., 1:-1, 1:-1] = torch.lerp(inner, smooth, -magnitudes).clamp_(0.0, 255.0)
    return out


def posterized(pictures: Tensor, bits: Tensor) -> Tensor:
    """Keeps the highest bits of each value."""
    step = torch.exp2(8.0 - bits)
    return (pictures.round() / step).floor_().mul_(step)


def solarized(pictures: Tensor, thresholds: Tensor) -> Tensor:
    """Inverts values from a threshold on, given as a share of full range."""
    return torch.where(pictures.round() >= 255.0 * thresholds, 255.0 - pictures, pictures)


def stretched(pictures: Tensor, magnitudes: Tensor) -> Tensor:
    """Stretches each channel to full range; an even one stays."""
    low, high = (end(pictures.flatten(2), 2) for end in (torch.amin, torch.amax))  # [n, C]
    even = high == low
    low, span = torch.where(even, 0.0, low), torch.where(even, 255.0, high - low)
    gain = (255.0 / span)[:, :, None, None]
    return ((pictures - low[:, :, None, None]) * gain).clamp_(0.0, 255.0)


def equalized(pictures: Tensor, magnitudes: Tensor) -> Tensor:
    """Spreads each channel's values evenly, by Pillow's table of 256 values."""
    values = pictures.round().clamp_(0, 255).to(torch.int64).flatten(2)  # [n, C, H * W]
    counts = torch.zeros(*values.shape[:2], 256, dtype=torch.int64, device=values.device)
    counts.scatter_add_(2, values, torch.ones_like(values))
    below = counts.cumsum(2)
    highest = values.amax(2, keepdim=True)
    step = (values.shape[2] - counts.gather(2, highest)) // 255  # [n, C, 1]
    # A value becomes what lies below it, in steps.
    table = (below - counts + step // 2) // step.clamp(min=1)
    table[..., 0] = 0
    spread = table.clamp_(0, 255).gather(2, values).to(pictures.dtype)
    return torch.where(step > 0, spread, pictures.flatten(2)).view_as(pictures)


_OTHERS: dict[Operation, Callable[[Tensor, Tensor], Tensor]] = {
    Operation.SHARPNESS: sharpened,
    Operation.POSTERIZE: posterized,
    Operation.SOLARIZE: solarized,
    Operation.AUTO_CONTRAST: stretched,
    Operation.EQUALIZE: equalized,
}
