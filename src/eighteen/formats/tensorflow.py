"""TensorFlow: a SavedModel, for TensorFlow Serving, Triton and programs that speak TensorFlow.

`model.savedmodel` is a folder, made from the Keras model. It has three signatures: `serving_default` takes
uint8 RGB pictures of any size, `tensor` the prepared tensor, and `describe` answers with what every file
carries about itself, since the format has no place for it.

TensorFlow must be in the same environment, and Keras must run on it: start with `KERAS_BACKEND=tensorflow`
where something else has imported Keras already.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eighteen.core.artifact import Exportable, Files, Opened
from eighteen.core.errors import RunError
from eighteen.formats._keras_files import load_keras
from eighteen.formats._opening import Run, open_described
from eighteen.formats._saved_model import strange_in

PRECISIONS = ("fp32",)
NEEDS = ("keras", "tensorflow", "torch")

MODEL = "model.savedmodel"


def write(model: Exportable, folder: Path, precision: str) -> Files:
    """Writes the folder `model.savedmodel`.

    Args:
        model: what to write.
        folder: exists, and is empty.
        precision: of `PRECISIONS`.

    Raises:
        EighteenError: Keras runs on another backend here, or has no layer for what the network does.
    """
    load_keras("tensorflow")
    import tensorflow as tf

    from eighteen.formats.keras import built

    whole, inputs = built(model), model.inputs
    answering, side = whole.get_layer("answering"), inputs.size
    pictures = tf.TensorSpec((None, None, None, 3), tf.uint8, "image")
    prepared = tf.TensorSpec((None, side, side, inputs.channels), tf.float32, "tensor")
    notes = dict(model.metadata)
    module = tf.Module()
    module.model = whole  # so that its weights are kept
    signatures = {
        "serving_default": tf.function(lambda image: whole(image, training=False), [pictures]),
        "tensor": tf.function(lambda tensor: answering(tensor, training=False), [prepared]),
        "describe": tf.function(lambda: {name: tf.constant(text) for name, text in notes.items()}, []),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own
        tf.saved_model.save(module, str(folder / MODEL), signatures)
    return Files(MODEL, MODEL)


def open_files(model: Path, bare: Path, threads: int = 0) -> Opened:
    """The folder, in TensorFlow.

    Args:
        model: takes pictures.
        bare: not used: the signature `tensor` of the same folder takes tensors.
        threads: not used: TensorFlow's own number counts.

    Raises:
        RunError: the folder is missing or damaged, carries no description of its inputs, or would use other
            files.
    """
    opened: dict[Path, tuple[Run, Mapping[str, str]]] = {}

    def once(path: Path) -> tuple[Run, Mapping[str, str]]:
        if path not in opened:
            opened[path] = _opened(path)
        return opened[path]

    return open_described(model, model, once)


def _opened(path: Path) -> tuple[Run, Mapping[str, str]]:
    import tensorflow as tf

    _refuse_reaching_out(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TensorFlow's own
            loaded = tf.saved_model.load(str(path))
        by_pictures, by_tensor = loaded.signatures["serving_default"], loaded.signatures["tensor"]
        notes = {name: text.numpy().decode() for name, text in loaded.signatures["describe"]().items()}
    # Damaged folders end in errors of many kinds.
    except Exception as error:
        raise _damaged(path, error) from error

    def run(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Pictures are bytes `[N, H, W, 3]`; the tensor is float32 `[N, C, size, size]`."""
        if values.dtype == np.uint8:
            answers = by_pictures(image=tf.constant(values))
        else:
            answers = by_tensor(tensor=tf.constant(np.moveaxis(values, 1, -1)))
        return np.asarray(answers["logits"].numpy(), np.float32)

    # The signatures live as long as what holds their weights.
    run.held = loaded  # type: ignore[attr-defined]
    return run, notes


def _refuse_reaching_out(path: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((path / "saved_model.pb").read_bytes())
    # The parser's error is a class of protobuf.
    except Exception as error:
        raise _damaged(path, error) from error
    if strange := strange_in(saved):
        raise RunError(
            f"{path} holds what no exported model holds ({', '.join(strange[:3])}), and could read, write or "
            f"run something outside itself; it was not opened. Models made with `eighteen export RUN --to "
            f"tensorflow` are"
        )


def _damaged(path: Path, error: Exception) -> RunError:
    return RunError(f"{path} cannot be opened by TensorFlow ({str(error)[:160]}); export it again")
