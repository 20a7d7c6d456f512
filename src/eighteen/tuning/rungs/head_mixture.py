"""What is kept is a mixture of the tuned weights and the head on frozen features (Wortsman et al. 2022)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 48
TITLE = "a mixture of tuned weights and head"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.model.weights == "none":
        return "training starts from scratch"
    if resolved.training.keep_head is True and resolved.training.head_first is True:
        return "it is there already"
    return recipe.changed(training={"head_first": True, "keep_head": True})
