"""Sharpness-aware steps: the gradient is taken where the loss is worst nearby, and applied where one stands.

With gradient `g` the weights climb by `rho g / |g|`, the gradient is computed anew there, and the weights
come back before the optimizer steps. Minima that are flat all around are preferred to narrow ones. A step
takes two passes, so it takes twice the time.

Source: Foret, Kleiner, Mobahi, Neyshabur, Sharpness-Aware Minimization, ICLR 2021, algorithm 1. As there, the
second pass takes the batch's own statistics in BatchNorm; the running ones are left to the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

SMALLEST_NORM = 1e-12


@contextmanager
def climbed(network: nn.Module, rho: float) -> Iterator[None]:
    """Inside the block the weights stand `rho` uphill along their gradients; after it where they were.

    Args:
        network: with gradients of a loss.
        rho: length of the climb, over all weights together.
    """
    weights: list[Tensor] = [weight for weight in network.parameters() if weight.grad is not None]
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    before = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        length = nn.utils.get_total_norm(gradients).clamp_min(SMALLEST_NORM)
        torch._foreach_add_(weights, list(torch._foreach_mul(gradients, rho / length)))
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    tracking = [norm.track_running_stats for norm in norms]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm, tracks in zip(norms, tracking, strict=True):
            norm.track_running_stats = tracks
        with torch.no_grad():
            torch._foreach_copy_(weights, before)
