"""The rate stays, and the weights of the last quarter of the epochs are averaged (Izmailov et al. 2018)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 56
TITLE = "the mean over the last epochs"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.training.swa_from < 1:
        return "it is there already"
    return recipe.changed(training={"swa_from": 0.75})
