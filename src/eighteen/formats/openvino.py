"""OpenVINO: for Intel processors, integrated graphics and NPUs.

Made from the ONNX graphs, so both take and give the same under the same names: `model.xml` pictures,
`bare.xml` the normalised tensor, each with its weights in a `.bin` beside it.

`bf16` and `fp16` keep the weights of the network in half precision. A `bf16` model also computes in bfloat16
where the processor has it, the preparation of pictures too; the others compute in float32, whatever the
processor, and integers in integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eighteen.core.artifact import Exportable, Files, Opened
from eighteen.core.errors import RunError
from eighteen.formats import _onnx_int8, _openvino_int8
from eighteen.formats import onnx as onnx_format
from eighteen.formats._opening import Run, open_described

if TYPE_CHECKING:
    from onnx import ModelProto

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
NEEDS = ("openvino", "onnx", "onnxscript")
NEEDS_FOR_INT8 = ("nncf",)
KEEPS_LAYERS = True

MODEL, BARE = "model.xml", "bare.xml"
_SECTION = "eighteen"
_COMPUTES_IN = "computes_in"


def write(model: Exportable, folder: Path, precision: str) -> Files:
    """Writes `model.xml` and `bare.xml` with their `.bin`.

    Args:
        model: what to write.
        folder: exists, and is empty.
        precision: of `PRECISIONS`.
    """
    import openvino

    network = onnx_format.exported(model)
    for name, converted in _graphs(network, model, precision).items():
        for key, value in {**model.metadata, _COMPUTES_IN: precision}.items():
            converted.set_rt_info(value, [_SECTION, key])
        # Half precision is made before the preparation comes in front, which this would round too.
        openvino.save_model(converted, folder / name, compress_to_fp16=False)
    return Files(MODEL, BARE)


def _graphs(network: ModelProto, model: Exportable, precision: str) -> dict[str, Any]:
    from openvino._offline_transformations import compress_model_transformation

    bare = onnx_format.with_softmax(network)
    converted = _converted(bare)
    if precision == "int8":
        floats = [*_onnx_int8.around(bare), *_onnx_int8.layer_nodes(bare, model.kept)]
        converted = _openvino_int8.quantised(converted, model, floats)
    elif precision in ("fp16", "bf16"):
        compress_model_transformation(converted)
    front = _converted(onnx_format.preparation(model.inputs))
    return {BARE: converted, MODEL: _joined(front, converted.clone())}


def _joined(front: Any, back: Any) -> Any:
    """One model: the preparation, `image` to `tensor`, in front of a network, `tensor` to its outputs."""
    import openvino

    entry = back.inputs[0].get_node()
    entry.output(0).replace(front.outputs[0].get_node().input_value(0))
    return openvino.Model(back.get_results(), front.get_parameters())


@cache
def _core() -> Any:
    """One for the process, never let go.

    Where the processor has AMX, the runtime gives the thread that loads it a stack for signals, and frees
    that memory when its last user goes; if that is in another thread, the next signal (Ctrl-C) is a crash.
    """
    import openvino

    return openvino.Core()


def _converted(graph: ModelProto) -> Any:
    return _core().read_model(BytesIO(graph.SerializeToString()))


def open_files(model: Path, bare: Path, threads: int = 0) -> Opened:
    """Both files on the CPU.

    Args:
        model: takes pictures.
        bare: takes tensors; may be absent.
        threads: of the runtime; 0 lets it choose.

    Raises:
        RunError: a file is missing or damaged, or carries no description of its inputs.
    """
    return open_described(model, bare, lambda path: _compiled(path, threads))


def _compiled(path: Path, threads: int) -> tuple[Run, Mapping[str, str]]:
    import openvino
    from openvino import properties

    try:
        read = _core().read_model(path)
        names = ("classes", "input_spec", "calibration", "weights_sha256", _COMPUTES_IN)
        notes = {name: read.get_rt_info([_SECTION, name]).astype(str) for name in names if _has(read, name)}
        # By itself the runtime computes in bf16 wherever the processor can, and answers differ.
        computes_in = openvino.Type.bf16 if notes.get(_COMPUTES_IN) == "bf16" else openvino.Type.f32
        settings: dict[str, Any] = {properties.hint.inference_precision(): computes_in}
        if threads:
            settings[properties.inference_num_threads()] = threads
        compiled = _core().compile_model(read, "CPU", settings)
    except RuntimeError as error:
        raise RunError(
            f"{path} cannot be opened by OpenVINO ({str(error)[:160]}); export it again"
        ) from error

    def run(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        return np.array(compiled([values])["logits"], np.float32)

    return run, notes


def _has(model: Any, name: str) -> bool:
    return bool(model.has_rt_info([_SECTION, name]))
