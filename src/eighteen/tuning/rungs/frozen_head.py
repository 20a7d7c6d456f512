"""The last layer is fitted on frozen features before anything else is trained (Kumar et al. 2022)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 10
TITLE = "a head on frozen features first"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.model.weights == "none":
        return "training starts from scratch"
    if resolved.training.head_first is True:
        return "it is there already"
    return recipe.changed(training={"head_first": True})
