"""Rare classes weigh as much as frequent ones in the loss."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 54
TITLE = "classes weigh alike"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.loss.class_weights == "balanced":
        return "it is there already"
    return recipe.changed(loss={"class_weights": "balanced"})
