"""Pictures are turned by up to 10 degrees, and zoomed by a tenth where the crop does not do so already."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 32
TITLE = "turned and zoomed pictures"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.augment.rotation_degrees not in ("auto", 0.0):
        return "it is there already"
    zoom = 0.0 if resolved.augment.crop == "resized" else 0.1
    return recipe.changed(augment={"rotation_degrees": 10.0, "zoom_fraction": zoom})
