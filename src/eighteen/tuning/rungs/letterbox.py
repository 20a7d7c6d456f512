"""Pictures that are not square keep their proportions, with a border, instead of being squashed or cut."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 44
TITLE = "whole pictures in their proportions"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.inputs.fit == "letterbox":
        return "it is there already"
    return recipe.changed(inputs={"fit": "letterbox"}, augment={"fill": "background"})
