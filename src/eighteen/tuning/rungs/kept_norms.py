"""The BatchNorm statistics that came with the weights are kept: those of small batches are worse."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 14
TITLE = "statistics of the weights kept"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.model.weights == "none":
        return "training starts from scratch"
    if resolved.training.freeze_norms is True:
        return "it is there already"
    return recipe.changed(training={"freeze_norms": True})
