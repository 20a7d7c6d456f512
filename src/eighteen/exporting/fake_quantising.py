"""Integers played in floating point: what a network answers when its layers are rounded to them.

Inside the block each layer (convolution or linear) rounds its input to 8 bits by one range, and its weights
to 7 by one scale an output channel, as the formats' quantisers do. Gradients pass the rounding unchanged
(straight-through), so the network can be trained to bear it.

Source: Jacob et al., Quantization and Training of Neural Networks, CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

Ranges = Mapping[str, tuple[float, float]]
"""Least and largest value of a layer's input, by the layer's name."""

WEIGHT_BITS = 7
"""Of integer weights: see the formats."""

_BATCH = 32


def layers_of(network: nn.Module) -> dict[str, nn.Module]:
    """The layers that become integers, by name, in the order in which they were made."""
    return {
        name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)
    }


def measure_ranges(network: nn.Module, tensor: Tensor) -> Ranges:
    """Ranges of all layers' inputs.

    Args:
        network: in evaluation mode.
        tensor: normalised pictures `[N, C, size, size]`.
    """
    found: dict[str, tuple[float, float]] = {}

    def note(name: str, values: Tensor) -> None:
        low, high = found.get(name, (0.0, 0.0))  # zero is always in the range
        found[name] = min(low, float(values.amin())), max(high, float(values.amax()))

    handles = [
        module.register_forward_pre_hook(lambda _, values, name=name: note(name, values[0]))
        for name, module in layers_of(network).items()
    ]
    with torch.no_grad():
        for part in torch.split(tensor, _BATCH):
            network(part)
    for handle in handles:
        handle.remove()
    return found


@contextmanager
def quantising(
    network: nn.Module, ranges: Ranges, kept: Collection[str] = (), weight_bits: int = WEIGHT_BITS
) -> Iterator[None]:
    """Plays integers inside the block; afterwards the network is as it was, with the weights it has then.

    Args:
        network: whose layers play.
        ranges: of their inputs.
        kept: layers that stay in float.
        weight_bits: of a weight.
    """
    playing = {name: module for name, module in layers_of(network).items() if name not in kept}
    handles = []
    for name, module in playing.items():
        parametrize.register_parametrization(module, "weight", _Rounding(weight_bits), unsafe=True)
        low, high = ranges[name]
        handles.append(
            module.register_forward_pre_hook(
                lambda _, values, low=low, high=high: (rounded(values[0], low, high), *values[1:])
            )
        )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for module in playing.values():
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=False)


def rounded(values: Tensor, low: float, high: float, levels: int = 255) -> Tensor:
    """Values at the nearest of `levels` steps between `low` and `high`."""
    scale = max((high - low) / levels, 1e-12)
    zero = min(levels, max(0, round(-low / scale)))
    return torch.fake_quantize_per_tensor_affine(values, scale, zero, 0, levels)


def rounded_weights(weights: Tensor, bits: int) -> Tensor:
    """Weights `[O, …]` at the nearest step of their output channel."""
    top = 2 ** (bits - 1) - 1
    scale = (weights.detach().abs().flatten(1).amax(1) / top).clamp(min=1e-12)
    zero = torch.zeros(len(scale), dtype=torch.int32, device=weights.device)
    return torch.fake_quantize_per_channel_affine(weights, scale.float(), zero, 0, -top, top)


class _Rounding(nn.Module):
    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits

    def forward(self, weights: Tensor) -> Tensor:
        return rounded_weights(weights, self.bits)
