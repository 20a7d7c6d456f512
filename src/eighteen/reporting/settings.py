"""The recipe of a run, ready to be shown: what was chosen and why, what was given, and how to do it again."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Literal

from eighteen.core.config import fields
from eighteen.core.recipe import Recipe

Origin = Literal["chosen", "given", "default"]

_FLAGS = {"model.name": "--model", "model.weights": "--weights", "seed": "--seed"}
"""Settings that have a flag of their own."""

_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_NO_BARE = ("true", "false", "inf", "nan")


@dataclass(frozen=True)
class Setting:
    """One value of the recipe.

    Attributes:
        name: dotted name.
        value: as a recipe file writes it; "none" where there is none.
        origin: `chosen` by the program for these data, `given` by the user, or the `default`.
        reason: why it was chosen; "" unless chosen.
        description: what the setting means.
    """

    name: str
    value: str
    origin: Origin
    reason: str
    description: str


def without_places(recipe: Recipe) -> Recipe:
    """The recipe as others may read it: files and runs by their names, without the folders of this machine.

    Relative paths stay. The file `weights.safetensors` keeps the name of its run. To open a file again, read
    the run's `recipe.json`.

    >>> placed = Recipe().changed(model={"weights": "/home/ann/runs/big/weights.safetensors"})
    >>> without_places(placed).model.weights
    'big/weights.safetensors'
    """
    data = {
        key: value and _name(value)
        for key, value in (("splits_from", recipe.data.splits_from), ("corrections", recipe.data.corrections))
    }
    teachers = tuple(map(_name, recipe.training.teacher))
    return recipe.changed(
        data=data, model={"weights": _name(recipe.model.weights)}, training={"teacher": teachers}
    )


def _name(written: str) -> str:
    for kind in (PurePosixPath, PureWindowsPath):  # the system that made the run need not be this one
        path = kind(written)
        if path.is_absolute():
            return "/".join(path.parts[-2:]) if path.name == "weights.safetensors" else path.name
    return written


def settings(recipe: Recipe, reasons: Mapping[str, str]) -> tuple[Setting, ...]:
    """Every value of a resolved recipe, in the recipe's order."""
    values = _flat(recipe)
    return tuple(
        Setting(
            name=name,
            value=toml_value(values[name]),
            origin=_origin(name, values[name], field["default"], reasons),
            reason=reasons.get(name, ""),
            description=field["description"],
        )
        for name, field in fields().items()
    )


def train_command(recipe: Recipe, reasons: Mapping[str, str], data: str) -> str:
    """The command that makes such a run again: what the user gave, the rest chosen anew.

    Args:
        recipe: resolved.
        reasons: of what the program chose.
        data: where the data set lies.
    """
    words = ["eighteen", "train", data, "--out", "NEW_RUN"]
    for setting in settings(recipe, reasons):
        if setting.name == "evaluation.open_test" and recipe.evaluation.open_test:
            words.append("--test")
        elif setting.name == "training.budget_minutes" and recipe.training.budget_minutes is not None:
            words += ["--budget", f"{recipe.training.budget_minutes:g}m"]
        elif setting.origin == "given" or setting.name == "seed":
            words += _option(setting)
    return shlex.join(words)


def recipe_toml(recipe: Recipe) -> str:
    """Every value as a recipe file, with nothing left to choose.

    The time budget is left out: the epochs that it led to are there instead.
    """
    lines = [f"seed = {recipe.seed}"]
    for section, values in recipe.to_json().items():
        if not isinstance(values, dict):
            continue
        lines += ["", f"[{section}]"]
        for key, value in values.items():
            if value is not None and (section, key) != ("training", "budget_minutes"):
                lines.append(f"{key} = {toml_value(value)}")
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """A value as TOML.

    >>> toml_value(True), toml_value("a b"), toml_value((0.5, 1)), toml_value(None)
    ('true', '"a b"', '[0.5, 1]', 'none')
    """
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | str) else repr(value)


def _flat(recipe: Recipe) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for section, values in recipe.model_dump().items():
        if isinstance(values, dict):
            flat |= {f"{section}.{key}": value for key, value in values.items()}
        else:
            flat[section] = values
    return flat


def _origin(name: str, value: Any, default: Any, reasons: Mapping[str, str]) -> Origin:
    if name in reasons:
        return "chosen"
    return "default" if value == default else "given"


def _option(setting: Setting) -> list[str]:
    value = setting.value
    text = json.loads(value) if value.startswith('"') else value
    bare = _BARE.fullmatch(text) is not None and text not in _NO_BARE
    if setting.name in _FLAGS:
        return [_FLAGS[setting.name], text]
    return ["--set", f"{setting.name}={text if bare else value}"]
