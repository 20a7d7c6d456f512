"""Each picture is mirrored in every second epoch instead of by chance (Jordan 2024)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 72
TITLE = "mirror images in turn"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.augment.flip_alternates:
        return "it is there already"
    if resolved.augment.horizontal_flip == 0:
        return "mirror images take no part in training"
    return recipe.changed(augment={"flip_alternates": True})
