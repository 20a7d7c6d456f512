"""How weights are put into a network.

In go a network and a dictionary of tensors, out comes what became of them, in a sentence. A head for other
classes and a first convolution for other channels are dealt with and said; weights of another network are
refused in one sentence, not in a wall of size mismatches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eighteen.core.errors import WeightsError
from eighteen.core.findings import name_some
from eighteen.models.family import head_name

_BATCH_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Loaded:
    """What became of a dictionary of weights.

    Attributes:
        matched: tensors of the backbone that were loaded (batch counters of norms are not counted).
        total: tensors of the backbone.
        head_replaced: whether the head keeps its fresh start because the file's is for other classes.
        sentence: all of that for a person.
    """

    matched: int
    total: int
    head_replaced: bool
    sentence: str


def fit(model: nn.Module, state: Mapping[str, Tensor]) -> Loaded:
    """Puts weights into a network, in place; nothing is changed when they are refused.

    A head for another number of classes is left out. A first convolution for other channels is adapted: to
    one channel the filters are summed, from one channel they are spread evenly, otherwise they are repeated
    and scaled, so that a grey picture gives what it gave before (Source: timm, `adapt_input_conv`).

    Args:
        model: a network made by `models.family.build`.
        state: tensors by name, as `load_file` gives them.

    Raises:
        WeightsError: fewer than half of the backbone's tensors fit, more than a tenth has another shape
            (both mean another network), or a tensor is not finite.
    """
    own, head, first = model.state_dict(), head_name(model) + ".", _first_convolution(model)
    fitting = {name: state[name] for name in own if name in state and _alike(state[name], own[name])}
    if first in state and first not in fitting:
        fitting |= _adapted(first, state[first], own[first])
    backbone = [name for name in own if not name.startswith(head) and not name.endswith(_BATCH_COUNTER)]
    missing = [name for name in backbone if name not in fitting]
    _refuse_strangers(model, state, backbone, missing, first)
    _refuse_not_finite(fitting)
    head_replaced = any(name not in fitting for name in own if name.startswith(head))
    if head_replaced:
        fitting = {name: tensor for name, tensor in fitting.items() if not name.startswith(head)}
    model.load_state_dict(fitting, strict=False)
    matched, total = len(backbone) - len(missing), len(backbone)
    parts = [f"{matched} of {total} tensors of the backbone loaded"]
    if head_replaced:
        parts.append(_about_head(own, state, head))
    parts += _remarks(own, state, first, missing)
    return Loaded(matched, total, head_replaced, "; ".join(parts))


def _about_head(own: Mapping[str, Tensor], state: Mapping[str, Tensor], head: str) -> str:
    there, here = state.get(f"{head}weight"), own[f"{head}weight"]
    file_has = "no head" if there is None else f"{there.shape[0]} classes"
    return f"the head starts anew (the file has {file_has}, this network {here.shape[0]} classes)"


def _remarks(
    own: Mapping[str, Tensor], state: Mapping[str, Tensor], first: str, missing: list[str]
) -> Iterator[str]:
    """What is not plain about the backbone, a clause each."""
    if first in state and first not in missing and state[first].shape != own[first].shape:
        yield f"first convolution adapted from {state[first].shape[1]} to {own[first].shape[1]} channels"
    if missing:
        yield f"left at their start: {name_some(missing, limit=3)}"
    unused = [name for name in state if name not in own]
    if unused:
        yield f"tensors of the file without a place in this network: {name_some(unused, limit=3)}"


def _alike(given: Tensor, own: Tensor) -> bool:
    return given.shape == own.shape and given.is_floating_point() == own.is_floating_point()


def _first_convolution(model: nn.Module) -> str:
    """Name of the first convolution's weight; empty where there is none."""
    found = (f"{name}.weight" for name, part in model.named_modules() if isinstance(part, nn.Conv2d))
    return next(found, "")


def _adapted(name: str, given: Tensor, own: Tensor) -> dict[str, Tensor]:
    """The first convolution for other channels; nothing where more than the channels differ."""
    from timm.models import adapt_input_conv

    if given.ndim != 4 or given.shape[0] != own.shape[0] or given.shape[2:] != own.shape[2:]:
        return {}
    channels = own.shape[1]
    if given.shape[1] == 1:
        return {name: given.repeat(1, channels, 1, 1) / channels}
    if given.shape[1] == 3:
        return {name: adapt_input_conv(channels, given)}
    return {}


def _refuse_strangers(
    model: nn.Module, state: Mapping[str, Tensor], backbone: list[str], missing: list[str], first: str
) -> None:
    other_shape = [name for name in missing if name in state and name != first]
    if 2 * (len(backbone) - len(missing)) >= len(backbone) and 10 * len(other_shape) <= len(backbone):
        return
    example = (other_shape or missing)[0]
    why = f"{example} has another shape" if other_shape else f"{example} is not among them"
    raise WeightsError(
        f"the weights are of another network: of {len(backbone)} tensors of {type(model).__name__}, "
        f"{len(backbone) - len(missing)} fit ({why}); choose the --model they were made for, other weights, "
        f"or --weights none"
    )


def _refuse_not_finite(fitting: Mapping[str, Tensor]) -> None:
    for name, tensor in fitting.items():
        if not torch.isfinite(tensor).all():
            raise WeightsError(
                f"the weights hold values that are not finite (in {name}): the training that made them had "
                f"diverged; take an earlier checkpoint"
            )
