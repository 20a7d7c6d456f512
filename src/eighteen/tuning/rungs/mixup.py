"""Two pictures and their labels are blended (Zhang et al. 2018)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 38
TITLE = "mixup"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.augment.mixup_alpha > 0:
        return "it is there already"
    return recipe.changed(augment={"mixup_alpha": 0.2})
