"""From "auto" to explicit: what the default recipe chooses for these pictures, and why.

`resolve` looks at the number, size, shape and colour of the training pictures and at the weights, and
returns a recipe without a single "auto", with a sentence for each choice. Precision, layout and a time budget
need measuring and are chosen where the network exists (see `planning`).
"""

from __future__ import annotations

import numpy as np

from eighteen.core.dataset import Dataset
from eighteen.core.inputs import InputSpec
from eighteen.core.recipe import Recipe
from eighteen.core.shapes import aspect_spread
from eighteen.training.choices import NO_WEIGHTS_BELOW_PX, ORDER, Choice
from eighteen.training.facts import Facts

_GREY_MODES = ("L", "1", "LA", "I;16", "I;12", "I", "F")


def resolve(recipe: Recipe, dataset: Dataset) -> tuple[Recipe, dict[str, str]]:
    """Replaces every "auto" that the data decides, with its reason.

    Args:
        recipe: as the user gave it.
        dataset: scanned and split.

    Returns:
        The recipe (only `training.precision`, `training.channels_last`, `inputs.mean` and `inputs.std` may
        still be "auto": they are measured) and the reasons by dotted name.
    """
    chooser = _Chooser(recipe, _facts(recipe, dataset))
    for section, key, choose in ORDER:
        chooser.settle(section, key, choose)
    return chooser.recipe, chooser.reasons


class _Chooser:
    """Settles one field after the other; later choices see the earlier ones."""

    def __init__(self, recipe: Recipe, facts: Facts) -> None:
        self.recipe = recipe
        self.facts = facts
        self.reasons: dict[str, str] = {}

    def settle(self, section: str, key: str, choose: Choice) -> None:
        if getattr(getattr(self.recipe, section), key) != "auto":
            return
        value, reason = choose(self.recipe, self.facts)
        self.recipe = self.recipe.changed(**{section: {key: value}})
        self.reasons[f"{section}.{key}"] = reason


def _facts(recipe: Recipe, dataset: Dataset) -> Facts:
    table = dataset.subset("train").table
    width, height = table["width"].to_numpy(), table["height"].to_numpy()
    short_px = int(np.median(np.minimum(width, height)))
    weights = recipe.model.weights
    from_auto = weights == "auto" and short_px >= NO_WEIGHTS_BELOW_PX
    return Facts(
        n=len(table),
        short_px=short_px,
        aspect_spread=aspect_spread(width, height),
        grey=bool(dataset.table["mode"].is_in(_GREY_MODES).all()),
        class_names=dataset.class_names,
        pretrained=from_auto or weights not in ("auto", "none"),
    )


def input_spec(recipe: Recipe) -> InputSpec:
    """The `InputSpec` of a resolved recipe."""
    inputs = recipe.inputs
    return InputSpec.model_validate(
        {key: value for key, value in inputs.model_dump().items() if key in InputSpec.model_fields}
    )
