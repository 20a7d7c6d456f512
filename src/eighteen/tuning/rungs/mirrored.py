"""Mirror images are shown, or no longer shown where they were: left and right may matter to a class."""

from __future__ import annotations

from typing import Any

from eighteen.core.recipe import Recipe

ORDER = 74
TITLE = "mirror images in training, or none"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    flips = resolved.augment.horizontal_flip
    assert flips != "auto"
    values: dict[str, dict[str, Any]] = {"augment": {"horizontal_flip": 0.0 if flips > 0 else 0.5}}
    if flips > 0 and resolved.inputs.mirror_average is True:
        # What training no longer sees must not be asked for either.
        values["inputs"] = {"mirror_average": False}
    return recipe.changed(**values)
