"""ResNet-18 of any width and input size as a device would run it, by arithmetic alone: what a table of boards
offers where the network at hand does not fit.

The operators are those that LiteRT's converter makes of the page in `models/resnet18.py`: norms are folded
into convolutions, a strided convolution and the pooling get their margin by an operator of their own, the
rest pads by itself. A test compares it with a converted file.
"""

from __future__ import annotations

from math import prod

from eighteen.exporting.arena import Graph, Step
from eighteen.exporting.flatgraph import step_of

_BYTES_A_CHANNEL = 4 + 2 * (4 + 8)
"""Bias; scale and zero point of weights and bias."""
_BYTES_A_STEP = 400
"""Of a file: an operator with its tensors."""


class _Drawing:
    """Adds operators one behind the other."""

    def __init__(self, size_px: int, channels: int) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {"0": (1, size_px, size_px, channels)}
        self.steps: list[Step] = []
        self.weight_bytes = 0

    def add(
        self, name: str, takes: tuple[str, ...], made: tuple[int, ...], weights: tuple[int, ...] = ()
    ) -> str:
        made_name = str(len(self.shapes))
        self.shapes[made_name] = made
        self.steps.append(step_of(name, takes, (made_name,), made, weights))
        self.weight_bytes += prod(weights) if weights else 0
        return made_name

    def pad(self, name: str, at: str, margin: int) -> str:
        _, height, width, channels = self.shapes[at]
        return self.add(name, (at,), (1, height + 2 * margin, width + 2 * margin, channels))

    def conv(self, at: str, channels: int, kernel: int, stride: int) -> str:
        before = self.shapes[at]
        margin = kernel // 2
        side = (before[1] + 2 * margin - kernel) // stride + 1
        # The runtime's own margin is as wide, and the same on both sides, where it adds up to twice ours.
        if margin and (side - 1) * stride + kernel - before[1] < 2 * margin:
            at = self.pad("PAD", at, margin)
        return self.add("CONV_2D", (at,), (1, side, side, channels), (channels, kernel, kernel, before[3]))

    def pool(self, at: str) -> str:
        _, height, _, channels = self.shapes[at]
        side = (height - 1) // 2 + 1
        return self.add("MAX_POOL_2D", (self.pad("PADV2", at, 1),), (1, side, side, channels))


def draw_resnet18(
    width: int, size_px: int, classes: int, in_channels: int = 3, small_stem: bool = False
) -> tuple[Graph, int]:
    """The graph in 8-bit integers, and about how many bytes its file has.

    Args:
        width: channels of the first stage; the paper's is 64.
        size_px: side of the input.
        classes: K.
        in_channels: of the picture.
        small_stem: the stem for small pictures.
    """
    drawing = _Drawing(size_px, in_channels)
    at = "0"
    for name in ("MUL", "ADD"):  # normalisation
        at = drawing.add(name, (at,), drawing.shapes[at])
    at = drawing.conv(at, width, 3, 1) if small_stem else drawing.pool(drawing.conv(at, width, 7, 2))
    for stage in range(4):
        for block in range(2):
            at = _block(drawing, at, width << stage, 2 if stage and not block else 1)
    at = drawing.add("SUM", (at,), (1, 8 * width))
    logits = drawing.add("FULLY_CONNECTED", (at,), (1, classes), (classes, 8 * width))
    likely = drawing.add("SOFTMAX", (logits,), (1, classes))
    sizes = {name: prod(shape) for name, shape in drawing.shapes.items()}
    graph = Graph(sizes, tuple(drawing.steps), ("0",), (likely, logits))
    channels = sum(step.channels for step in graph.steps)
    file_bytes = drawing.weight_bytes + _BYTES_A_CHANNEL * channels + _BYTES_A_STEP * len(graph.steps)
    return graph, file_bytes


def _block(drawing: _Drawing, at: str, channels: int, stride: int) -> str:
    inner = drawing.conv(drawing.conv(at, channels, 3, stride), channels, 3, 1)
    if stride > 1 or drawing.shapes[at][3] != channels:
        at = drawing.conv(at, channels, 1, stride)
    return drawing.add("ADD", (inner, at), drawing.shapes[inner])
