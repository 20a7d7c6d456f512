"""A PyTorch network as a functional Keras model, layer by layer, with its weights.

The network is traced into a graph of tensor operations by `torch.export`, and each of them becomes the Keras
layer that does the same; names say which module it was (`layer1.0.conv1` becomes `layer1_0_conv1`). Tensors
are `[N, H, W, C]` here. Only built-in layers are used, so a saved model opens without this package and trains
further on every backend of Keras.

Two things differ between the frameworks and are kept as PyTorch does them: padding is the same on both sides
(Keras' "same" pads more at the end), and the epsilon of BatchNorm is taken from each layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from eighteen.core.errors import EighteenError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.fx import Node

_LOWEST = -3e38  # near the lowest float32: what a maximum never takes
_NAMES = {"relu": "relu", "relu_": "relu", "silu": "silu", "silu_": "silu", "sigmoid": "sigmoid"}
_NAMES |= {"hardswish": "hard_silu", "hardswish_": "hard_silu", "hardsigmoid": "hard_sigmoid"}
_SAME_VALUE = ("contiguous", "alias", "clone")


def as_keras(network: nn.Module, channels: int, size_px: int, name: str) -> Any:
    """A Keras model that takes `[N, size, size, C]` and gives what the network gives.

    Args:
        network: in evaluation mode; takes `[N, C, size, size]`.
        channels: C.
        size_px: height and width.
        name: what the network is called in messages.

    Raises:
        EighteenError: the network does something that no built-in layer of Keras does.
    """
    import keras
    import torch

    with torch.no_grad():
        program = torch.export.export(network, (torch.zeros(2, channels, size_px, size_px),))
    image = keras.Input((size_px, size_px, channels), name="tensor", dtype="float32")
    signature, tensors = program.graph_signature, {**program.state_dict, **program.constants}
    held = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    graph = _Graph(name, {node: tensors[key].detach().cpu() for node, key in held.items()}, image)
    for node in program.graph.nodes:
        graph.take(node)
    return keras.Model(image, graph.answer, name="network")


class _Graph:
    """Nodes that were translated already, and the layers' names."""

    def __init__(self, name: str, tensors: Mapping[str, Tensor], image: Any) -> None:
        self.name = name
        self.tensors = tensors
        self.values: dict[Node, Any] = {}
        self.answer = image
        self._image = image
        self._names: set[str] = {"tensor"}

    def take(self, node: Node) -> None:
        if node.op == "placeholder":
            if node.name not in self.tensors:
                self.values[node] = self._image
        elif node.op == "output":
            self.answer = self.values[node.args[0][0]]  # type: ignore[index]
        else:
            operation = str(node.target).split(".")[1] if "." in str(node.target) else str(node.target)
            translate = _TRANSLATIONS.get(operation, _refuse)
            value = self.values[node] = translate(self, node, operation)
            if operation.endswith("_") and node.args:
                self.values[node.args[0]] = value  # type: ignore[index]

    def value(self, node: Node, position: int = 0) -> Any:
        """A translated argument; a number or a weight in its place is not expected by any layer."""
        argument: Any = node.args[position]
        found = self.values.get(argument) if _is_node(argument) else None
        return self.refuse(node) if found is None else found

    def weight(self, node: Node, position: int) -> Any:
        """An argument that is a parameter or buffer as it is, as an array; None where there is none."""
        argument = node.args[position] if len(node.args) > position else None
        if argument is None:
            return None
        found = self.tensors.get(getattr(argument, "name", ""))
        return self.refuse(node) if found is None else found.numpy()

    def named(self, node: Node, ending: str = "") -> str:
        """A layer's name: the module that the operation stands in."""
        path = _module_of(node).replace(".", "_") or "network"
        wanted = f"{path}_{ending}" if ending else path
        name, number = wanted, 1
        while name in self._names:
            number += 1
            name = f"{wanted}_{number}"
        self._names.add(name)
        return name

    def refuse(self, node: Node) -> Any:
        raise EighteenError(
            f"{self.name} cannot become a Keras model: {node.target} in its part "
            f"'{_module_of(node) or 'network'}' has no counterpart among the built-in layers that are used "
            f"here. resnet18 with all its options can, and so can timm's ResNets, EfficientNets, MobileNets, "
            f"RegNets and VGGs; or export to another format: --to onnx"
        )


def _is_node(argument: object) -> bool:
    return hasattr(argument, "users")


