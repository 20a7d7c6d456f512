"""The operations of policies that change pixel values, on all pictures of a batch that drew them.

In come pictures of 0..255 as float32, which operation each one gets and how strong; the pictures are changed
in place, each operation in a few passes over all that drew it. On a CPU a batch comes in parts that fit its
cache, large pictures one by one: a part that is changed whole is not copied out and back. Results are those
of `torchvision.transforms.v2.functional` on bytes, to the rounding that it does after each operation and this
does not (a test compares each).

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


def change(pictures: Tensor, operations: npt.NDArray[np.int64], magnitudes: Floats) -> None:
    """Does one operation to each picture, in place.

    Args:
        pictures: float32 `[n, C, H, W]`, 0..255.
        operations: `[n]`, of `Operation`; those that move pixels are left to the resampling.
        magnitudes: `[n]`, see `policies.magnitude_table`.
    """
    for kind in set(operations.tolist()) & _APPLY.keys():
        chosen = np.flatnonzero(operations == kind)
        strengths = torch.from_numpy(magnitudes[chosen]).to(pictures)[:, None, None, None]
        if len(chosen) == len(pictures):
            _APPLY[kind](pictures, strengths)
        else:
            rows = torch.from_numpy(chosen).to(pictures.device)
            picked = pictures[rows]
            _APPLY[kind](picked, strengths)
            pictures[rows] = picked


# Each changes all its pictures in place; strengths are `[n, 1, 1, 1]`.


def brighten(pictures: Tensor, magnitudes: Tensor) -> None:
    """Away from black, or towards it."""
    pictures.mul_(1.0 + magnitudes).clamp_(0.0, 255.0)


def saturate(pictures: Tensor, magnitudes: Tensor) -> None:
    """Away from the picture's own grey, or towards it; grey pictures stay."""
    if pictures.shape[1] == 3:
        _part_from(pictures, colour.luma_of(pictures), magnitudes)


def contrast(pictures: Tensor, magnitudes: Tensor) -> None:
    """Away from the mean grey, or towards it."""
    # Rows first, then their means: the order of adding must not depend on the batch or the number of threads.
    means = pictures.mean(3, keepdim=True).mean(2, keepdim=True)
    _part_from(pictures, colour.luma_of(means), magnitudes)


def _part_from(pictures: Tensor, grey: Tensor, magnitudes: Tensor) -> None:
    """`grey + (1 + magnitude) (x - grey)`, clipped."""
    pictures.mul_(1.0 + magnitudes).sub_(grey * magnitudes).clamp_(0.0, 255.0)


def sharpen(pictures: Tensor, magnitudes: Tensor) -> None:
    """Away from (or towards) a smoothed picture, whose middle weighs 5 of 13; the border stays."""
    if min(pictures.shape[-2:]) < 3:
        return
    threes = (pictures[..., :-2] + pictures[..., 1:-1]).add_(pictures[..., 2:])
    inner = pictures[..., 1:-1, 1:-1]
    smooth = (threes[..., :-2, :] + threes[..., 1:-1, :]).add_(threes[..., 2:, :])
    smooth.add_(inner, alpha=4.0).div_(13.0).round_()
    inner.lerp_(smooth, -magnitudes).clamp_(0.0, 255.0)


def posterize(pictures: Tensor, bits: Tensor) -> None:
    """Keeps the highest bits of each value."""
    step = torch.exp2(8.0 - bits)
    pictures.round_().div_(step).floor_().mul_(step)


def solarize(pictures: Tensor, thresholds: Tensor) -> None:
    """Inverts values from a threshold on, given as a share of full range."""
    bright = pictures.round().ge_(255.0 * thresholds)
    # |x - 255| where it is 1, |x| elsewhere.
    pictures.sub_(bright, alpha=255.0).abs_()


def stretch(pictures: Tensor, magnitudes: Tensor) -> None:
    """Stretches each channel to full range; an even one stays."""
    low, high = (end(pictures.flatten(2), 2)[..., None, None] for end in (torch.amin, torch.amax))
    even = high == low
    low, span = torch.where(even, 0.0, low), torch.where(even, 255.0, high - low)
    pictures.sub_(low).mul_(255.0 / span).clamp_(0.0, 255.0)


def equalize(pictures: Tensor, magnitudes: Tensor) -> None:
    """Spreads each channel's values evenly, by Pillow's table of 256 values."""
    values = pictures.round().clamp_(0, 255).to(torch.int64).flatten(2)  # [n, C, H * W]
    counts = torch.zeros(*values.shape[:2], 256, dtype=torch.int64, device=values.device)
    counts.scatter_add_(2, values, torch.ones(1, dtype=torch.int64, device=values.device).expand_as(values))
    below = counts.cumsum(2)
    highest = values.amax(2, keepdim=True)
    step = (values.shape[2] - counts.gather(2, highest)) // 255  # [n, C, 1]
    # A value becomes what lies below it, in steps.
    table = (below - counts + step // 2) // step.clamp(min=1)
    table[..., 0] = 0
    spread = table.clamp_(0, 255).to(pictures.dtype).gather(2, values).view_as(pictures)
    pictures.copy_(torch.where(step[..., None] > 0, spread, pictures))


_APPLY: dict[int, Callable[[Tensor, Tensor], None]] = {
    Operation.BRIGHTNESS: brighten,
    Operation.COLOR: saturate,
    Operation.CONTRAST: contrast,
    Operation.SHARPNESS: sharpen,
    Operation.POSTERIZE: posterize,
    Operation.SOLARIZE: solarize,
    Operation.AUTO_CONTRAST: stretch,
    Operation.EQUALIZE: equalize,
}
