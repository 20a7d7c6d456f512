"""Random parts of the picture instead of shifts by a few pixels, or shifts instead of parts."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 28
TITLE = "the other kind of crop"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.augment.crop == "resized":
        return recipe.changed(augment={"crop": "pad", "crop_scale_min": "auto"})
    return recipe.changed(augment={"crop": "resized", "crop_scale_min": "auto", "zoom_fraction": 0.0})
