"""Which parts of the network learn in an epoch.

A recipe can keep stages still for its first epochs, by the names of their parameters: what lies near the
picture is general, and a head at random would only disturb it. Norms can be kept for the whole training.

Source: Howard and Ruder, Universal Language Model Fine-tuning, ACL 2018 (gradual unfreezing).
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from eighteen.core.errors import RecipeError
from eighteen.core.recipe import TrainingSection
from eighteen.models.family import head_name

BACKBONE = "backbone"
"""Stands for all but the head."""


def set_training(network: nn.Module, settings: TrainingSection, epoch: int) -> None:
    """Training mode for an epoch (from 0): what is frozen takes no gradient and keeps its statistics."""
    network.train()
    frozen = [stage for stage, epochs in settings.freeze_until.items() if epoch < epochs]
    head = head_name(network)
    if settings.freeze_until:
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(not _in_any(name, frozen, head))
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and (
            settings.freeze_norms is True or _in_any(name, frozen, head)
        ):
            module.eval()


def check_stages(network: nn.Module, freeze_until: Mapping[str, int]) -> None:
    """Refuses stages that the network does not have, and a first epoch in which nothing would learn.

    Raises:
        RecipeError: with the stages that there are.
    """
    head = head_name(network)
    names = [name for name, _ in network.named_parameters()]
    unknown = [stage for stage in freeze_until if not any(_in_any(name, [stage], head) for name in names)]
    if unknown:
        stages = [name for name, part in network.named_children() if any(True for _ in part.parameters())]
        raise RecipeError(
            f"training.freeze_until names {', '.join(unknown)}, which this network does not have; it has "
            f"{', '.join(stages)} and parts of these, and {BACKBONE} for all but {head}"
        )
    if all(_in_any(name, list(freeze_until), head) for name in names):
        raise RecipeError("training.freeze_until freezes every part: leave one out, such as the head")


def _in_any(name: str, stages: list[str], head: str) -> bool:
    """Whether a parameter or module lies in one of the stages."""
    in_head = name == head or name.startswith(f"{head}.")
    return any(
        name == stage or name.startswith(f"{stage}.") or (stage == BACKBONE and not in_head)
        for stage in stages
    )
