"""AdamW from weights, Nesterov momentum from scratch, each with its own rate and decay."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 12
TITLE = "AdamW, or Nesterov from scratch"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    name = "nesterov" if resolved.model.weights == "none" else "adamw"
    if resolved.optimizer.name == name:
        return "it is there already"
    if resolved.optimizer.name == "muon":
        return "Muon is there"
    return recipe.changed(optimizer={"name": name, "lr": "auto", "weight_decay": "auto"})
