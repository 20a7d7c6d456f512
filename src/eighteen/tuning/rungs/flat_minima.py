"""Each step takes its gradient a little uphill, at twice the time (SAM, Foret et al. 2021)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 52
TITLE = "flat minima"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.optimizer.sam_rho > 0:
        return "it is there already"
    return recipe.changed(optimizer={"sam_rho": 0.05})
