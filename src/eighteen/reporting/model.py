"""What the model of a run is, in sentences: network, start, licence of the start, input."""

from __future__ import annotations

from dataclasses import dataclass

from eighteen.core.errors import EighteenError
from eighteen.core.inputs import InputSpec
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run

_FITS = {
    "squash": "both sides are resized to it",
    "crop": "the short side is resized to {short} and the middle is taken",
    "letterbox": "the long side is resized to it and the rest is filled up",
}


@dataclass(frozen=True)
class ModelFacts:
    """What the model is, in sentences.

    Attributes:
        network_name: name alone.
        network: name, with what differs from the page of the network.
        weights: what training started from.
        licence: of the weights that training started from; "" from scratch.
        input: how a picture becomes the network's input.
        size_mb: of the stored weights, megabytes; 0 while there are none.
    """

    network_name: str
    network: str
    weights: str
    licence: str
    input: str
    input_sha256: str
    size_px: int
    channels: int
    class_names: tuple[str, ...]
    size_mb: float


def model_facts(run: Run, recipe: Recipe) -> ModelFacts:
    """Says what a run's model is."""
    inputs, weights = run.inputs, run.weights_path
    return ModelFacts(
        network_name=recipe.model.name,
        network=_network(recipe),
        weights=_start(recipe),
        licence=_licence(recipe),
        input=_input_sentence(inputs),
        input_sha256=inputs.sha256,
        size_px=inputs.size,
        channels=inputs.channels,
        class_names=run.class_names,
        size_mb=weights.stat().st_size / 1e6 if weights.is_file() else 0.0,
    )


def _network(recipe: Recipe) -> str:
    model = recipe.model
    notes = [] if model.stem == "imagenet" else [f"{model.stem} stem"]
    if model.blocks != (2, 2, 2, 2):
        notes.append(f"blocks {', '.join(map(str, model.blocks))}")
    if not model.shortcut:
        notes.append("without shortcuts")
    return f"{model.name} ({', '.join(notes)})" if notes else model.name


def _start(recipe: Recipe) -> str:
    weights = recipe.model.weights
    if weights == "none":
        return "trained from scratch"
    return "started from ImageNet weights" if weights == "imagenet" else f"started from the weights {weights}"


def _licence(recipe: Recipe) -> str:
    weights = recipe.model.weights
    if weights == "none":
        return ""
    if weights != "imagenet":
        return f"that of {weights}, which only whoever gave the file can tell"
    from eighteen.models.hub import describe, licence_sentence

    try:
        return licence_sentence(describe(recipe.model.name))
    except EighteenError as error:
        return f"not known: {error}"


def _input_sentence(spec: InputSpec) -> str:
    colours = "grey" if spec.channels == 1 else "RGB"
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (spec.mean, spec.std))
    fit = _FITS[spec.fit].format(short=round(spec.size / spec.crop_fraction))
    mirror = " The answer is the mean over the picture and its mirror image." if spec.mirror_average else ""
    return (
        f"Each picture becomes {spec.size} × {spec.size} pixels, {colours}: {fit} "
        f"({spec.kernel}, antialiased). Transparency lies over RGB {', '.join(map(str, spec.background))}. "
        f"Values 0..1 are normalised by mean {mean} and standard deviation {std}.{mirror}"
    )
