"""ONNX: one file that takes uint8 RGB pictures of any size and answers with probabilities and logits.

`model.onnx` holds everything from the decoded picture on: fit, normalisation, network, mirror average,
calibration, softmax. `bare.onnx` starts at the normalised tensor, for pipelines that prepare pictures
themselves. Classes, inputs and their hash travel in the metadata of both.

Half precision and integers concern the network alone; the preparation stays float32.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eighteen.core import store
from eighteen.core.artifact import Exportable, Files, Opened
from eighteen.core.errors import RunError
from eighteen.core.inputs import InputSpec
from eighteen.formats._onnx_int8 import quantised
from eighteen.formats._opening import TAKES, Run, open_described

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession
    from torch import Tensor, nn

PRECISIONS = ("fp32", "fp16", "int8")
NEEDS = ("onnx", "onnxscript", "onnxruntime")
KEEPS_LAYERS = True
"""Layers in `Exportable.kept` stay in float when the others become integers."""

MODEL, BARE = "model.onnx", "bare.onnx"
PROBABILITIES, LOGITS = "probabilities", "logits"


def write(model: Exportable, folder: Path, precision: str) -> Files:
    """Writes `model.onnx` and `bare.onnx`.

    Args:
        model: what to write.
        folder: exists, and is empty.
        precision: of `PRECISIONS`.
    """
    network, facts = _PRECISION[precision](exported(model), model)
    for name, graph in ((BARE, with_softmax(network)), (MODEL, with_preparation(network, model.inputs))):
        _describe(graph, model.metadata)
        store.write_bytes(folder / name, graph.SerializeToString())
    return Files(MODEL, BARE, facts=facts)


def open_files(model: Path, bare: Path, threads: int = 0) -> Opened:
    """Both files in ONNX Runtime on the CPU.

    Args:
        model: takes pictures.
        bare: takes tensors; may be absent.
        threads: of the runtime; 0 lets it choose.

    Raises:
        RunError: the file is missing, damaged, or carries no description of its inputs.
    """
    return open_described(model, bare, lambda path: _loaded(path, threads))


def _loaded(path: Path, threads: int) -> tuple[Run, Mapping[str, str]]:
    session = _session(path, threads)
    name = session.get_inputs()[0].name

    def run(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        return np.asarray(session.run([LOGITS], {name: values})[0], np.float32)

    return run, {**session.get_modelmeta().custom_metadata_map, TAKES: name}


def exported(model: Exportable) -> ModelProto:
    """The network with mirror average and calibration: `tensor` `[N, C, size, size]` to `logits` `[N, K]`."""
    import torch

    from eighteen.models.answering import Answering

    inputs = model.inputs
    # Two pictures: an example batch of one would be taken for a constant.
    example = torch.zeros(2, inputs.channels, inputs.size, inputs.size)
    return _program(Answering(model), example, "tensor", LOGITS, {0: "N"})


def preparation(inputs: InputSpec) -> ModelProto:
    """`InputSpec` as a graph: `image` uint8 `[N, H, W, 3]` to `tensor`."""
    import torch

    from eighteen.models.preparing import Preparing

    example = torch.zeros(2, 48, 40, 3, dtype=torch.uint8)
    return _program(Preparing(inputs), example, "image", "tensor", {0: "N", 1: "H", 2: "W"})


def _program(
    module: nn.Module, example: Tensor, takes: str, gives: str, dims: Mapping[int, str]
) -> ModelProto:
    import torch

    with warnings.catch_warnings(), torch.inference_mode():
        # The exporter warns about its own internals.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(),
            (example,),
            input_names=[takes],
            output_names=[gives],
            dynamic_shapes=({axis: torch.export.Dim(name) for axis, name in dims.items()},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    found: ModelProto = program.model_proto
    return found


def with_softmax(network: ModelProto) -> ModelProto:
    """The same network with a second output, `probabilities` `[N, K]`, named first."""
    from onnx import ModelProto, TensorProto, helper

    model = ModelProto()
    model.CopyFrom(network)
    graph = model.graph
    graph.node.append(helper.make_node("Softmax", [LOGITS], [PROBABILITIES], axis=-1, name="node_softmax"))
    dims = [d.dim_param or d.dim_value for d in graph.output[0].type.tensor_type.shape.dim]
    logits = graph.output.pop()
    graph.output.append(helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, dims))
    graph.output.append(logits)
    return model


def with_preparation(network: ModelProto, inputs: InputSpec) -> ModelProto:
    """The network with softmax behind and `InputSpec` in front of it."""
    from onnx import compose

    front = compose.add_prefix(preparation(inputs), "preparation_", rename_inputs=False)
    joint = front.graph.output[0].name
    for node in front.graph.node:
        node.output[:] = ["tensor" if name == joint else name for name in node.output]
    model = with_softmax(network)
    nodes, initializers = list(model.graph.node), list(model.graph.initializer)
    del model.graph.node[:], model.graph.initializer[:], model.graph.input[:]
    model.graph.node.extend([*front.graph.node, *nodes])
    model.graph.initializer.extend([*front.graph.initializer, *initializers])
    model.graph.input.extend(front.graph.input)
    return model


def _describe(graph: ModelProto, notes: Mapping[str, str]) -> None:
    from onnx import checker, helper

    del graph.metadata_props[:]
    helper.set_model_props(graph, dict(notes))
    graph.producer_name = "eighteen"
    checker.check_model(graph)


def _fp32(network: ModelProto, model: Exportable) -> tuple[ModelProto, dict[str, Any]]:
    return network, {}


def _fp16(network: ModelProto, model: Exportable) -> tuple[ModelProto, dict[str, Any]]:
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    with warnings.catch_warnings():
        # Weights below the smallest half-precision number become that number; the parity check judges it.
        warnings.simplefilter("ignore")
        half: ModelProto = convert_float_to_float16(network, keep_io_types=True)
    OnnxModel(half).topological_sort()
    return half, {}


_PRECISION = {"fp32": _fp32, "fp16": _fp16, "int8": quantised}


def _session(path: Path, threads: int) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    # The runtime raises classes of its own for damaged files.
    except Exception as error:
        raise RunError(
            f"{path} cannot be opened by ONNX Runtime ({str(error)[:160]}); export it again"
        ) from error
