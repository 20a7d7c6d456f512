"""Binary cross-entropy over all classes instead of one choice (Wightman et al. 2021)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 68
TITLE = "a yes or no for each class"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.loss.name != "cross_entropy":
        return f"the loss is {resolved.loss.name} already"
    return recipe.changed(loss={"name": "bce"})
