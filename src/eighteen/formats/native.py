"""The native format: the run folder itself, opened into the network with its selected weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eighteen.core import store
from eighteen.core.errors import RunError
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run

if TYPE_CHECKING:
    from torch import nn


def build(recipe: Recipe, outputs: int) -> nn.Module:
    """The untrained network of a resolved recipe.

    Args:
        recipe: a resolved recipe (nothing is "auto").
        outputs: number of the network's outputs.
    """
    from eighteen.models.family import build as build_network

    inputs, model = recipe.inputs, recipe.model
    assert inputs.channels != "auto" and model.stem != "auto"
    return build_network(
        model.name,
        num_classes=outputs,
        in_channels=inputs.channels,
        stem=model.stem,
        blocks=model.blocks,
        shortcut=model.shortcut,
        dropout=model.dropout,
        drop_path=model.drop_path,
        width=model.width,
    )


def open_network(run: Run) -> nn.Module:
    """The trained network of a run, on the CPU, in evaluation mode. Nothing is fetched.

    Raises:
        RunError: the run holds no weights, or they do not fit.
    """
    if not run.weights_path.exists():
        raise RunError(
            f"{run.path} holds no trained weights (state: {run.info['state']}); "
            f"go on with it: eighteen train --resume {run.path}"
        )
    network = build(run.recipe, len(run.class_names))
    tensors = store.read_tensors(run.weights_path)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise RunError(f"{run.weights_path} does not fit the recipe's network: {error}") from error
    return network.eval()
