"""Stochastic weight averaging: the equal mean of the weights at the ends of the last epochs.

From an epoch on the learning rate stays where it is, and the weights wander around a wide minimum; their mean
lies nearer its middle than any of them. Statistics of BatchNorm belong to the weights that they were measured
with, so for the mean they are measured anew, on one more epoch of training pictures.

Source: Izmailov, Podoprikhin, Garipov, Vetrov, Wilson, Averaging Weights Leads to Wider Optima, UAI 2018.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from eighteen.training.resume import Moving, Position
from eighteen.training.selection import last_is_as_good


def first_epoch(epochs: int, start_fraction: float) -> int:
    """The first epoch (from 0) whose weights are averaged; `epochs` where none is.

    >>> [first_epoch(8, share) for share in (0.5, 0.7, 0.99, 1)]
    [4, 6, 7, 8]
    """
    return epochs if start_fraction == 1 else min(math.ceil(epochs * start_fraction), epochs - 1)


def keep_mean(
    moving: Moving,
    position: Position,
    images: Iterable[Tensor] | None,
    validate: Callable[[nn.Module], Mapping[str, float]],
    select_by: str,
    validation_images: int,
) -> str:
    """Puts the mean into `moving.best`, unless validation clearly speaks for the epoch there; says which.

    Args:
        moving: trained to the end, with a mean.
        position: with the measures of the epoch that would be kept otherwise.
        images: training pictures to measure the norms on; None keeps the mean of the statistics.
        validate: selection measures of a network; {} where there is no validation.
        select_by: the measure that decides.
        validation_images: how many that are.
    """
    mean, network = moving.mean, moving.evaluated
    assert mean is not None
    if mean.count == 0:
        return "no epoch was averaged: training ended before training.swa_from"
    network.load_state_dict(mean.tensors)
    if images is not None:
        measure_norms(network, images)
    found = validate(network)
    words = f"the mean of the weights of the last {mean.count} epochs"
    if found and position.best and not _as_good(found, position.best, select_by, validation_images):
        return (
            f"{words} is not kept: log loss {found['nll']:.3f} on validation, {position.best['nll']:.3f} in "
            f"epoch {position.best['epoch']:.0f}"
        )
    moving.best = {name: value.detach().clone().contiguous() for name, value in network.state_dict().items()}
    return f"{words} is kept{_compared(found, position.best)}"


@torch.no_grad()
def measure_norms(network: nn.Module, images: Iterable[Tensor]) -> None:
    """Measures the statistics of BatchNorm anew: their mean over batches, all else as in evaluation."""
    norms = [
        module
        for module in network.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats
    ]
    network.eval()
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches, not a moving one
        norm.train()
    for batch in images:
        network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


def _as_good(
    found: Mapping[str, float], best: Mapping[str, float], select_by: str, validation_images: int
) -> bool:
    if select_by == "nll":
        return found["nll"] <= best["nll"]
    return select_by == "last" or last_is_as_good(found, best, select_by, validation_images)


def _compared(found: Mapping[str, float], best: Mapping[str, float] | None) -> str:
    if not found or not best:
        return ""
    return f": log loss {found['nll']:.3f} on validation, {best['nll']:.3f} in epoch {best['epoch']:.0f}"
