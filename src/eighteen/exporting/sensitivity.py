"""Which layers suffer most from becoming integers.

Each layer is asked twice for the same inputs: as it is, and rounded. How much of its output is signal and how
much is rounding (the signal-to-noise ratio) tells where integers hurt, in one pass over a few pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from eighteen.exporting.fake_quantising import (
    WEIGHT_BITS,
    layers_of,
    measure_ranges,
    rounded,
    rounded_weights,
)


def noise_shares(network: nn.Module, tensor: Tensor) -> dict[str, float]:
    """Power of the rounding by power of the output, for every layer, the worst first.

    Args:
        network: in evaluation mode.
        tensor: normalised pictures `[N, C, size, size]`; a few dozen are enough.
    """
    ranges, found = measure_ranges(network, tensor), {}

    def note(name: str, module: nn.Module, values: Tensor, output: Tensor) -> None:
        weights = rounded_weights(module.get_parameter("weight"), WEIGHT_BITS)
        inside.append(name)
        again = functional_call(module, {"weight": weights}, (rounded(values, *ranges[name]),))
        inside.pop()
        # Of each channel: one that is loud must not hide what happens to the others.
        axes = [axis for axis in range(output.ndim) if axis != 1]
        noise, signal = (again - output).square().mean(axes), output.var(axes, correction=0)
        found[name] = float((noise / signal.clamp(min=1e-12)).clamp(max=1.0).mean())

    inside: list[str] = []
    handles = [
        module.register_forward_hook(
            lambda module, values, output, name=name: (
                None if inside else note(name, module, values[0], output)
            )
        )
        for name, module in layers_of(network).items()
    ]
    with torch.no_grad():
        network(tensor)
    for handle in handles:
        handle.remove()
    return dict(sorted(found.items(), key=lambda item: -item[1]))
