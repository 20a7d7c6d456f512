"""An exponential average of the weights is scored and kept instead of the last ones."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 24
TITLE = "averaged weights"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.training.ema_decay not in ("auto", 0.0):
        return "it is there already"
    return recipe.changed(training={"ema_decay": "auto"})
