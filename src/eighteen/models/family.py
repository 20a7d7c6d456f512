"""The relatives of ResNet-18: a network by its name, and the table of those worth a look.

In goes a name, out comes a network. "resnet18" is the page in `resnet18.py`; every other name is built by
timm, which knows more than a thousand. A name may carry the tag of its published weights
("resnet18d.ra2_in1k"). An option that a network cannot honour is refused, never ignored.

The table of `family()` is a file, `family.json`, written by `scripts/family_table.py`: counting all its
networks takes five seconds and an import of torch, reading the file takes neither.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast, get_args

from eighteen.core.errors import EighteenError

if TYPE_CHECKING:
    from torch import nn

_PAGE = "resnet18"
_PAGE_BLOCKS = (2, 2, 2, 2)
_PAGE_WIDTH = 64


@dataclass(frozen=True)
class Relative:
    """One network of the family, with one set of published weights.

    Attributes:
        name: what `--model` takes; the part after the dot names the weights.
        parameters: number of parameters with 1000 classes.
        macs: multiply-accumulates of one picture at `input_px`.
        input_px: side of the picture that the weights were trained on.
        top1: published ImageNet accuracy of the weights, percent; None where none was read.
        top1_px: side of the picture at which `top1` was measured.
        weights_license: licence of the weights as timm states it; None where it states none.
        weights_source: repository of the weights on the Hugging Face hub.
        note: what it is good for, a few words.
    """

    name: str
    parameters: int
    macs: int
    input_px: int
    top1: float | None
    top1_px: int | None
    weights_license: str | None
    weights_source: str
    note: str


def family() -> tuple[Relative, ...]:
    """The table behind `eighteen models`, nearest relatives first; torch is not needed.

    >>> family()[0].name
    'resnet18.a1_in1k'
    """
    text = files("eighteen.models").joinpath("family.json").read_text(encoding="utf-8")
    return tuple(Relative(**row) for row in json.loads(text))


def build(
    name: str,
    *,
    num_classes: int,
    in_channels: int = 3,
    stem: str = "imagenet",
    blocks: Sequence[int] = _PAGE_BLOCKS,
    shortcut: bool = True,
    dropout: float = 0.0,
    drop_path: float = 0.0,
    width: float = 1.0,
) -> nn.Module:
    """A network with fresh weights. Nothing is fetched; torch's global seed decides the start.

    Args:
        name: "resnet18" or a name of timm, with or without the tag of its weights.
        num_classes: outputs of the head, 1 or more.
        in_channels: channels of the picture, 1 or more.
        stem: `imagenet` or, for small pictures, `small` or `small_pooled`: resnet18 and timm's ResNets only.
        blocks, shortcut: options of the page (resnet18 only).
        dropout: share of the features dropped before the head, 0 to below 1.
        drop_path: stochastic depth, 0 to below 1; of the page and of those of timm that know it.
        width: share of the page's channels, above 0 (resnet18 only).

    Raises:
        EighteenError: the name is unknown (near ones are named), or the network cannot honour an option.
    """
    from eighteen.models.resnet18 import ResNet18, Stem

    base = check_name(name)
    if base == _PAGE:
        return ResNet18(
            num_classes,
            in_channels=in_channels,
            blocks=blocks,
            shortcut=shortcut,
            stem=cast(Stem, stem),
            dropout=dropout,
            drop_path=drop_path,
            width=max(1, round(_PAGE_WIDTH * width)),
        )
    checks = (
        (num_classes >= 1, f"num_classes={num_classes} (1 or more)"),
        (in_channels >= 1, f"in_channels={in_channels} (1 or more)"),
        (0 <= dropout < 1, f"dropout={dropout} (0 to below 1)"),
        (0 <= drop_path < 1, f"drop_path={drop_path} (0 to below 1)"),
        (width == 1, f"width={width} (an option of resnet18 alone)"),
        (stem in get_args(Stem), f"stem='{stem}' (one of {', '.join(get_args(Stem))})"),
        (tuple(blocks) == _PAGE_BLOCKS, f"blocks={tuple(blocks)} (an option of resnet18 alone)"),
        (shortcut, "shortcut=False (an option of resnet18 alone)"),
    )
    wrong = [text for fine, text in checks if not fine]
    if wrong:
        raise EighteenError(
            f"{name} cannot be built with {'; '.join(wrong)}; change these options, or choose resnet18"
        )
    return _build_by_timm(name, num_classes, in_channels, stem, dropout, drop_path)


def check_name(name: str) -> str:
    """The network's name without the tag of its weights.

    Raises:
        EighteenError: there is no such network, or no such tag; near names are proposed.
    """
    base, _, tag = name.partition(".")
    if name == _PAGE:
        return name
    import timm

    known = timm.list_models()
    if base not in known:
        raise EighteenError(_unknown("network", name, base, known, "'eighteen models' lists the family"))
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{base}.*")]
    if tag and tag not in tags:
        raise EighteenError(_unknown(f"weights tag of {base}", name, tag, tags, f"or leave it out: '{base}'"))
    return base


def takes_small_stem(name: str) -> bool:
    """Whether the network can have a small stem: the page, and timm's ResNets."""
    base = check_name(name)
    if base == _PAGE:
        return True
    from timm.models import model_entrypoint

    return model_entrypoint(base).__module__ == "timm.models.resnet"


