"""Brightness, contrast and, of coloured pictures, saturation vary by up to 30 %, as in ColorJitter."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 30
TITLE = "light and colour varied"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.augment.brightness not in ("auto", 0.0):
        return "it is there already"
    saturation = 0.0 if resolved.inputs.channels == 1 else 0.3
    return recipe.changed(augment={"brightness": 0.3, "contrast": 0.3, "saturation": saturation})
