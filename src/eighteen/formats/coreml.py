"""Core ML: an ML program for iOS and macOS, as two packages.

`model.mlpackage` takes one fitted picture as Core ML has them: `image`, 8 bits a channel, of the network's
size. Normalisation, mirror average, network, calibration and softmax are inside; the fit stays outside.
`bare.mlpackage` takes the normalised tensor of one picture, `prepared`.

It is converted anywhere, and runs on Apple's machines alone. Elsewhere nothing can be compared: `uncompared`
says so, and `check_files` proves what reading the files can prove, which is less.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eighteen.core.artifact import Exportable, Files, Opened
from eighteen.core.errors import EighteenError, RunError
from eighteen.core.inputs import InputSpec
from eighteen.formats._fit_in_words import fit_in_words
from eighteen.formats._opening import Run, open_described

if TYPE_CHECKING:
    from torch import nn

PRECISIONS = ("fp32", "fp16")
NEEDS = ("coremltools",)

MODEL, BARE = "model.mlpackage", "bare.mlpackage"
IMAGE, TENSOR = "image", "prepared"
"""Names of inputs. The tensor is not called so: `tensor` is a word of ML programs themselves."""
GIVES = ("probabilities", "logits")

_PASSES_LEFT_OUT = ("fuse_conv_batchnorm", "fuse_conv_scale", "fuse_conv_bias", "fuse_linear_bias")
"""Of the converter: without them each weight stands in the file as it was trained, and can be compared."""


def uncompared() -> str:
    """Why answers cannot be compared on this machine; "" where they can."""
    if sys.platform == "darwin":
        return ""
    return f"Core ML runs on Apple's machines alone, and this is {sys.platform}"


def write(model: Exportable, folder: Path, precision: str) -> Files:
    """Writes `model.mlpackage` and `bare.mlpackage`.

    Args:
        model: what to write.
        folder: exists, and is empty.
        precision: `fp16` stores and computes in half precision.

    Raises:
        EighteenError: the converter does not know an operation of the network.
    """
    from torch import nn

    from eighteen.models.answering import WithProbabilities
    from eighteen.models.static import Normalising

    answering = WithProbabilities(model)
    whole = nn.Sequential(Normalising(model.inputs), answering).eval()
    for name, takes, module in ((MODEL, IMAGE, whole), (BARE, TENSOR, answering)):
        with _converters_words_away():
            package = _converted(module, model.inputs, takes, precision)
            package.user_defined_metadata.update(model.metadata)
            package.save(str(folder / name))
    return Files(MODEL, BARE, _outside(model.inputs))


def check_files(model: Exportable, folder: Path, precision: str) -> tuple[list[str], list[str]]:
    """What reading the files proves, without running them: what holds, and what does not.

    Args:
        model: that was written.
        folder: holds both packages.
        precision: that they were written in.
    """
    right: list[str] = []
    wrong: list[str] = []
    for name, takes in ((MODEL, IMAGE), (BARE, TENSOR)):
        spec, program = _read(folder / name)
        notes = dict(spec.description.metadata.userDefined)
        lost, known = _weights_lost(model.network, program, precision)
        said = {
            "takes one input": [each.name for each in spec.description.input] == [takes],
            "gives probabilities and logits": [each.name for each in spec.description.output] == list(GIVES),
            "carries classes, inputs and calibration": model.metadata.items() <= notes.items(),
            f"holds the weights of all {known} layers that have some, bit for bit in {precision}": not lost,
        }
        for what, holds in said.items():
            (right if holds else wrong).append(f"{name} {what}")
    return right, wrong


def open_files(model: Path, bare: Path, threads: int = 0) -> Opened:
    """Both packages in Core ML, on the CPU.

    Args:
        model: takes fitted pictures; the fit is done here, as `outside` states it.
        bare: takes tensors; may be absent.
        threads: not used: Core ML chooses.

    Raises:
        EighteenError: this is no machine of Apple's.
        RunError: a package is missing or damaged, or carries no description of its inputs.
    """
    if reason := uncompared():
        raise EighteenError(
            f"{model} cannot be asked here: {reason}; ask it on macOS, or export a format that runs here, "
            f"such as --to onnx"
        )
    return open_described(model, bare, _loaded)


def _converted(module: nn.Module, inputs: InputSpec, takes: str, precision: str) -> Any:
    import coremltools
    import torch

    shape = (1, inputs.channels, inputs.size, inputs.size)
    layout = coremltools.colorlayout
    colours = layout.RGB if inputs.channels == 3 else layout.GRAYSCALE
    picture = coremltools.ImageType(name=IMAGE, shape=shape, color_layout=colours)
    tensor = coremltools.TensorType(name=TENSOR, shape=shape, dtype=np.float32)
    passes = coremltools.PassPipeline.DEFAULT
    passes.remove_passes({f"common::{name}" for name in _PASSES_LEFT_OUT})
    halves = coremltools.precision.FLOAT16
    with torch.no_grad():
        program = torch.export.export(module, (torch.zeros(shape),)).run_decompositions({})
    try:
        return coremltools.convert(
            program,
            inputs=[picture if takes == IMAGE else tensor],
            outputs=[coremltools.TensorType(name=name, dtype=np.float32) for name in GIVES],
            convert_to="mlprogram",
            minimum_deployment_target=coremltools.target.iOS16,
            compute_precision=halves if precision == "fp16" else coremltools.precision.FLOAT32,
            pass_pipeline=passes,
            skip_model_load=True,
        )
    # The converter raises errors of many kinds for what it does not know.
    except Exception as error:
        raise EighteenError(
            f"coremltools could not convert the network ({str(error).strip()[:300]}); export to another "
            f"format, such as --to executorch"
        ) from error


def _read(path: Path) -> tuple[Any, Any]:
    """A package's description, and its program with weights, as they lie on the disk."""
    with _converters_words_away():
        import coremltools
        from coremltools.converters.mil.frontend.milproto.load import load

        package = coremltools.models.MLModel(str(path), skip_model_load=True)
        spec = package.get_spec()
        return spec, load(spec, spec.specificationVersion, file_weights_dir=package.weights_dir)


