"""Where a climb starts: what a textbook does, and nothing that made ResNet-18 better since.

Plain cross-entropy, SGD with momentum, a cosine schedule, crop and mirror images; no smoothing, no averaged
weights, no colour, no erasing. Weights, network, inputs, length and everything the user set stay.

Source: He et al., Deep Residual Learning, CVPR 2016; from weights, the rate that fine-tuning guides give.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eighteen.core.config import fields
from eighteen.core.recipe import Recipe
from eighteen.tuning.space import value_of

_PLAIN: dict[str, Any] = {
    "inputs.mirror_average": False,
    "augment.rotation_degrees": 0.0,
    "augment.zoom_fraction": 0.0,
    "augment.brightness": 0.0,
    "augment.contrast": 0.0,
    "augment.saturation": 0.0,
    "augment.erasing": 0.0,
    "loss.label_smoothing": 0.0,
    "optimizer.name": "momentum",
    "optimizer.layer_decay": 1.0,
    "optimizer.weight_decay": 1e-4,
    "schedule.name": "cosine",
    "schedule.warmup_fraction": 0.0,
    "training.head_first": False,
    "training.keep_head": False,
    "training.progressive_from": 1.0,
    "training.freeze_norms": False,
    "training.ema_decay": 0.0,
    "training.clip_norm": 0.0,
}

_RATE_FROM_WEIGHTS = 0.01


def textbook(recipe: Recipe, pretrained: bool, fixed: Sequence[str] = ()) -> Recipe:
    """The textbook's recipe, with everything that differs from the program's default kept as given.

    Args:
        recipe: of the user.
        pretrained: whether training starts from weights.
        fixed: dotted names of fields that the user set, which stay even where they are as the default.
    """
    plain = {**_PLAIN, **({"optimizer.lr": _RATE_FROM_WEIGHTS} if pretrained else {})}
    known = fields()
    sections: dict[str, dict[str, Any]] = {}
    for name, value in plain.items():
        if name not in fixed and value_of(recipe, name) == known[name]["default"]:
            section, _, key = name.partition(".")
            sections.setdefault(section, {})[key] = value
    return recipe.changed(**sections)