def _module_of(node: Node) -> str:
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return str(stack[-1][0]) if stack else ""


def _refuse(graph: _Graph, node: Node, operation: str) -> Any:
    return graph.refuse(node)


def _sides(node: Node, position: int, default: int) -> tuple[int, int]:
    """An argument that is one number, or one for height and one for width."""
    given: Any = node.args[position] if len(node.args) > position else default
    height, width = (given, given) if isinstance(given, int) else given if len(given) == 2 else (given * 2)
    return int(height), int(width)


def _shape(node: Any) -> tuple[int, ...]:
    """Of what a node gives, in PyTorch's order."""
    return tuple(node.meta["val"].shape)


def _with_weights(layer: Any, value: Any, *weights: Any) -> Any:
    answer = layer(value)
    layer.set_weights([weight for weight in weights if weight is not None])
    return answer


def _convolution(graph: _Graph, node: Node, operation: str) -> Any:
    from keras import layers

    value, kernel, bias = graph.value(node), graph.weight(node, 1), graph.weight(node, 2)
    strides, padding, dilation = (_sides(node, at, default) for at, default in ((3, 1), (4, 0), (5, 1)))
    groups = int(node.args[6]) if len(node.args) > 6 else 1  # type: ignore[arg-type]
    if padding != (0, 0):
        value = layers.ZeroPadding2D(
            padding, data_format="channels_last", name=graph.named(node, "pad"), dtype="float32"
        )(value)
    common: dict[str, Any] = {
        "strides": strides,
        "dilation_rate": dilation,
        "use_bias": bias is not None,
        "data_format": "channels_last",
        "name": graph.named(node),
        "dtype": "float32",
    }
    filters, inputs, *window = kernel.shape
    if groups == filters and inputs == 1 and groups > 1:
        layer = layers.DepthwiseConv2D(tuple(window), **common)
        return _with_weights(layer, value, kernel.transpose(2, 3, 0, 1), bias)
    layer = layers.Conv2D(filters, tuple(window), groups=groups, **common)
    return _with_weights(layer, value, kernel.transpose(2, 3, 1, 0), bias)


def _norm(graph: _Graph, node: Node, operation: str) -> Any:
    from keras import layers

    momentum, epsilon = float(node.args[6]), float(node.args[7])  # type: ignore[arg-type]
    gamma, beta, mean, variance = (graph.weight(node, at) for at in (1, 2, 3, 4))
    layer = layers.BatchNormalization(
        momentum=1 - momentum,
        epsilon=epsilon,
        center=beta is not None,
        scale=gamma is not None,
        name=graph.named(node),
        dtype="float32",
    )
    return _with_weights(layer, graph.value(node), gamma, beta, mean, variance)


def _linear(graph: _Graph, node: Node, operation: str) -> Any:
    from keras import layers

    weight, bias = graph.weight(node, 1), graph.weight(node, 2)
    layer = layers.Dense(len(weight), use_bias=bias is not None, name=graph.named(node), dtype="float32")
    return _with_weights(layer, graph.value(node), weight.T, bias)


def _activation(graph: _Graph, node: Node, operation: str) -> Any:
    from keras import layers

    if operation.startswith("hardtanh") and tuple(node.args[1:]) == (0.0, 6.0):
        function = "relu6"
    else:
        function = _NAMES.get(operation, "") or graph.refuse(node)
    return layers.Activation(function, name=graph.named(node), dtype="float32")(graph.value(node))


def _maximum(graph: _Graph, node: Node, operation: str) -> Any:
    from keras import layers, ops

    value, window, (down, right) = graph.value(node), _sides(node, 1, 1), _sides(node, 3, 0)
    strides = _sides(node, 2, 0) if len(node.args) > 2 and node.args[2] else window
    if len(node.args) > 4:  # dilated, or rounded up
        graph.refuse(node)
    if down or right:
        value = ops.pad(value, ((0, 0), (down, down), (right, right), (0, 0)), constant_values=_LOWEST)
    return layers.MaxPooling2D(
        window, strides, data_format="channels_last", name=graph.named(node), dtype="float32"
    )(value)


