"""Blurs pictures by a Gaussian, each by its own width.

In come pictures and a width for each; they are changed in place. The filter is separable and every tap is one
multiply-add over all pictures, so a picture comes out the same in any batch.

Source: SimCLR, Chen et al. 2020 (arXiv 2002.05709): width uniform from 0.1 pixels on; edges mirrored, as in
`torchvision.transforms.v2.functional.gaussian_blur`.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST_SIGMA_PX = 0.1


def blurred(pictures: Tensor, sigmas_px: Tensor, largest_px: float) -> Tensor:
    """Pictures seen through a Gaussian: float32 `[n, C, H, W]`.

    Args:
        pictures: float32 `[n, C, H, W]`.
        sigmas_px: float32 `[n]`, standard deviations, pixels.
        largest_px: largest of them that there can be; three of it are the filter's reach, as far as the
            picture goes.
    """
    reach = min(math.ceil(3 * largest_px), *(side - 1 for side in pictures.shape[-2:]))
    places = torch.arange(-reach, reach + 1, device=pictures.device)
    taps = torch.exp(-0.5 * (places / sigmas_px[:, None]) ** 2)
    taps = (taps / taps.sum(1, keepdim=True))[:, :, None, None, None]  # [n, taps, 1, 1, 1]
    for axis in (-1, -2):
        padding = (reach, reach, 0, 0) if axis == -1 else (0, 0, reach, reach)
        padded = F.pad(pictures, padding, mode="reflect")
        length = pictures.shape[axis]
        out = torch.zeros_like(pictures)
        for tap in range(2 * reach + 1):
            out.addcmul_(padded.narrow(axis, tap, length), taps[:, tap])
        pictures = out
    return pictures
