"""Grad-CAM: where in a picture the network sees what speaks for a class.

In go a network, pictures and a class each, out comes a map for each picture: 1 where most speaks for the
class, 0 where nothing does. The last layer that still knows where things are (see `_feature_layer.py`) is
weighted by how much each of its channels raises the class's logit, summed, and what is negative left out.

The map is as coarse as that layer (7 x 7 cells at 224 px) and is made smooth between cells: it shows about
where, not an outline. It says what the network used, not whether that was right.

Source: Selvaraju et al., Grad-CAM, ICCV 2017, equations 1 and 2, as implemented by captum.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from eighteen.core.errors import EighteenError
from eighteen.core.inputs import InputSpec
from eighteen.explaining._asking import (
    BATCH_SIZE,
    Classes,
    Maps,
    Pixels,
    as_pictures,
    check_classes,
    refuse_other_classes,
)
from eighteen.explaining._feature_layer import feature_layer
from eighteen.inference.scoring import Scorer, evaluating


def explain_maps(network: nn.Module, inputs: InputSpec, pixels: Pixels, classes: Classes) -> Maps:
    """Maps of fitted pictures, for the answer that the model gives: with its mirror image, if it asks that.

    Where `inputs.mirror_average` is set, the answer is the mean of the logits of the picture and its mirror
    image; so is the map, before it is scaled: that of the mirror image is turned back.

    Args:
        network: on any device; it is left as it is.
        inputs: what the network expects.
        pixels: `[B, C, H, W]`, 0..255, B of 1 or more.
        classes: class to explain, `[B]`.

    Returns:
        float32 `[B, H, W]`, 0..1; the largest value is 1, or all are 0 where nothing speaks for the class.

    Raises:
        EighteenError: no pictures, classes that are none of the network's, or a network without maps.
    """
    pixels = as_pictures(pixels)
    check_classes(classes, len(pixels))
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    scorer = Scorer(network, inputs, device)
    parts = []
    for start in range(0, len(pixels), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        images = scorer.normalised(torch.from_numpy(pixels[part]))
        which = torch.from_numpy(classes[part]).to(device)
        maps = _unscaled(network, images, which)
        if inputs.mirror_average:
            maps = (maps + _unscaled(network, images.flip(-1), which).flip(-1)) / 2
        parts.append(_scaled(maps).cpu().numpy())
    return np.concatenate(parts)


def gradcam(network: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """Maps of normalised pictures.

    Args:
        network: the page in `models/resnet18.py`, or a convolutional network of timm; it is left as it is.
        images: network input, float32 `[B, C, H, W]`, B of 1 or more, on the network's device.
        classes: class to explain, int64 `[B]`.

    Returns:
        float32 `[B, H, W]` on the same device, 0..1; the largest value is 1, or all are 0 where nothing
        speaks for the class.

    Raises:
        EighteenError: no pictures, classes that are none of the network's, or a network without maps.

    >>> from eighteen.models.resnet18 import ResNet18
    >>> network = ResNet18(3, stem="small", blocks=(1, 1, 1, 1), width=4)
    >>> gradcam(network, torch.rand(2, 3, 32, 32), torch.tensor([0, 2])).shape
    torch.Size([2, 32, 32])
    """
    if images.ndim != 4 or not images.numel() or classes.shape != images.shape[:1]:
        raise EighteenError(
            f"images of shape {tuple(images.shape)} with classes of shape {tuple(classes.shape)} cannot be "
            f"explained; expected [B, C, H, W] and [B] with B of 1 or more: give pictures and a class each"
        )
    return _scaled(_unscaled(network, images, classes))


def _unscaled(network: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """What speaks for the class, in logits' own measure, `[B, H, W]`, 0 or more."""
    from captum.attr import LayerGradCam  # brings matplotlib along, a third of a second

    # A caller may be inside inference mode, whose tensors take no gradient; copies made outside of it do.
    with torch.inference_mode(False), evaluating(network), _frozen(network):
        inner_images, inner_classes = images.clone(), classes.clone()

        def answer(batch: Tensor) -> Tensor:
            logits: Tensor = network(batch)  # [B, K]
            refuse_other_classes(inner_classes.cpu().numpy(), logits.shape[1])
            return logits

        method = LayerGradCam(answer, feature_layer(network, inner_images))
        coarse = method.attribute(
            inner_images, inner_classes, relu_attributions=True
        ).detach()  # [B, 1, h, w]
        fine = interpolate(coarse.float(), size=images.shape[2:], mode="bilinear", align_corners=False)
        return fine[:, 0]


def _scaled(maps: Tensor) -> Tensor:
    """Brings the largest value of each map to 1; a map of zeros stays."""
    highest = maps.amax(dim=(1, 2), keepdim=True)
    return maps / torch.where(highest > 0, highest, 1)


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """No gradient of parameters inside the block, so that layers below the explained one keep nothing."""
    open_ones = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in open_ones:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in open_ones:
            parameter.requires_grad_(True)
