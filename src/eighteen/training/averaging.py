"""Averages of the weights: an exponential moving one, which gets evaluated and kept, and one of epochs.

Early steps count less: decay(t) = min(decay, (1 + t) / (10 + t)), so that a short training is not dominated
by its random start (the warm-up of TensorFlow's ExponentialMovingAverage). Running statistics of BatchNorm
are averaged in the same way; whole-number buffers are copied. What the mean of epochs is for says `swa`.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class WeightAverage:
    """Keeps the average beside a network.

    Attributes:
        network: the averaged network, in evaluation mode.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._averaged, self._source, self._copies = [], [], []
        current = network.state_dict(keep_vars=True)
        for name, value in self.network.state_dict(keep_vars=True).items():
            if value.is_floating_point():
                self._averaged.append(value)
                self._source.append(current[name])
            else:
                self._copies.append((value, current[name]))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the weights after a step (0 for the first)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._averaged, _detached(self._source), 1 - decay)
        for target, source in self._copies:
            target.copy_(source)


class EpochMean:
    """The equal mean of the states that were taken in.

    Attributes:
        count: how many.
        tensors: their mean, by name; whole numbers are those of the last.
    """

    def __init__(self) -> None:
        self.count = 0
        self.tensors: dict[str, Tensor] = {}

    @torch.no_grad()
    def take(self, network: nn.Module) -> None:
        """Takes in the weights as they are."""
        self.count += 1
        for name, value in network.state_dict().items():
            if self.count == 1 or not value.is_floating_point():
                self.tensors[name] = value.clone()
            else:
                self.tensors[name].lerp_(value, 1 / self.count)


def _detached(tensors: list[Tensor]) -> list[Tensor]:
    return [tensor.detach() for tensor in tensors]
