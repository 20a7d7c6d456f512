"""The answer is the mean over the picture and its mirror image, at twice the time."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 18
TITLE = "answers averaged with the mirror image"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.inputs.mirror_average is True:
        return "it is there already"
    if resolved.augment.horizontal_flip == 0:
        return "mirror images take no part in training"
    return recipe.changed(inputs={"mirror_average": True})
