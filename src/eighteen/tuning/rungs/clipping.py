"""Gradients longer than 2 are shortened, so that a single strange batch cannot throw the weights off."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 58
TITLE = "clipped gradients"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.training.clip_norm > 0:
        return "it is there already"
    return recipe.changed(training={"clip_norm": 2.0})
