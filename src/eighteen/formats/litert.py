"""LiteRT (TensorFlow Lite): for Android, iOS, and small boards.

The format is static, so fitting a picture to the network's size stays outside; everything behind it is in
`model.tflite`: normalisation, mirror average, network, calibration, softmax. `bare.tflite` starts at the
normalised tensor. Both take one picture, channels last.

Converting runs in an environment of its own (`_litert_environment`), which gets the network as a program of
torch.export. Opening needs the run time alone.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import warnings
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eighteen.core import store
from eighteen.core.artifact import Exportable, Files, Opened
from eighteen.core.errors import EighteenError, RunError
from eighteen.core.inputs import InputSpec
from eighteen.core.progress import Progress, silent
from eighteen.formats import _tflite
from eighteen.formats._fit_in_words import fit_in_words
from eighteen.formats._litert_environment import VARIABLE, converter_python
from eighteen.formats._opening import IMAGE, TAKES, Run, open_described

if TYPE_CHECKING:
    from torch import Tensor

PRECISIONS = ("fp32", "fp16", "int8")
NEEDS = ("ai_edge_litert",)

MODEL, BARE = "model.tflite", "bare.tflite"
INTEGERS_THROUGHOUT = True
"""int8 rounds the calibration too, and a bend would be rounded twice."""

CONVERTER = VARIABLE
"""Where the converter is named, so that tests know whether there is one."""

TENSOR = "tensor"
GIVES = ("probabilities", "logits")


def make_ready(progress: Progress = silent) -> None:
    """Makes the converter's environment where there is none: before anything else, since it takes minutes.

    Raises:
        EighteenError: it cannot be made.
    """
    converter_python(progress)


def write(model: Exportable, folder: Path, precision: str) -> Files:
    """Writes `model.tflite` and `bare.tflite`.

    Args:
        model: what to write.
        folder: exists, and is empty.
        precision: `fp16` keeps the weights in half precision; `int8` computes in integers throughout.

    Raises:
        EighteenError: the converter cannot be had, or it fails.
    """
    python = converter_python()
    with tempfile.TemporaryDirectory(prefix="eighteen-litert-") as name:
        work = Path(name)
        _hand_over(model, work, precision)
        _convert(python, work, precision)
        for file, takes in ((MODEL, IMAGE), (BARE, TENSOR)):
            content = _tflite.described((work / file).read_bytes(), takes, GIVES, model.metadata)
            store.write_bytes(folder / file, content)
    return Files(MODEL, BARE, _outside(model.inputs, precision))


def open_files(model: Path, bare: Path, threads: int = 0) -> Opened:
    """Both files in LiteRT on the CPU, with the fit done outside as `outside` states it.

    Args:
        model: takes fitted pictures.
        bare: takes tensors; may be absent.
        threads: of the runtime; 0 lets it choose.

    Raises:
        RunError: a file is missing or damaged, or carries no description of its inputs.
    """
    return open_described(model, bare, lambda path: _loaded(path, threads))


def _hand_over(model: Exportable, work: Path, precision: str) -> None:
    """Writes what the converter reads."""
    import torch

    from eighteen.models.static import OnePicture

    inputs = model.inputs
    example = torch.zeros(1, inputs.size, inputs.size, inputs.channels)
    _save_program(OnePicture(model, fitted=True), example, work / "model.pt2")
    _save_program(OnePicture(model, fitted=False), example, work / "bare.pt2")
    if precision == "int8":
        fitted = model.samples()
        arrays = {"model": _channels_last(fitted), "bare": _channels_last(inputs.normalised(fitted))}
        store.write_arrays(work / "samples.safetensors", arrays, {})


def _save_program(module: Any, example: Tensor, path: Path) -> None:
    import torch

    content = BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.export.save(torch.export.export(module, (example,)), content)
    store.write_bytes(path, content.getvalue())


def _convert(python: Path, work: Path, precision: str) -> None:
    script = str(files("eighteen.formats") / "_litert_script.py")
    done = subprocess.run(
        [str(python), "-I", script, str(work), precision],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise EighteenError(
            f"LiteRT's converter failed: {lines[-1][:300] if lines else f'exit code {done.returncode}'}. "
            f"Export to another format, such as --to onnx"
        )


def _loaded(path: Path, threads: int) -> tuple[Run, Mapping[str, str]]:
    from ai_edge_litert.interpreter import Interpreter

    if not _tflite.is_tflite(path.read_bytes()[:8]):
        raise RunError(f"{path} is no .tflite file; export it again")
    try:
        runner = Interpreter(str(path), num_threads=threads or None).get_signature_runner()
        notes = _tflite.notes_of(path)
    # The runtime and the reader of its files raise errors of many kinds for damaged files.
    except Exception as error:
        raise RunError(f"{path} cannot be opened by LiteRT ({str(error)[:160]}); export it again") from error
    ((takes, into),) = runner.get_input_details().items()
    out = runner.get_output_details().get("logits")
    if out is None or "input_spec" not in notes:
        return _asking_nothing, notes

    @cache  # not read before it is asked: `open_described` says what is wrong with it
    def inputs() -> InputSpec:
        return InputSpec.from_json(json.loads(notes["input_spec"]))

    def run(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        tensors = values if takes == TENSOR else inputs().fitted_batch(list(values))  # [N, C, size, size]
        answers = [runner(**{takes: _stored(row[None], into)})["logits"] for row in _channels_last(tensors)]
        return _read(np.concatenate(answers), out)

    return run, {**notes, TAKES: takes}


def _asking_nothing(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    raise RunError("this .tflite file was not written by eighteen; export the model again")


def _channels_last(batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(batch.transpose(0, 2, 3, 1))


def _stored(values: npt.NDArray[np.float32], detail: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Numbers as the file takes them: float32, or steps of its integer scale."""
    if detail["dtype"] is np.float32:
        return values
    scale, zero = detail["quantization"]
    return np.asarray(np.clip(np.rint(values / scale) + zero, -128, 127), detail["dtype"])


def _read(values: npt.NDArray[Any], detail: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    if values.dtype == np.float32:
        return values
    scale, zero = detail["quantization"]
    return np.asarray((values.astype(np.float32) - zero) * scale, np.float32)


def _outside(inputs: InputSpec, precision: str) -> str:
    """What a user of `model.tflite` does before it, in a sentence."""
    size, channels = inputs.size, inputs.channels
    numbers = "as float32 0..255, not rounded"
    if precision == "int8":
        numbers = "rounded, as int8: the pixel less 128"
    return f"Turn {fit_in_words(inputs)}; hand over one picture, `[1, {size}, {size}, {channels}]`, {numbers}"
