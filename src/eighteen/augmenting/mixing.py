"""Mixes each picture with another one, and its target likewise: mixup and CutMix.

In come augmented pictures and the ones they are mixed with; out come mixed pictures and how much of each is
its own. Which picture is the partner is decided by the order of the epoch (see `training.batches`), how much
of it by draws that belong to the picture and the epoch, so batches of any size mix alike.

Source: mixup, Zhang et al. 2018 (arXiv 1710.09412): `share * own + (1 - share) * other`. CutMix, Yun et al.
2019 (arXiv 1905.04899): a box with `1 - share` of the area comes from the other picture, from the same place;
it is cut off at the border, and the share corrected to the pixels that are left. The share is Beta(alpha,
alpha), drawn for each picture, as timm's `elem` mode does. Where both are on, each is taken half the time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import betaincinv
from torch import Tensor

from eighteen.augmenting.draws import uniforms

Floats = npt.NDArray[np.float64]

_STREAM = 0x317E
"""Keeps the draws of mixing apart from those of the augmentation."""


@dataclass(frozen=True)
class Mixing:
    """How pictures are mixed.

    Attributes:
        mixup_alpha, cutmix_alpha: of Beta(alpha, alpha); 0 switches that kind off.
        probability: that a picture is mixed at all.
    """

    mixup_alpha: float = 0.0
    cutmix_alpha: float = 0.0
    probability: float = 1.0

    @property
    def is_on(self) -> bool:
        return self.probability > 0 and max(self.mixup_alpha, self.cutmix_alpha) > 0


def mixed(
    mixing: Mixing,
    images: Tensor,
    partners: Tensor,
    keys: npt.NDArray[np.uint64],
    seed: int,
    epoch: int,
) -> tuple[Tensor, Tensor]:
    """Mixed pictures `[B, C, S, S]`, and the share of each that is its own, `[B]`.

    Args:
        mixing: how.
        images, partners: float32 `[B, C, S, S]`, normalised.
        keys: uint64 `[B]`, of the pictures.
        seed, epoch: of the draws.
    """
    draws = uniforms(seed ^ _STREAM, epoch, keys, 5)
    is_mixed = draws[:, 0] < mixing.probability
    cuts = is_mixed & (draws[:, 1] < _cutmix_share(mixing))
    blends = is_mixed & ~cuts
    own, boxes = np.ones(len(keys)), np.zeros((len(keys), 4), np.int64)
    own[blends] = _beta(mixing.mixup_alpha, draws[blends, 2])
    side_px = images.shape[-1]
    boxes[cuts] = cut_boxes(1.0 - _beta(mixing.cutmix_alpha, draws[cuts, 2]), draws[cuts, 3:5], side_px)
    weight = torch.from_numpy(own).to(images)[:, None, None, None].expand(-1, 1, side_px, side_px)
    weight = weight * ~_inside(torch.from_numpy(boxes).to(images.device), side_px)
    own[cuts] = 1.0 - np.prod(boxes[cuts, 2:] - boxes[cuts, :2], axis=1) / side_px**2
    return torch.lerp(partners, images, weight), torch.from_numpy(own).to(images)


def mixed_targets(targets: Tensor, partners: Tensor, own: Tensor) -> Tensor:
    """Targets of mixed pictures: float `[B, K]`, both given as rows of shares `[B, K]`."""
    return torch.lerp(partners, targets, own[:, None])


def cut_boxes(area: Floats, places: Floats, side_px: int) -> npt.NDArray[np.int64]:
    """Boxes that cover this share of a square, cut off at its border: `[B, 4]` xyxy, whole pixels.

    Args:
        area: `[B]`, 0..1.
        places: `[B, 2]` in [0, 1), where the middle lies.
        side_px: of the square.
    """
    middle_px = places * side_px
    half_px = np.sqrt(area)[:, None] * side_px / 2
    ends_px = np.concatenate([middle_px - half_px, middle_px + half_px], axis=1)
    return np.clip(np.round(ends_px), 0, side_px).astype(np.int64)


def _cutmix_share(mixing: Mixing) -> float:
    """How often a mixed picture is cut rather than blended."""
    if mixing.mixup_alpha == 0:
        return 1.0
    return 0.5 if mixing.cutmix_alpha > 0 else 0.0


def _beta(alpha: float, draws: Floats) -> Floats:
    """Beta(alpha, alpha) of uniform draws, by its inverse distribution function."""
    return np.asarray(betaincinv(alpha, alpha, draws), np.float64)


def _inside(boxes: Tensor, side_px: int) -> Tensor:
    """Which pixels lie in each box: bool `[B, 1, S, S]`."""
    places = torch.arange(side_px, device=boxes.device)
    left, top, right, bottom = (edge[:, None] for edge in boxes.unbind(1))
    columns = (places >= left) & (places < right)  # [B, S]
    rows = (places >= top) & (places < bottom)
    return (rows[:, :, None] & columns[:, None, :])[:, None]
