"""The stem of three small convolutions and averaging shortcuts (He et al., Bag of Tricks, 2019)."""

from __future__ import annotations

from eighteen.core.recipe import Recipe

ORDER = 46
TITLE = "ResNet-D"


def step(recipe: Recipe, resolved: Recipe) -> Recipe | str:
    if resolved.model.weights not in ("none", "imagenet"):
        return "the weights given are those of another network"
    if resolved.model.name != "resnet18":
        return f"the network is {resolved.model.name}"
    if resolved.model.stem != "imagenet":
        return "the small stem has nothing that it could replace"
    return recipe.changed(model={"name": "resnet18d"})
