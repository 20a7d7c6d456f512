"""Training without pictures whose labels look wrong to heads on frozen features (Northcutt 2021)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 36
TITLE = "without labels that look wrong"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.model.weights == "none":
        return "training starts from scratch, where no frozen features say which labels look wrong"
    if resolved.training.drop_doubtful:
        return "it is there already"
    return recipe.changed(training={"drop_doubtful": True})
