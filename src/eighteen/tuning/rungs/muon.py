"""Each step of a matrix or kernel is made an orthogonal one (Jordan et al. 2024)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 25
TITLE = "Muon"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.optimizer.name == "muon":
        return "it is there already"
    if resolved.model.weights != "none":
        return "small steps from weights are AdamW's"
    return recipe.changed(optimizer={"name": "muon", "lr": "auto", "weight_decay": "auto"})
