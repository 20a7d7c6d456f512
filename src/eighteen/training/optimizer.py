"""Optimizers by name, through timm's factory; weight decay never touches norms and biases, and lower layers
may learn more slowly than the ones above them."""

from __future__ import annotations

import copy
import time
from functools import partial
from typing import Any

import torch
from timm.optim import muon as timm_muon
from timm.optim._optim_factory import create_optimizer_v2
from torch import nn
from torch.optim import Optimizer

from eighteen.core.recipe import OptimizerSection
from eighteen.training.precision import has_fast_bf16

_ORTHOGONALISED = timm_muon.zeropower_via_newtonschulz

_FACTORY_NAMES = {
    # timm calls SGD with Nesterov momentum "sgd" and SGD with classical momentum "momentum".
    "sgd": "momentum",
    "momentum": "momentum",
    "nesterov": "sgd",
    "rmsprop": "rmsprop",
    "adamw": "adamw",
    # With Nesterov momentum; vectors (norms, biases) are left to NAdamW, at the same rate, with timm's betas.
    "muon": "nmuon",
}


def make_optimizer(network: nn.Module, settings: OptimizerSection, joining_later: bool = False) -> Optimizer:
    """The optimizer of a resolved recipe over the network's trainable parameters.

    Args:
        network: what it moves.
        settings: resolved.
        joining_later: whether some parameters get their first gradients later than others.
    """
    assert settings.name != "auto" and settings.lr != "auto"
    assert settings.weight_decay != "auto" and settings.layer_decay != "auto"
    # One pass over each tensor instead of one an operation. RMSprop and Muon have no fused form, and that of
    # SGD takes no parameters whose momentum begins later.
    extra: dict[str, Any] = {}
    if settings.name == "muon":
        _orthogonalise_fast(next(network.parameters()).device)
    else:
        fused = settings.name != "rmsprop" and not joining_later
        extra = {"fused": True} if fused else {"foreach": True}
    if settings.name == "adamw":
        extra["betas"] = (settings.momentum, 0.999)
    else:
        extra["momentum"] = 0.0 if settings.name == "sgd" else settings.momentum
    if settings.layer_decay != 1:
        extra["layer_decay"] = settings.layer_decay
    optimizer: Optimizer = create_optimizer_v2(
        network,
        opt=_FACTORY_NAMES[settings.name],
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        filter_bias_and_bn=True,
        **extra,
    )
    return optimizer


def _orthogonalise_fast(device: torch.device) -> None:
    """Muon's matrix products in float32 where the hardware would only imitate bf16: minutes a step.

    timm computes them in bf16 and offers no choice; its own function has one.
    """
    precision = torch.bfloat16 if has_fast_bf16(device) else torch.float32
    timm_muon.zeropower_via_newtonschulz = partial(_ORTHOGONALISED, dtype=precision)


def step_seconds(
    network: nn.Module, settings: OptimizerSection, layout: torch.memory_format, repeats: int = 3
) -> float:
    """Seconds that one step of the optimizer takes, gradients at hand; the network is left untouched.

    The fastest of the repeats counts: other programs can only slow a step down.
    """
    trial = copy.deepcopy(network).to(memory_format=layout)
    device = next(trial.parameters()).device
    for parameter in trial.parameters():
        parameter.grad = torch.full_like(parameter, 1e-3)
    optimizer = make_optimizer(trial, settings)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Sets the rate of the top layer; lower ones take their share of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)
