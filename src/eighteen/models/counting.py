"""How big a network is and how much it computes: parameters and multiply-accumulates.

In goes a network, out comes a whole number. Nothing is computed for it: the network is copied to torch's
`meta` device, where tensors have a shape and no values, and torch's own counter adds up what the convolutions
and matrix products of one picture would cost. Norms, activations and sums are left out, as in the papers:
ResNet-18 at 224 px comes to 1.814 billion.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def count_parameters(model: nn.Module) -> int:
    """Trainable and frozen parameters; running statistics of norms are not among them."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model: nn.Module, size_px: int, in_channels: int = 3) -> int:
    """Multiply-accumulates of one square picture in evaluation mode; the network itself is left as it is.

    Args:
        model: a network that takes `[B, in_channels, size_px, size_px]`.
        size_px: height and width of the picture, pixels.
        in_channels: channels of the picture.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    shadow = copy.deepcopy(model).to("meta").eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        shadow(torch.empty(1, in_channels, size_px, size_px, device="meta"))
    return int(counter.get_total_flops()) // 2
