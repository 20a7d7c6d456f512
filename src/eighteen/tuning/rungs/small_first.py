"""Early epochs see smaller pictures; the last quarter is at full size (Howard 2018)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe
from eighteen.models.hub import only_size

ORDER = 60
TITLE = "small pictures first"
SMALLEST_PX = 28


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    size = resolved.inputs.size
    assert size != "auto"
    if resolved.training.progressive_from not in ("auto", 1.0):
        return "it is there already"
    if only_size(resolved.model.name) is not None:
        return f"{resolved.model.name} takes pictures of {size} px alone"
    if size < SMALLEST_PX:
        return f"inputs of {size} px are small already"
    return recipe.changed(training={"progressive_from": 0.6})
