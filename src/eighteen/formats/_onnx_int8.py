"""Integers for an ONNX network: one scale a channel of the weights, ranges of activations from pictures.

Weights have seven bits: processors without VNNI would overflow their 16-bit sums, and the file has to give
the same answers everywhere. Ranges are set by the method whose integers come closest to the network's own
logits on the same pictures. What surrounds the network (mirror average, calibration) stays float32.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eighteen.core import store
from eighteen.core.artifact import Exportable

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

METHODS = ("MinMax", "Percentile", "Entropy")
"""Ways to set ranges, in the order in which they win ties."""

_BATCH = 16
_JUDGED = 64
"""Pictures that the methods are told apart by."""

_PASSING = ("Relu", "Clip", "MaxPool", "AveragePool", "ReduceMean", "Reshape", "Flatten", "Transpose")
"""Operations that hand a range on: a float layer needs them in float too."""


def quantised(network: ModelProto, model: Exportable) -> tuple[ModelProto, dict[str, Any]]:
    """The network in integers, without the layers in `model.kept`, and the method that set its ranges.

    Args:
        network: `tensor` to `logits`.
        model: gives pictures, and names the layers to keep.
    """
    import onnx
    from onnxruntime.quantization.calibrate import load_tensors_data
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with _work_folder(model) as folder:
        plain, ready, ranges = folder / "plain.onnx", folder / "ready.onnx", folder / "ranges.json"
        store.write_bytes(plain, network.SerializeToString())
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        if not ranges.exists():
            _set_ranges(ready, ranges, model)
        method = load_tensors_data(ranges).calibration_method
        excluded = [*around(onnx.load(ready)), *_floats(onnx.load(ready), model.kept)]
        small = folder / "int8.onnx"
        _quantise(ready, small, ranges, method, excluded)
        found: ModelProto = onnx.load(small)
        _pass_by(found, {*_floats(found, model.kept)})
        return found, {"ranges": method.name}


@contextmanager
def _work_folder(model: Exportable) -> Iterator[Path]:
    if model.scratch is not None:
        yield model.scratch
        return
    with tempfile.TemporaryDirectory(prefix="eighteen-int8-") as name:
        yield Path(name)


def _set_ranges(ready: Path, ranges: Path, model: Exportable) -> None:
    """Writes the ranges of the method whose integers answer most like the network."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod

    pictures = model.inputs.normalised(model.samples())
    judged = pictures[-_JUDGED:]
    wanted, excluded = _logits(ready, judged), around(onnx.load(ready))
    errors = {}
    for name in METHODS:
        own, small = ranges.with_name(f"ranges-{name}.json"), ranges.with_name(f"{name}.onnx")
        _quantise(ready, small, own, CalibrationMethod[name], excluded, _Batches(pictures))
        errors[name] = float(np.square(_logits(small, judged) - wanted).mean())
    best = min(METHODS, key=lambda name: errors[name])
    store.copy_file(ranges.with_name(f"ranges-{best}.json"), ranges)


def _logits(path: Path, tensor: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    parts = [tensor[start : start + _BATCH] for start in range(0, len(tensor), _BATCH)]
    return np.concatenate([session.run(["logits"], {"tensor": part})[0] for part in parts])


def _quantise(
    ready: Path, out: Path, ranges: Path, method: Any, excluded: list[str], batches: _Batches | None = None
) -> None:
    """Writes the integers; `ranges` is read, or made from `batches` and written."""
    from onnxruntime import quantization as q

    with _silenced():
        q.quantize_static(
            ready,
            out,
            batches,
            quant_format=q.QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=q.QuantType.QUInt8,
            weight_type=q.QuantType.QInt8,
            nodes_to_exclude=excluded,
            calibrate_method=method,
            calibration_cache_path=ranges,
            extra_options={"CalibStridedMinMax": 1, "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]},
        )


@contextmanager
def _silenced() -> Iterator[None]:
    """The quantiser prints its progress, and warns about every constant without a range."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        root.setLevel(before)


def around(graph: ModelProto) -> list[str]:
    """Names of the nodes from the last layer on, and of those before the first: they are no layers."""
    nodes = list(graph.graph.node)
    layers = [row for row, node in enumerate(nodes) if _layer_of(node)]
    return [node.name for node in (*nodes[: layers[0]], *nodes[layers[-1] + 1 :])]


def layer_nodes(graph: ModelProto, layers: tuple[str, ...]) -> list[str]:
    """Names of the nodes that compute some layers."""
    return [node.name for node in graph.graph.node if _layer_of(node) in layers]


def _layer_of(node: NodeProto) -> str:
    """Name of the network's layer that a node computes; "" where it computes none.

    The exporter names weights after their modules, integers add to that name."""
    if len(node.input) < 2 or not node.input[1].startswith("network."):
        return ""
    name: str = node.input[1].removeprefix("network.").split(".weight")[0]
    return name


def _floats(graph: ModelProto, kept: tuple[str, ...]) -> list[str]:
    """Names of the nodes of kept layers, and of what hands their inputs on from the layer before."""
    producers = {output: node for node in graph.graph.node for output in node.output}
    found = []
    for layer in (node for node in graph.graph.node if _layer_of(node) in kept):
        node: NodeProto | None = layer
        while node is not None and (node is layer or node.op_type in (*_PASSING, "Add")):
            found.append(node.name)
            node = producers.get(node.input[0]) if node.op_type != "Add" else None
    return found


def _pass_by(graph: ModelProto, floats: set[str]) -> None:
    """Takes the rounding away from the inputs of float nodes; an addition keeps that of what it adds."""
    producers = {output: node for node in graph.graph.node for output in node.output}
    for node in graph.graph.node:
        if node.name in floats and node.op_type != "Add":
            back = producers.get(node.input[0])
            if back is not None and back.op_type == "DequantizeLinear":
                node.input[0] = producers[back.input[0]].input[0]
    _drop_unused(graph)


def _drop_unused(graph: ModelProto) -> None:
    """Removes rounding that nothing reads any more."""
    wanted = {output.name for output in graph.graph.output}
    used = wanted.union(*(node.input for node in graph.graph.node))
    unused = [node for node in graph.graph.node if not used.intersection(node.output)]
    for node in unused:
        graph.graph.node.remove(node)
    if unused:
        _drop_unused(graph)


class _Batches:
    """Pictures in small batches, as the quantiser asks for them: one range of batches after another."""

    def __init__(self, tensor: npt.NDArray[np.float32]) -> None:
        self._parts = [tensor[start : start + _BATCH] for start in range(0, len(tensor), _BATCH)]
        self._waiting = iter(self._parts)

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        part = next(self._waiting, None)
        return None if part is None else {"tensor": part}

    def set_range(self, start_index: int, end_index: int) -> None:
        self._waiting = iter(self._parts[start_index:end_index])

    def __len__(self) -> int:
        return len(self._parts)
