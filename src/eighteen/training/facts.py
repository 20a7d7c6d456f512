"""What the choices of a recipe look at: facts of the training pictures, and of the weights it starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eighteen.core.inputs import InputSpec
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.models.weights import for_channels, input_spec_for


@dataclass(frozen=True)
class Facts:
    """What the choices look at, from the training split.

    Attributes:
        n: training pictures.
        short_px: median short side, pixels.
        aspect_spread: 95th percentile of long over short side.
        grey: whether every picture of the data set is grey.
        class_names: the classes.
        pretrained: whether training starts from weights.
    """

    n: int
    short_px: int
    aspect_spread: float
    grey: bool
    class_names: tuple[str, ...]
    pretrained: bool


def weights_spec(recipe: Recipe) -> InputSpec:
    """What the weights that training starts from were made with: the inputs of an earlier run, where they lie
    in one, else what timm states for the network."""
    run = run_of_weights(recipe)
    return input_spec_for(recipe.model.name) if run is None else run.inputs


def weights_statistics(recipe: Recipe) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation that the weights were made with, for the channels that the recipe has.

    They go from three channels to one and back as the first convolution does, see `models.fitting`.
    """
    spec, channels = weights_spec(recipe), recipe.inputs.channels
    assert channels != "auto"
    return for_channels(spec.mean, channels), for_channels(spec.std, channels)


def run_of_weights(recipe: Recipe) -> Run | None:
    """The run whose weights training starts from, where they are those of one."""
    beside = Path(recipe.model.weights)
    folder = beside if beside.is_dir() else beside.parent
    if (beside.is_dir() or beside.is_file()) and (folder / "inputs.json").exists():
        return Run.open(folder)
    return None