def _average(graph: _Graph, node: Node, operation: str) -> Any:
    from keras import layers

    window, padding = _sides(node, 1, 1), _sides(node, 3, 0)
    strides = _sides(node, 2, 0) if len(node.args) > 2 and node.args[2] else window
    rounded_up = len(node.args) > 4 and bool(node.args[4])
    padded = rounded_up and any(side % 2 for side in _shape(node.args[0])[2:])
    # A window that hangs over the edge is averaged over what it covers; Keras does so for "same".
    if padding != (0, 0) or (padded and not window == strides == (2, 2)):
        graph.refuse(node)
    return layers.AveragePooling2D(
        window,
        strides,
        "same" if padded else "valid",
        data_format="channels_last",
        name=graph.named(node),
        dtype="float32",
    )(graph.value(node))


def _global_average(graph: _Graph, node: Node, operation: str) -> Any:
    from keras import layers

    before, after = _shape(node.args[0]), _shape(node)
    if before == after and operation.startswith("adaptive"):
        return graph.value(node)
    over_map = operation.startswith("adaptive") or tuple(node.args[1]) in ((2, 3), (-2, -1))  # type: ignore[arg-type]
    if not over_map or len(before) != 4 or after[2:] not in ((1, 1), ()):
        graph.refuse(node)
    return layers.GlobalAveragePooling2D(
        data_format="channels_last",
        keepdims=len(after) == 4,
        name=graph.named(node, "mean" if operation == "mean" else ""),
        dtype="float32",
    )(graph.value(node))


def _flatten(graph: _Graph, node: Node, operation: str) -> Any:
    from keras import layers

    value, before = graph.value(node), _shape(node.args[0])
    if len(_shape(node)) != 2 or _shape(node)[0] != before[0]:
        graph.refuse(node)
    if len(before) == 4 and before[2:] != (1, 1):
        value = layers.Permute((3, 1, 2), name=graph.named(node, "channels_first"), dtype="float32")(value)
    name = graph.named(node, "flatten")
    return layers.Flatten(data_format="channels_last", name=name, dtype="float32")(value)


def _dropout(graph: _Graph, node: Node, operation: str) -> Any:
    from keras import layers

    share: Any = node.args[1]
    if not share:
        return graph.value(node)
    return layers.Dropout(share, name=graph.named(node, "dropout"), dtype="float32")(graph.value(node))


def _joined(graph: _Graph, node: Node, operation: str) -> Any:
    from keras import layers

    if node.kwargs:  # a factor, as in x + 2 * y
        graph.refuse(node)
    kind = layers.Add if operation.startswith("add") else layers.Multiply
    both = [graph.value(node, 0), graph.value(node, 1)]
    return kind(name=graph.named(node, operation.rstrip("_")), dtype="float32")(both)


def _concatenated(graph: _Graph, node: Node, operation: str) -> Any:
    from keras import layers

    parts: Any = node.args[0]
    if (node.args[1] if len(node.args) > 1 else 0) not in (1, -3) or len(_shape(node)) != 4:
        graph.refuse(node)
    values = [graph.values[part] for part in parts]
    if len(values) == 1:
        return values[0]
    return layers.Concatenate(axis=-1, name=graph.named(node, "concatenate"), dtype="float32")(values)


def _padded(graph: _Graph, node: Node, operation: str) -> Any:
    from keras import layers

    sides: Any = node.args[1]
    left, right, top, bottom = sides if len(sides) == 4 else graph.refuse(node)
    if (len(node.args) > 2 and node.args[2] != "constant") or any(node.args[3:]):
        graph.refuse(node)
    return layers.ZeroPadding2D(
        ((top, bottom), (left, right)),
        data_format="channels_last",
        name=graph.named(node, "pad"),
        dtype="float32",
    )(graph.value(node))


def _unchanged(graph: _Graph, node: Node, operation: str) -> Any:
    return graph.value(node)


_TRANSLATIONS: dict[str, Callable[[_Graph, Node, str], Any]] = {
    "conv2d": _convolution,
    "batch_norm": _norm,
    "linear": _linear,
    **dict.fromkeys([*_NAMES, "hardtanh", "hardtanh_"], _activation),
    "max_pool2d": _maximum,
    "avg_pool2d": _average,
    **dict.fromkeys(("adaptive_avg_pool2d", "mean"), _global_average),
    **dict.fromkeys(("flatten", "view", "reshape"), _flatten),
    "dropout": _dropout,
    **dict.fromkeys(("add", "add_", "mul", "mul_"), _joined),
    "cat": _concatenated,
    "pad": _padded,
    **dict.fromkeys(_SAME_VALUE, _unchanged),
}
