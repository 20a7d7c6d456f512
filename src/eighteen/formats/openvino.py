"""OpenVINO: for Intel processors, integrated graphics and NPUs.

Made from the ONNX graphs, so both take and give the same under the same names: `model.xml` pictures,
`bare.xml` the normalised tensor, each with its weights in a `.bin` beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eighteen.core.artifact import Exportable, Files, Opened
from eighteen.core.errors import RunError
from eighteen.formats import onnx as onnx_format
from eighteen.formats._opening import Run, open_described

PRECISIONS = ("fp32", "fp16")
NEEDS = ("openvino", "onnx", "onnxscript")

MODEL, BARE = "model.xml", "bare.xml"
_SECTION = "eighteen"


def write(model: Exportable, folder: Path, precision: str) -> Files:
    """Writes `model.xml` and `bare.xml` with their `.bin`.

    Args:
        model: what to write.
        folder: exists, and is empty.
        precision: `fp16` keeps the weights in half precision; the processor decides how it computes.
    """
    import openvino

    network = onnx_format.exported(model)
    graphs = {BARE: onnx_format.with_softmax(network)}
    graphs[MODEL] = onnx_format.with_preparation(network, model.inputs)
    core = openvino.Core()
    for name, graph in graphs.items():
        converted = core.read_model(BytesIO(graph.SerializeToString()))
        for key, value in model.metadata.items():
            converted.set_rt_info(value, [_SECTION, key])
        openvino.save_model(converted, folder / name, compress_to_fp16=precision == "fp16")
    return Files(MODEL, BARE)


def open_files(model: Path, bare: Path, threads: int = 0) -> Opened:
    """Both files on the CPU, computing in float32.

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

    core = openvino.Core()
    # Float32: by itself the runtime computes in bf16 where the processor can, and answers differ.
    settings: dict[str, Any] = {properties.hint.inference_precision(): openvino.Type.f32}
    if threads:
        settings[properties.inference_num_threads()] = threads
    try:
        read = core.read_model(path)
        compiled = core.compile_model(read, "CPU", settings)
    except RuntimeError as error:
        raise RunError(
            f"{path} cannot be opened by OpenVINO ({str(error)[:160]}); export it again"
        ) from error
    names = ("classes", "input_spec")
    notes = {name: read.get_rt_info([_SECTION, name]).astype(str) for name in names if _has(read, name)}

    def run(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        return np.array(compiled([values])["logits"], np.float32)

    return run, notes


def _has(model: Any, name: str) -> bool:
    return bool(model.has_rt_info([_SECTION, name]))
