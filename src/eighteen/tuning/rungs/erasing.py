"""A rectangle of every second picture is erased (Zhong et al. 2017)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 42
TITLE = "random erasing"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.augment.erasing not in ("auto", 0.0):
        return "it is there already"
    return recipe.changed(augment={"erasing": 0.5})
