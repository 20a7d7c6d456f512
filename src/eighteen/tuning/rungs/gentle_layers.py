"""Low layers are general and change little: each learns more slowly than that above (Clark et al. 2020)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 16
TITLE = "lower layers learn more slowly"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.model.weights == "none":
        return "training starts from scratch"
    if resolved.optimizer.layer_decay != 1:
        return "it is there already"
    return recipe.changed(optimizer={"layer_decay": 0.8})
