"""Erases a random rectangle of a picture, or a square anywhere in it (cutout).

In come uniform draws; out come rectangles on whole pixels, and pictures with them blanked. The rectangle is
filled with the mean picture value (0 after normalisation): it needs no further random numbers per pixel.

Source: Zhong et al. 2017, "Random erasing data augmentation" (arXiv 1708.04896): area 0.02 to a largest
share, aspect 0.3 to 1/0.3. The paper draws again until the rectangle fits; here the aspect is drawn from
those that fit the drawn area, log-uniformly as in torchvision.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eighteen.augmenting.draws import Draw
from eighteen.augmenting.settings import SMALLEST_ERASED_FRACTION, AugmentSettings

MIN_ASPECT, MAX_ASPECT = 0.3, 1 / 0.3


def erasing_boxes(
    settings: AugmentSettings, draws: npt.NDArray[np.float64], size_px: int
) -> npt.NDArray[np.int64]:
    """Which rectangle each picture loses: `[B, 4]` xyxy, absolute pixels; all zero where nothing is erased.

    Args:
        settings: probability and largest area.
        draws: `[B, DRAW_COUNT]` in [0, 1).
        size_px: side of the picture.
    """
    span = settings.erasing_area_max - SMALLEST_ERASED_FRACTION
    area = SMALLEST_ERASED_FRACTION + span * draws[:, Draw.ERASING_AREA]
    lowest, highest = np.log(np.maximum(MIN_ASPECT, area)), np.log(np.minimum(MAX_ASPECT, 1.0 / area))
    aspect = np.exp(lowest + (highest - lowest) * draws[:, Draw.ERASING_ASPECT])
    sides = np.stack([np.sqrt(area * aspect), np.sqrt(area / aspect)], axis=1)
    sides_px = np.clip(np.round(size_px * sides), 1, size_px)
    places = draws[:, [Draw.ERASING_LEFT, Draw.ERASING_TOP]]
    start_px = np.floor(places * (size_px - sides_px + 1))
    boxes = np.concatenate([start_px, start_px + sides_px], axis=1).astype(np.int64)
    boxes[draws[:, Draw.ERASING] >= settings.erasing] = 0
    return boxes


def cutout_boxes(
    settings: AugmentSettings, draws: npt.NDArray[np.float64], size_px: int
) -> npt.NDArray[np.int64]:
    """Squares that the pictures lose, cut off at the border: `[B, 4]` xyxy, absolute pixels.

    Source: DeVries and Taylor 2017, "Improved regularization with cutout" (arXiv 1708.04552).
    """
    side_px = round(settings.cutout * size_px)
    middle_px = np.floor(draws[:, [Draw.CUTOUT_LEFT, Draw.CUTOUT_TOP]] * size_px)
    start_px = middle_px - side_px // 2
    ends_px = np.concatenate([start_px, start_px + side_px], axis=1)
    return np.asarray(np.clip(ends_px, 0, size_px), np.int64)


def erase(pictures: Tensor, boxes: Tensor) -> None:
    """Sets each picture's rectangle to 0, in place.

    Args:
        pictures: float32 `[n, C, H, W]`, normalised.
        boxes: int64 `[n, 4]` xyxy, absolute pixels.
    """
    places = torch.arange(pictures.shape[-1], device=pictures.device)
    left, top, right, bottom = (edge[:, None] for edge in boxes.unbind(1))
    columns = (places >= left) & (places < right)  # [n, W]
    rows = (places >= top) & (places < bottom)
    kept = ~(rows[:, :, None] & columns[:, None, :])
    pictures.mul_(kept[:, None])
