"""Keras 3: one file that runs on PyTorch, TensorFlow and JAX, and trains further on each.

`model.keras` takes uint8 RGB pictures of any size and does everything inside, in built-in layers and
operations alone: no Lambda, no class of this package. Its layers are models of their own: `preparation`
(pictures to the tensor `[N, size, size, C]`), `answering` (the tensor entry: mirror average, calibration,
softmax), and in it `network`, layer by layer with the trained weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eighteen.core.artifact import Exportable, Files, Opened
from eighteen.formats._keras_files import load, load_keras, on_the_cpu, save
from eighteen.formats._opening import Run, open_described

PRECISIONS = ("fp32",)
NEEDS = ("keras", "torch")

MODEL = "model.keras"
LOGITS, PROBABILITIES = "logits", "probabilities"


def write(model: Exportable, folder: Path, precision: str) -> Files:
    """Writes `model.keras`.

    Args:
        model: what to write.
        folder: exists, and is empty.
        precision: of `PRECISIONS`.

    Raises:
        EighteenError: the network holds what no built-in layer of Keras does.
    """
    with on_the_cpu():
        save(built(model), folder / MODEL, model.metadata)
    return Files(MODEL, MODEL)


def built(model: Exportable) -> Any:
    """The Keras model of an exported one: `image` to `probabilities` and `logits`."""
    keras = load_keras()
    from eighteen.formats._keras_preparing import preparation

    image = keras.Input((None, None, 3), dtype="uint8", name="image")
    return keras.Model(image, _answering(model)(preparation(model.inputs)(image)), name="eighteen")


def _answering(model: Exportable) -> Any:
    """The tensor `[N, size, size, C]` to `probabilities` and calibrated `logits`, `[N, K]` each."""
    import keras
    from keras import layers, ops

    from eighteen.formats._keras_network import as_keras

    inputs, calibration = model.inputs, model.calibration
    network = as_keras(model.network, inputs.channels, inputs.size, model.notes.get("model", "the network"))
    tensor = keras.Input((inputs.size, inputs.size, inputs.channels), dtype="float32", name="tensor")
    logits = network(tensor)
    if inputs.mirror_average:
        logits = (logits + network(ops.flip(tensor, axis=2))) * 0.5
    if calibration.method != "none":
        scale, bias = (np.array(each, np.float32) for each in (calibration.scale, calibration.bias))
        calibrated = logits * scale + bias
        if calibration.bend:
            logs = ops.log_softmax(logits)
            calibrated = calibrated - logs * logs * calibration.bend
        logits = calibrated
    probabilities = layers.Activation("softmax", name=PROBABILITIES, dtype="float32")(logits)
    return keras.Model(tensor, {PROBABILITIES: probabilities, LOGITS: logits}, name="answering")


def open_files(model: Path, bare: Path, threads: int = 0) -> Opened:
    """The file, on the backend in use.

    Args:
        model: takes pictures.
        bare: not used: the layer `answering` of the same file takes tensors.
        threads: not used: the backend's own number counts.

    Raises:
        RunError: the file is missing or damaged, carries no description of its inputs, or holds layers that
            no exported model has.
    """
    opened: dict[Path, tuple[Run, Mapping[str, str]]] = {}

    def once(path: Path) -> tuple[Run, Mapping[str, str]]:
        if path not in opened:
            opened[path] = _opened(path)
        return opened[path]

    return open_described(model, model, once)


def _opened(path: Path) -> tuple[Run, Mapping[str, str]]:
    with on_the_cpu():
        model, notes = load(path)

    def run(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Pictures are bytes `[N, H, W, 3]`; the tensor is float32 `[N, C, size, size]`."""
        with on_the_cpu():
            if values.dtype == np.uint8:
                answers = model(values, training=False)
            else:
                answers = model.get_layer("answering")(np.moveaxis(values, 1, -1), training=False)
        return as_array(answers[LOGITS])

    return run, notes


def as_array(tensor: Any) -> npt.NDArray[np.float32]:
    """A tensor of whichever backend."""
    return np.asarray(tensor.cpu() if hasattr(tensor, "cpu") else tensor, np.float32)
