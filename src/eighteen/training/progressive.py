"""Small pictures first: early epochs learn coarse things, which fewer pixels show as well.

In comes the full side and the share of it that training starts with; out comes a side for each epoch. A step
takes time with the square of the side, so this saves a third of a training. Validation, test and the last
quarter of the epochs are at full size.

The last epochs can be smaller than validation and test, too: random crops show objects larger than the plain
view does, and a network then answers better at a larger side than it was trained at.

Source: Howard, Training Imagenet in 3 hours for $25 (DAWNBench 2018); Tan and Le, EfficientNetV2, ICML 2021.
Touvron et al., Fixing the train-test resolution discrepancy, NeurIPS 2019 (without its last step, which tunes
the head and the norms anew at the larger side).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

FULL_SIZE_SHARE = 0.25
"""The last epochs, as a share of all, that see the full size."""


def epoch_sides_px(
    epochs: int, size_px: int, start_fraction: float, last_fraction: float = 1.0
) -> tuple[int, ...]:
    """Side of the pictures in each epoch.

    Args:
        epochs: of the training.
        size_px: side of the network's input.
        start_fraction: share of the last epoch's side that the first one sees.
        last_fraction: share of `size_px` that the last epoch sees, rounded down: below 1 it is always less.

    >>> epoch_sides_px(8, 32, 0.6)
    (20, 20, 24, 24, 28, 28, 32, 32)
    >>> epoch_sides_px(3, 32, 1.0, last_fraction=0.75)
    (24, 24, 24)
    >>> epoch_sides_px(1, 224, 1.0, last_fraction=0.97)
    (208,)
    """
    unit_px = 4 if size_px <= 64 else 16
    if last_fraction < 1:
        # A hair more: 0.7 of 160 px are 112, whatever the last bit of the product.
        size_px = max(unit_px, unit_px * math.floor(size_px * last_fraction / unit_px + 1e-9))
    growing = epochs - max(1, math.ceil(epochs * FULL_SIZE_SHARE))
    sides = []
    for epoch in range(epochs):
        share = 1.0 if epoch >= growing else start_fraction + (1 - start_fraction) * epoch / growing
        sides.append(size_px if share == 1 else min(size_px, unit_px * round(size_px * share / unit_px)))
    return tuple(sides)


def work_share(sides_px: Sequence[int]) -> float:
    """Pixels of all epochs over those of as many epochs at the last one's size.

    >>> work_share([16, 32])
    0.625
    """
    return sum(side**2 for side in sides_px) / (len(sides_px) * sides_px[-1] ** 2)


def training_work(epochs: int, size_px: int, start_fraction: float, last_fraction: float = 1.0) -> float:
    """Pixels of all epochs over those of as many epochs at the network's full side; as `epoch_sides_px`.

    >>> training_work(8, 32, 1.0)
    1.0
    """
    sides_px = epoch_sides_px(epochs, size_px, start_fraction, last_fraction)
    return work_share(sides_px) * (sides_px[-1] / size_px) ** 2


def shrunk(images: Tensor, side_px: int) -> Tensor:
    """Pictures `[B, C, H, H]` at a smaller side, antialiased; untouched where they have it already."""
    if images.shape[-1] == side_px:
        return images
    return functional.interpolate(images, (side_px, side_px), mode="bilinear", antialias=True)
