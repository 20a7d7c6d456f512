"""What the same recipe, trained once before, sees in each picture is learned too (Furlanello et al. 2018)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 50
TITLE = "taught by its like, trained before"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.training.teacher:
        return "it has a teacher already"
    return recipe.changed(training={"teacher": ["itself"]})
