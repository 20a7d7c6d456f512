"""Inputs a quarter larger: details count, and a step takes half as long again."""

from __future__ import annotations

from eighteen.core.recipe import Recipe
from eighteen.models.hub import only_size

ORDER = 26
TITLE = "a quarter more resolution"
LARGEST_PX = 512
STEP_PX = 4


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    size = resolved.inputs.size
    assert size != "auto"
    if only_size(resolved.model.name) is not None:
        return f"{resolved.model.name} takes pictures of {size} px alone"
    larger = STEP_PX * round(1.25 * size / STEP_PX)
    if larger > LARGEST_PX:
        return f"inputs of {size} px are large already"
    return recipe.changed(inputs={"size": larger})
