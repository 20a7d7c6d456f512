"""Refuses settings and batches that cannot be augmented; each message names every problem at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eighteen.augmenting.settings import AugmentSettings
from eighteen.core.errors import RecipeError, TrainingError
from eighteen.core.inputs import Fit


def check_setup(
    settings: AugmentSettings,
    mean: Sequence[float],
    std: Sequence[float],
    background: Sequence[float],
    fit: Fit,
) -> None:
    """Raises RecipeError where settings would do nothing or contradict the input."""
    problems = []
    if len(mean) not in (1, 3) or not len(std) == len(background) == len(mean) or min(std) <= 0:
        problems.append(
            f"mean {tuple(mean)}, std {tuple(std)} and background {tuple(background)} do not go together; "
            "give 1 or 3 of each, std above 0"
        )
    if len(mean) == 1 and max(settings.saturation, settings.hue, settings.grey) > 0:
        problems.append(
            f"saturation is {settings.saturation!r}, hue {settings.hue!r}, grey {settings.grey!r}; expected "
            "0 for pictures of one channel, which have no colour; set them to 0"
        )
    if fit == "letterbox" and settings.crop != "resized" and settings.fill != "background":
        problems.append(
            f"fill is {settings.fill!r}, expected 'background' beside fit 'letterbox', whose margin is "
            "background; change one of them"
        )
    if problems:
        raise RecipeError("augmentation: " + "; ".join(problems))


def check_batch(
    pixels: Tensor, aspects: Tensor, keys: npt.NDArray[np.uint64], channels: int, size_px: int
) -> None:
    """Raises TrainingError where a batch has another shape or type than the augmenter was made for."""
    count = len(pixels) if pixels.ndim else 0
    square = (
        pixels.ndim == 4 and pixels.shape[1] == channels and pixels.shape[2] == pixels.shape[3] >= size_px
    )
    problems = []
    if pixels.dtype != torch.uint8 or not square or not count:
        problems.append(
            f"pixels is {pixels.dtype} {list(pixels.shape)}, expected torch.uint8 [B, {channels}, S, S] with "
            f"B from 1 and S from {size_px}; store the pictures as such squares"
        )
    if aspects.shape != (count,) or not bool(((aspects > 0) & torch.isfinite(aspects)).all()):
        problems.append(
            f"aspects is {aspects.dtype} {list(aspects.shape)}, expected {count} positive numbers; give each "
            "picture's original width / height"
        )
    if keys.shape != (count,) or keys.dtype != np.uint64:
        problems.append(
            f"keys is {keys.dtype} {list(keys.shape)}, expected uint64 [{count}]; make them with image_keys"
        )
    if problems:
        raise TrainingError("batch to augment: " + "; ".join(problems))


def check_out(out: Tensor, shape: tuple[int, int, int, int], device: torch.device) -> None:
    """Raises TrainingError where the buffer given cannot take the result."""
    fits = out.shape == shape and out.dtype == torch.float32 and out.device == device and out.is_contiguous()
    if not fits:
        raise TrainingError(
            f"batch to augment: out is {out.dtype} {list(out.shape)} on {out.device}, expected contiguous "
            f"torch.float32 {list(shape)} on {device}; leave it away to have one made"
        )