def head_name(model: nn.Module) -> str:
    """Where the classifier sits: the prefix of its parameters' names, such as "fc" or "head.fc".

    Raises:
        EighteenError: the network has none or several.
    """
    from eighteen.models.resnet18 import ResNet18

    if isinstance(model, ResNet18):
        return "fc"
    head = getattr(model, "pretrained_cfg", {}).get("classifier")
    if not isinstance(head, str):
        raise EighteenError(
            f"{type(model).__name__} has the heads {head}; one classifier is expected. Choose another "
            f"network: 'eighteen models' lists the family"
        )
    return head


def _build_by_timm(
    name: str, num_classes: int, in_channels: int, stem: str, dropout: float, drop_path: float
) -> nn.Module:
    import timm
    from timm.layers.drop import DropPath

    # Some networks do not know the option: it is not named where it is off.
    options: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path > 0 else {}
    try:
        model: nn.Module = timm.create_model(
            name,
            pretrained=False,
            num_classes=num_classes,
            in_chans=in_channels,
            drop_rate=dropout,
            **options,
        )
    except TypeError as error:
        if "drop_path_rate" not in str(error):
            raise
        raise EighteenError(_no_drop_path(name)) from error
    head_name(model)
    if drop_path > 0 and not any(isinstance(module, DropPath) for module in model.modules()):
        raise EighteenError(_no_drop_path(name))
    if stem != "imagenet":
        _put_small_stem(model, name, in_channels, pooled=stem == "small_pooled")
    return model


def _no_drop_path(name: str) -> str:
    return f"{name} cannot drop paths; leave drop_path at 0, or choose resnet18 or one of timm's ResNets"


def _put_small_stem(model: nn.Module, name: str, in_channels: int, *, pooled: bool) -> None:
    """The 3x3 stem of the page in place of the one that makes pictures four times smaller."""
    from timm.models.resnet import ResNet
    from torch import nn

    if not isinstance(model, ResNet):
        raise EighteenError(
            f"{name} cannot have a small stem; only resnet18 and timm's ResNets can. Leave the stem at "
            f"'imagenet' and give the network larger pictures, or choose resnet18"
        )
    channels = model.get_parameter("bn1.weight").numel()
    conv = nn.Conv2d(in_channels, channels, 3, stride=1, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    model.add_module("conv1", conv)
    model.add_module("maxpool", nn.MaxPool2d(2) if pooled else nn.Identity())


def _unknown(kind: str, name: str, word: str, known: Sequence[str], otherwise: str) -> str:
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=3, cutoff=0.6)
    proposal = f"did you mean {' or '.join(by_lower[match] for match in near)}? " if near else ""
    return f"there is no {kind} in '{name}'; {proposal}{otherwise[0].upper()}{otherwise[1:]}"
