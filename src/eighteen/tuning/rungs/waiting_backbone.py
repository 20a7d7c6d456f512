"""All layers but the last stay as they came for the first epoch (Howard and Ruder 2018)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 62
TITLE = "the backbone waits for the head"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.model.weights == "none":
        return "training starts from scratch"
    if resolved.training.head_first is True:
        return "the head is fitted first already"
    if resolved.training.freeze_until:
        return "it is there already"
    return recipe.changed(training={"freeze_until": {"backbone": 1}})
