"""The native format: the network's weights as they are, in safetensors, to be loaded by PyTorch.

A run folder is native itself: `open_network` opens it into the network with its selected weights. Exported,
it is one file that is copied without the run: `model.safetensors` holds the weights and, as its metadata, the
classes, the inputs and what the network is built by. Pictures are prepared by `InputSpec`, as in the run; the
bundle's `predict.py` does the same without this package.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eighteen.core import store
from eighteen.core.artifact import Exportable, Files, Opened
from eighteen.core.calibration import Calibration
from eighteen.core.errors import EighteenError, RunError
from eighteen.core.inputs import InputSpec
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.formats._opening import Run as Ask
from eighteen.formats._opening import open_described

if TYPE_CHECKING:
    from torch import nn

PRECISIONS = ("fp32",)
NEEDS = ("torch",)

MODEL = "model.safetensors"
NETWORK = "network"
"""Note of an `Exportable` that says what the network is built by, as JSON."""

_OUTSIDE = (
    "the file holds weights. The network, fit, normalisation, mirror average, calibration and softmax are "
    "code: network.py and predict.py"
)


def build(recipe: Recipe, outputs: int) -> nn.Module:
    """The untrained network of a resolved recipe.

    Args:
        recipe: a resolved recipe (nothing is "auto").
        outputs: number of the network's outputs.
    """
    from eighteen.models.family import build as build_network

    return build_network(**settings(recipe, outputs))


def settings(recipe: Recipe, outputs: int) -> dict[str, Any]:
    """What the network of a resolved recipe is built by: arguments of `models.family.build`."""
    inputs, model = recipe.inputs, recipe.model
    assert inputs.channels != "auto" and model.stem != "auto"
    return {
        "name": model.name,
        "num_classes": outputs,
        "in_channels": inputs.channels,
        "stem": model.stem,
        "blocks": list(model.blocks),
        "shortcut": model.shortcut,
        "dropout": model.dropout,
        "drop_path": model.drop_path,
        "width": model.width,
    }


def open_network(run: Run) -> nn.Module:
    """The trained network of a run, on the CPU, in evaluation mode. Nothing is fetched.

    Raises:
        RunError: the run holds no weights, or they do not fit.
    """
    if not run.weights_path.exists():
        raise RunError(
            f"{run.path} holds no trained weights (state: {run.info['state']}); "
            f"go on with it: eighteen train --resume {run.path}"
        )
    network = build(run.recipe, len(run.class_names))
    tensors = store.read_tensors(run.weights_path)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise RunError(f"{run.weights_path} does not fit the recipe's network: {error}") from error
    return network.eval()


def write(model: Exportable, folder: Path, precision: str) -> Files:
    """Writes `model.safetensors`.

    Args:
        model: what to write; its notes hold `NETWORK`.
        folder: exists, and is empty.
        precision: of `PRECISIONS`.
    """
    store.write_tensors(folder / MODEL, model.network.state_dict(), model.metadata)
    return Files(MODEL, MODEL, _OUTSIDE)


def open_files(model: Path, bare: Path, threads: int = 0) -> Opened:
    """The network, built anew, with the weights of the file.

    Args:
        model: weights that describe themselves.
        bare: not used: the same network takes tensors.
        threads: not used: PyTorch's own number counts.

    Raises:
        RunError: the file is missing or damaged, does not say what it is, or does not fit its network.
    """
    return open_described(model, model, _loaded)


def _loaded(path: Path) -> tuple[Ask, Mapping[str, str]]:
    """Bytes are pictures, floats are tensors."""
    import torch

    from eighteen.models.answering import Answering

    try:
        notes = store.read_tensor_notes(path)
        described = _described(notes, path)
    except RunError as error:
        raise RunError(f"{error}; export it again") from error
    answering = Answering(described)

    def ask(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        inputs = described.inputs
        if values.dtype == np.uint8:
            values = inputs.normalised(inputs.fitted_batch(list(values)))
        with torch.inference_mode():
            return np.asarray(answering(torch.from_numpy(values)).numpy(), np.float32)

    return ask, notes


def _described(notes: Mapping[str, str], path: Path) -> Exportable:
    """The network that a file's metadata describes, with its weights."""
    from eighteen.models.family import build as build_network

    try:
        network = build_network(**json.loads(notes[NETWORK]))
        network.load_state_dict(store.read_tensors(path))
        inputs = InputSpec.from_json(json.loads(notes["input_spec"]))
        calibration = Calibration.from_json(json.loads(notes["calibration"]))
        class_names = tuple(json.loads(notes["classes"]))
    except (KeyError, ValueError, TypeError, RuntimeError, EighteenError) as error:
        raise RunError(
            f"{path} does not say which network its weights are of, or they do not fit it"
        ) from error
    return Exportable(network.eval(), inputs, calibration, class_names, notes, _no_samples)


def _no_samples() -> npt.NDArray[np.float32]:
    raise RunError("an exported model keeps no training pictures; export from the run")
