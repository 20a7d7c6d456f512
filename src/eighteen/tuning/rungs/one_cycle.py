"""The rate rises over the first fifth of the steps and then falls linearly to nothing (Smith 2018)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 20
TITLE = "one-cycle schedule"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.schedule.name == "onecycle":
        return "it is there already"
    return recipe.changed(schedule={"name": "onecycle", "warmup_fraction": "auto"})
