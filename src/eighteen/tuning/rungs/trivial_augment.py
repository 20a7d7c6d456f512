"""One random operation at a random strength a picture (Müller and Hutter 2021)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 34
TITLE = "TrivialAugment"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.augment.policy != "none":
        return "there is a policy already"
    return recipe.changed(augment={"policy": "trivial"})
