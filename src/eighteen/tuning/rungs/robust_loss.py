"""Labels that the network does not believe count less (Zhang and Sabuncu 2018)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 70
TITLE = "a loss that wrong labels harm less"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.loss.name != "cross_entropy":
        return f"the loss is {resolved.loss.name} already"
    return recipe.changed(loss={"name": "generalised"})
