"""A rectangle of another picture is pasted in, and the labels share alike (Yun et al. 2019)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 40
TITLE = "CutMix"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.augment.cutmix_alpha > 0:
        return "it is there already"
    return recipe.changed(augment={"cutmix_alpha": 1.0})
