"""Which layer of a network Grad-CAM looks at.

In go a network and a picture, out comes the last layer whose output is still a map: the deepest features that
know where they are. Layers are timm's own list of stages (`feature_info`) and the network's direct parts.

A map of fewer than 4 x 4 cells hardly says where; a small picture is therefore looked at in an earlier layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from eighteen.core.errors import EighteenError
from eighteen.inference.scoring import evaluating

LEAST_SIDE = 4
"""Cells of a map's shorter side from which on it says enough about where."""


def feature_layer(network: nn.Module, images: Tensor) -> nn.Module:
    """Finds the last layer that gives a map of 4 x 4 cells or more, or else the finest map.

    Args:
        network: the page in `models/resnet18.py`, a convolutional network of timm, or one whose direct parts
            give maps `[B, channels, h, w]`.
        images: network input, `[1 or more, C, H, W]`; only the first is looked at.

    Raises:
        EighteenError: the network has no such maps, as vision transformers have none.
    """
    sides: dict[str, int] = {}
    with torch.no_grad(), evaluating(network), _watched(network, sides):
        forward: Any = getattr(network, "forward_features", network)
        last = forward(images[:1])
    if forward is not network and not _is_map(last, getattr(network, "num_features", None)):
        sides.clear()
    if not sides:
        raise EighteenError(
            f"{type(network).__name__} has no layer with a map [B, channels, h, w], which Grad-CAM needs; "
            f"explain a convolutional network, or take occlusion, which works with every network"
        )
    wanted = min(LEAST_SIDE, max(sides.values()))
    return network.get_submodule([name for name, side in sides.items() if side >= wanted][-1])


@contextmanager
def _watched(network: nn.Module, sides: dict[str, int]) -> Iterator[None]:
    """Writes down the shorter side of each layer's map, in the order in which they are made."""
    with ExitStack() as hooks:
        for name, layer in _layers(network):

            def note(_layer: nn.Module, _inputs: Any, output: Any, name: str = name) -> None:
                if _is_map(output):
                    sides.pop(name, None)
                    sides[name] = min(output.shape[2:])

            hooks.callback(layer.register_forward_hook(note).remove)
        yield


def _layers(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    stages = {info["module"] for info in getattr(network, "feature_info", ())}
    direct = {name for name, _ in network.named_children()}
    return ((name, layer) for name, layer in network.named_modules() if name in stages | direct)


def _is_map(output: object, channels: int | None = None) -> bool:
    return isinstance(output, Tensor) and output.ndim == 4 and channels in (None, output.shape[1])