def _weights_lost(network: nn.Module, program: Any, precision: str) -> tuple[int, int]:
    """How many weights of the network the program lacks, and how many the network has; values and shapes."""
    from torch import nn

    kind = np.float16 if precision == "fp16" else np.float32
    known = Counter(
        _print_of(module.weight.detach().numpy().astype(kind))
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    )
    operations = program.functions["main"].operations
    stored = Counter(
        _print_of(operation.weight.val) for operation in operations if operation.op_type in ("conv", "linear")
    )
    return (known - stored).total(), known.total()


def _print_of(weights: npt.NDArray[Any]) -> tuple[Any, ...]:
    """Smallest halves count as 0: coremltools keeps some numbers from becoming it when it rounds.

    >>> one, other = np.array([1e-9, -1e-9, 0.5]).astype(np.float16), np.array([6e-8, -6e-8, 0.5], np.float16)
    >>> _print_of(one) == _print_of(other), _print_of(one) == _print_of(-one)
    (True, False)
    """
    if weights.dtype == np.float16:
        smallest = np.finfo(np.float16).smallest_subnormal
        weights = np.where(np.abs(weights) <= smallest, np.float16(0), weights)
    return str(weights.dtype), weights.shape, weights.tobytes()


def _loaded(path: Path) -> tuple[Run, Mapping[str, str]]:
    """Bytes are pictures, floats are tensors."""
    import coremltools

    try:
        package = coremltools.models.MLModel(str(path), compute_units=coremltools.ComputeUnit.CPU_ONLY)
    # Core ML's own errors come through as plain exceptions.
    except Exception as error:
        raise RunError(f"{path} cannot be opened by Core ML ({str(error)[:160]}); export it again") from error
    notes = dict(package.user_defined_metadata)

    def run(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        given: list[Any] = list(values[:, None])
        name = TENSOR
        if values.dtype == np.uint8:
            inputs = InputSpec.from_json(json.loads(notes["input_spec"]))
            given, name = [as_picture(row) for row in inputs.fitted_batch(list(values))], IMAGE
        return np.concatenate([package.predict({name: one})["logits"] for one in given]).astype(np.float32)

    return run, notes


def as_picture(fitted: npt.NDArray[np.float32]) -> Any:
    """`[C, size, size]`, 0..255, as the 8-bit picture that Core ML takes."""
    from PIL import Image

    pixels = np.rint(fitted).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
    return Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels[:, :, 0])


def _outside(inputs: InputSpec) -> str:
    return (
        f"turn {fit_in_words(inputs)}, then round to 8 bits: Core ML's pictures have "
        f"no more, and answers differ by that rounding. bare.mlpackage takes the tensor without it"
    )


@contextmanager
def _converters_words_away() -> Iterator[None]:
    """Progress bars, and warnings that this PyTorch is newer than the converter."""
    told = logging.getLogger("coremltools")
    before = told.level
    told.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        told.setLevel(before)
