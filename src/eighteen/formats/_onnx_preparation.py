"""`InputSpec` as an ONNX graph: uint8 RGB pictures `[N, H, W, 3]` of any size to the network's tensor.

The sizes are worked out inside the graph in float64 with rounding half to even, as Python does it, and the
resize is ONNX's antialiased one with `exclude_outside`: without it the borders are weighted wrongly. It
agrees with `InputSpec.fitted` to 1e-5 of full range; a test holds it to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from eighteen.core.inputs import MAX_ASPECT, InputSpec

IMAGE = "image"
"""Name of the input: uint8 `[N, H, W, 3]`, RGB."""

TENSOR = "tensor"
"""Name of the network's input: float32 `[N, C, size, size]`, normalised."""

# Pillow's weights of red, green and blue in luma, in 1/65536, with its rounding half.
_LUMA = (19595.0, 38470.0, 7471.0)
_HALF = 32768.0


class _Graph:
    """Collects nodes; every step returns the name of what it made."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, value: Any, kind: npt.DTypeLike) -> str:
        name = f"preparation_constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def add(self, kind: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        name = output or f"preparation_{len(self.nodes)}_{kind.lower()}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=f"node_{name}", **attributes))
        return name

    def float64(self, value: float) -> str:
        return self.constant([value], np.float64)

    def int64(self, *values: int) -> str:
        return self.constant(list(values), np.int64)

    def whole(self, value: str) -> str:
        """A float64 `[1]`, rounded half to even, as int64 and at least 1."""
        rounded = self.add("Cast", [self.add("Round", [value])], to=TensorProto.INT64)
        return self.add("Max", [rounded, self.int64(1)])


def preparation(inputs: InputSpec) -> GraphProto:
    """The graph from `image` to `tensor`."""
    graph = _Graph()
    pixels = _channels(graph, inputs)
    fitted = {"squash": _squashed, "crop": _cropped, "letterbox": _letterboxed}[inputs.fit](
        graph, inputs, pixels
    )
    scale, shift = inputs.scale_and_shift()
    scaled = graph.add("Mul", [fitted, graph.constant(scale.reshape(1, -1, 1, 1), np.float32)])
    graph.add("Add", [scaled, graph.constant(shift.reshape(1, -1, 1, 1), np.float32)], TENSOR)
    shape = ["N", inputs.channels, inputs.size, inputs.size]
    return helper.make_graph(
        graph.nodes,
        "preparation",
        [helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info(TENSOR, TensorProto.FLOAT, shape)],
        graph.constants,
    )


def _channels(graph: _Graph, inputs: InputSpec) -> str:
    """float32 `[N, C, H, W]`, 0..255."""
    values = graph.add("Cast", [IMAGE], to=TensorProto.FLOAT)
    planes = graph.add("Transpose", [values], perm=[0, 3, 1, 2])
    if inputs.channels == 3:
        return planes
    # Whole numbers below 2^24: exact in float32.
    weighted = graph.add("Mul", [planes, graph.constant(np.reshape(_LUMA, (1, 3, 1, 1)), np.float32)])
    total = graph.add("ReduceSum", [weighted, graph.int64(1)], keepdims=1)
    rounded = graph.add("Add", [total, graph.constant(_HALF, np.float32)])
    return graph.add("Floor", [graph.add("Div", [rounded, graph.constant(65536.0, np.float32)])])


def _squashed(graph: _Graph, inputs: InputSpec, pixels: str) -> str:
    return _resized(graph, inputs, pixels, graph.int64(inputs.size, inputs.size))


def _cropped(graph: _Graph, inputs: InputSpec, pixels: str) -> str:
    """The short side to `short`, then the middle."""
    height, width = _sides(graph, pixels)
    short = max(inputs.size, round(inputs.size / inputs.crop_fraction))
    longer, shorter = graph.add("Max", [height, width]), graph.add("Min", [height, width])
    aspect = graph.add("Min", [graph.add("Div", [longer, shorter]), graph.float64(MAX_ASPECT)])
    long = graph.whole(graph.add("Mul", [aspect, graph.float64(short)]))
    long = graph.add("Max", [long, graph.int64(short)])
    upright = graph.add("LessOrEqual", [width, height])  # at equal sides both orders give the same
    new_height = graph.add("Where", [upright, long, graph.int64(short)])
    new_width = graph.add("Where", [upright, graph.int64(short), long])
    size = graph.add("Concat", [new_height, new_width], axis=0)
    resized = _resized(graph, inputs, pixels, size)
    start = graph.add("Div", [graph.add("Sub", [size, graph.int64(inputs.size)]), graph.int64(2)])
    end = graph.add("Add", [start, graph.int64(inputs.size)])
    return graph.add("Slice", [resized, start, end, graph.int64(2, 3)])


def _letterboxed(graph: _Graph, inputs: InputSpec, pixels: str) -> str:
    """The long side to `size`, then filled up with the background on both sides."""
    height, width = _sides(graph, pixels)
    scale = graph.add("Div", [graph.float64(inputs.size), graph.add("Max", [height, width])])
    inner = graph.add(
        "Concat", [graph.whole(graph.add("Mul", [side, scale])) for side in (height, width)], axis=0
    )
    resized = _resized(graph, inputs, pixels, inner)
    background = graph.constant(inputs.background_values.reshape(1, -1, 1, 1), np.float32)
    free = graph.add("Sub", [graph.int64(inputs.size), inner])
    before = graph.add("Div", [free, graph.int64(2)])
    none = graph.int64(0, 0)
    pads = graph.add("Concat", [none, before, none, graph.add("Sub", [free, before])], axis=0)
    # Padding has one value for all channels: the background is taken off and put back.
    lowered = graph.add("Sub", [resized, background])
    padded = graph.add("Pad", [lowered, pads, graph.constant(0.0, np.float32)])
    return graph.add("Add", [padded, background])


def _sides(graph: _Graph, pixels: str) -> tuple[str, str]:
    """Height and width, float64 `[1]` each."""
    shape = graph.add("Cast", [graph.add("Shape", [pixels])], to=TensorProto.DOUBLE)
    height, width = (graph.add("Gather", [shape, graph.int64(axis)]) for axis in (2, 3))
    return height, width


def _resized(graph: _Graph, inputs: InputSpec, pixels: str, size: str) -> str:
    # All four sizes, not `axes`, here and in Pad: ONNX Runtime's transpose optimiser breaks graphs with axes.
    kept = graph.add("Shape", [pixels], end=2)
    resized = graph.add(
        "Resize",
        [pixels, "", "", graph.add("Concat", [kept, size], axis=0)],
        antialias=1,
        mode={"bilinear": "linear", "bicubic": "cubic"}[inputs.kernel],
        coordinate_transformation_mode="half_pixel",
        cubic_coeff_a=-0.5,
        exclude_outside=1,
    )
    if inputs.kernel == "bilinear":
        return resized
    return graph.add("Clip", [resized, graph.constant(0.0, np.float32), graph.constant(255.0, np.float32)])
