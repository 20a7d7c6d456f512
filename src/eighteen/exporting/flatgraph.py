"""The graph of a .tflite file, for counting: operators, their activations, and what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from eighteen.exporting.arena import Graph, Step

_BYTES = {"FLOAT32": 4, "INT32": 4, "INT64": 8, "FLOAT16": 2, "INT8": 1, "UINT8": 1, "INT16": 2, "BOOL": 1}


def read_graph(path: Path) -> Graph:
    """Reads the first subgraph; weights are left out."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model: Any = flatbuffer_utils.read_model(str(path))
    graph, codes = model.subgraphs[0], _names(schema.BuiltinOperator)
    kinds = _names(schema.TensorType)
    variable = [_is_made(model, tensor) for tensor in graph.tensors]
    shapes = [tuple(int(side) for side in tensor.shape) for tensor in graph.tensors]
    sizes = {
        str(number): int(np.prod(shapes[number])) * _BYTES[kinds[tensor.type]]
        for number, tensor in enumerate(graph.tensors)
        if variable[number]
    }
    steps = []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        name = codes[max(code.builtinCode, code.deprecatedBuiltinCode)]
        inputs, outputs = ([int(each) for each in side] for side in (operator.inputs, operator.outputs))
        weights = next((shapes[each] for each in inputs[1:2] if not variable[each]), ())
        steps.append(
            step_of(
                name,
                tuple(str(each) for each in inputs if each >= 0 and variable[each]),
                tuple(map(str, outputs)),
                shapes[outputs[0]],
                weights,
            )
        )
    takes, gives = (tuple(str(each) for each in side) for side in (graph.inputs, graph.outputs))
    used = {name for step in steps for name in (*step.takes, *step.gives)} | {*takes, *gives}
    return Graph({name: size for name, size in sizes.items() if name in used}, tuple(steps), takes, gives)


def step_of(
    name: str, takes: tuple[str, ...], gives: tuple[str, ...], made: tuple[int, ...], weights: tuple[int, ...]
) -> Step:
    """An operator with its work.

    Args:
        name: as the runtime calls it.
        takes, gives: activations.
        made: shape of what it makes, channels last.
        weights: shape `[out, height, width, in]` of a convolution, `[out, in]` of a linear layer.
    """
    elements = int(np.prod(made))
    if name == "CONV_2D":
        window = int(np.prod(weights[1:]))
        # CMSIS-NN lays two windows of 16-bit numbers out; a 1x1 window is read in place.
        scratch = 2 * 2 * window if weights[1] * weights[2] > 1 else 0
        return Step(name, takes, gives, elements * window, scratch, weights[0])
    if name == "DEPTHWISE_CONV_2D":
        return Step(name, takes, gives, elements * weights[1] * weights[2], 0, weights[3])
    if name == "FULLY_CONNECTED":
        return Step(name, takes, gives, elements * weights[1], 0, weights[0])
    return Step(name, takes, gives)


def _is_made(model: Any, tensor: Any) -> bool:
    """Whether a tensor is computed: it has no stored values."""
    data = model.buffers[tensor.buffer].data
    return data is None or len(data) == 0


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}
