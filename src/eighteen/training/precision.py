"""Precision and memory layout, chosen by timing a few steps of this network on this machine.

bf16 is tried only where the hardware has it (AVX-512 BF16 or AMX on CPUs, Ampere and later on GPUs), because
elsewhere it is emulated. It is taken only when clearly faster, so that noise decides nothing.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eighteen.core.recipe import Recipe
from eighteen.training.small_maps import SmallMapProducts, have_tiles

CLEARLY_FASTER = 1.15


@dataclass(frozen=True)
class Mode:
    """How a step computes."""

    bf16: bool
    channels_last: bool

    def __str__(self) -> str:
        return f"{self.precision} channels_last" if self.channels_last else self.precision

    @property
    def precision(self) -> str:
        return "bf16" if self.bf16 else "fp32"

    @contextmanager
    def computing(self, device: torch.device) -> Iterator[None]:
        """The context in which a network computes its loss."""
        with ExitStack() as stack:
            stack.enter_context(torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.bf16))
            if self.bf16 and self.channels_last and have_tiles(device):
                stack.enter_context(SmallMapProducts())
            yield

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format


def mode_of(recipe: Recipe) -> Mode:
    """The mode that a resolved recipe names."""
    return Mode(recipe.training.precision == "bf16", recipe.training.channels_last is True)


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the hardware multiplies bf16 natively."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type != "cpu":
        return False
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)


def measure_modes(
    network: nn.Module, images: Tensor, outputs: int, modes: list[Mode], repeats: int = 3
) -> dict[Mode, float]:
    """Seconds an image of a forward and backward pass in each mode; the network is left untouched.

    The fastest of the repeats counts: other programs can only slow a step down.
    """
    targets = torch.arange(len(images), device=images.device) % outputs
    return {mode: _step_seconds(network, images, targets, mode, repeats) / len(images) for mode in modes}


def fastest(seconds: Mapping[Mode, float], plain: Mode) -> Mode:
    """The fastest mode, or the plain one where nothing is clearly faster."""
    best = min(seconds, key=lambda mode: seconds[mode])
    return best if seconds[plain] > CLEARLY_FASTER * seconds[best] else plain


def _step_seconds(network: nn.Module, images: Tensor, targets: Tensor, mode: Mode, repeats: int) -> float:
    with torch.random.fork_rng(devices=[]):
        trial = copy.deepcopy(network).train().to(memory_format=mode.memory_format)
        batch = images.contiguous(memory_format=mode.memory_format)
        times = []
        for _ in range(repeats + 1):
            start = time.perf_counter()
            with mode.computing(images.device):
                logits = trial(batch)
            torch.autograd.backward(nn.functional.cross_entropy(logits.float(), targets))
            trial.zero_grad(set_to_none=True)
            if images.device.type == "cuda":
                torch.cuda.synchronize(images.device)
            times.append(time.perf_counter() - start)
    return min(times[1:])
