"""An epoch shows rare classes as often as frequent ones, with other augmentations."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 64
TITLE = "classes shown alike"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.training.sampling != "natural":
        return "it is there already"
    return recipe.changed(training={"sampling": "balanced"})
