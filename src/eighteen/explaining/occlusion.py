"""Occlusion: how much probability a class loses when a part of the picture is covered.

In go any model as a function, pictures and a class each, out comes a map for each picture. A grey square
moves over the picture; each pixel gets the mean loss of the squares that covered it. It needs nothing of the
model but its answers, and costs one forward pass for each place of the square (81 with the defaults).

Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, section 4.2, as
implemented by captum.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from eighteen.core.errors import EighteenError
from eighteen.core.predictions import softmax
from eighteen.explaining._asking import (
    BATCH_SIZE,
    Classes,
    Maps,
    Pixels,
    as_pictures,
    check_classes,
    refuse_other_classes,
)
from eighteen.inference.scoring import Forward

GREY = 127.5
"""Of the square, in all channels."""


def occlusion(
    forward: Forward,
    pixels: Pixels,
    classes: Classes,
    patch_fraction: float = 0.2,
    stride_fraction: float = 0.5,
) -> Maps:
    """Loss of probability under grey squares.

    Args:
        forward: fitted pictures `[B, C, H, W]`, 0..255, to logits `[B, K]`.
        pixels: `[B, C, H, W]`, 0..255, B of 1 or more.
        classes: class to explain, `[B]`.
        patch_fraction: side of the square as a share of the picture's side, above 0 to 1.
        stride_fraction: step between two places as a share of the square's side, above 0 to 1.

    Returns:
        float32 `[B, H, W]`, -1..1: probability before minus after; negative where covering helps the class.

    Raises:
        EighteenError: no pictures, classes that are none of the model's, or shares out of range.
    """
    from captum.attr import Occlusion  # brings matplotlib along, a third of a second

    pixels = as_pictures(pixels)
    check_classes(classes, len(pixels))
    _check_shares(patch_fraction, stride_fraction)
    height, width = pixels.shape[2:]
    patch = max(1, round(patch_fraction * height)), max(1, round(patch_fraction * width))
    stride = tuple(max(1, round(stride_fraction * side)) for side in patch)

    def probabilities(images: Tensor) -> Tensor:
        logits = forward(np.ascontiguousarray(images.numpy()))
        refuse_other_classes(classes, logits.shape[1])
        return torch.from_numpy(softmax(logits))

    with torch.no_grad():
        losses = []
        for start in range(0, len(pixels), BATCH_SIZE):
            part = slice(start, start + BATCH_SIZE)
            images = torch.from_numpy(pixels[part])
            found = Occlusion(probabilities).attribute(
                images,
                sliding_window_shapes=(pixels.shape[1], *patch),
                strides=(pixels.shape[1], *stride),
                baselines=GREY,
                target=torch.from_numpy(classes[part]),
                perturbations_per_eval=max(1, BATCH_SIZE // len(images)),
            )
            losses.append(found[:, 0].float().numpy())  # the same in all channels
    return np.concatenate(losses)


def _check_shares(patch_fraction: float, stride_fraction: float) -> None:
    shares = {"patch_fraction": patch_fraction, "stride_fraction": stride_fraction}
    wrong = [f"{name}={value}" for name, value in shares.items() if not 0 < value <= 1]
    if wrong:
        raise EighteenError(
            f"occlusion cannot work with {' and '.join(wrong)}; expected above 0 to 1, such as 0.2 and 0.5"
        )
