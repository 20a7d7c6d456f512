"""A copy of a network that has forgotten what it learned.

In goes a trained network, out comes one of the same parts whose weights lie in random order within each
tensor. They keep their spread, so values run through the network at about the scale they had; what the
training put into their order is gone.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from eighteen.explaining._asking import BATCH_SIZE


def randomised(network: nn.Module, images: Tensor, seed: int) -> nn.Module:
    """A copy with shuffled weights, in evaluation mode on the same device.

    The running statistics of BatchNorm fit the old weights only; they are taken anew from the pictures and
    their mirror images, or else a layer may be dead, or drown in its bias.

    Args:
        network: it is left as it is.
        images: network input, `[B, C, H, W]`, B of 1 or more.
        seed: of the order; torch's own generator is not used.
    """
    with torch.inference_mode(False), torch.no_grad():
        other = copy.deepcopy(network).eval()
        generator = torch.Generator().manual_seed(seed)
        for parameter in other.parameters():
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].view_as(parameter))
        norms = [
            part for part in other.modules() if isinstance(part, _BatchNorm) and part.track_running_stats
        ]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
            norm.train()
        for start in range(0, len(images), BATCH_SIZE):
            batch = images[start : start + BATCH_SIZE]
            other(torch.cat([batch, batch.flip(-1)]))
        return other.eval()
