"""From files, names and `--set` to a recipe, with all mistakes told at once.

A recipe comes as nothing (the default), as the name of one that ships with the package, or as a TOML file;
`--set section.key=value` then changes single values. Unknown keys get a "did you mean".
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from eighteen.core.errors import RecipeError
from eighteen.core.recipe import Recipe, Section


def load_recipe(source: str | Path | None = None, settings: Iterable[str] = ()) -> Recipe:
    """Reads a recipe and applies `section.key=value` settings.

    Args:
        source: None for the default, a name of `recipe_names()`, or the path of a TOML file.
        settings: strings such as "training.epochs=30"; values are TOML (bare words are text).

    Raises:
        RecipeError: unknown keys, values outside their limits, or no such file; all at once.
    """
    values = {} if source is None else _read_toml(source)
    problems: list[str] = []
    for setting in settings:
        try:
            _set(values, setting)
        except RecipeError as error:
            problems.append(str(error))
    return _validated(values, problems)


def recipe_from_json(values: Mapping[str, Any]) -> Recipe:
    """A stored recipe.

    Raises:
        RecipeError: it does not fit this version's fields.
    """
    return _validated(dict(values), [])


def set_by_user(recipe: Recipe) -> tuple[str, ...]:
    """Dotted names of the fields that a recipe as it was loaded sets to a value, be it that of the default.

    Of a recipe that was changed since, where every field counts as set, those that differ from the default.

    >>> set_by_user(load_recipe(None, ["training.clip_norm=2.0", "optimizer.lr=auto"]))
    ('training.clip_norm',)
    """
    sections = {
        name: value for name in Recipe.model_fields if isinstance(value := getattr(recipe, name), Section)
    }
    loaded = any(len(each.model_fields_set) < len(type(each).model_fields) for each in sections.values())
    named = [
        (f"{name}.{key}", getattr(each, key), field.default, key in each.model_fields_set)
        for name, each in sections.items()
        for key, field in type(each).model_fields.items()
    ]
    return tuple(
        name
        for name, value, default, given in named
        if value != "auto" and (given if loaded else value != default)
    )


def recipe_names() -> tuple[str, ...]:
    """Names of the recipes that ship with the package."""
    return tuple(sorted(path.stem for path in _recipe_folder().iterdir() if path.suffix == ".toml"))


@cache
def fields() -> Mapping[str, Mapping[str, Any]]:
    """Every field by its dotted name: `default`, `description`, and its JSON schema's limits."""
    table = {
        name: MappingProxyType(
            {
                "default": field.default,
                "description": field.description or "",
                "schema": _properties(section)[name.rpartition(".")[2]],
            }
        )
        for name, (section, field) in _declared().items()
    }
    return MappingProxyType(table)


@cache
def _declared() -> dict[str, tuple[type[Section], FieldInfo]]:
    """Every field by its dotted name, with the section that declares it; without schemas, which take long."""
    table: dict[str, tuple[type[Section], FieldInfo]] = {}
    for name, field in Recipe.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            table |= {f"{name}.{key}": (kind, inner) for key, inner in kind.model_fields.items()}
        else:
            table[name] = (Recipe, field)
    return table


@cache
def _properties(section: type[Section]) -> dict[str, Any]:
    properties: dict[str, Any] = section.model_json_schema()["properties"]
    return properties


def _recipe_folder() -> Path:
    packaged = Path(str(files("eighteen"))) / "recipes"
    # In a source checkout the recipes lie beside src.
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[3] / "recipes"


def _read_toml(source: str | Path) -> dict[str, Any]:
    path = Path(source)
    if path.suffix != ".toml" and not path.exists():
        named = _recipe_folder() / f"{source}.toml"
        if not named.exists():
            close = difflib.get_close_matches(str(source), recipe_names(), n=1)
            hint = f"did you mean '{close[0]}'? " if close else ""
            raise RecipeError(
                f"there is no recipe '{source}'; {hint}known: {', '.join(recipe_names())}, or a .toml file"
            )
        path = named
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is no TOML file: {error}") from error


def _set(values: dict[str, Any], setting: str) -> None:
    name, equals, text = setting.partition("=")
    keys = name.strip().split(".")
    if not equals or len(keys) > 2 or not all(keys):
        raise RecipeError(f"--set {setting}: expected section.key=value, such as training.epochs=30")
    target = values
    if len(keys) == 2:
        target = values.setdefault(keys[0], {})
        if not isinstance(target, dict):
            raise RecipeError(f"--set {setting}: {keys[0]} is a value, not a section")
    target[keys[-1]] = parse_value(text.strip())


def parse_value(text: str) -> Any:
    """What a written value means: TOML, and bare words are text.

    >>> parse_value("0.5"), parse_value("cosine"), parse_value("true")
    (0.5, 'cosine', True)
    """
    if text in ("none", "None", "null"):
        return "none"
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _validated(values: dict[str, Any], problems: list[str]) -> Recipe:
    try:
        recipe = Recipe.model_validate(_with_nones(values))
    except ValidationError as error:
        raise RecipeError(_sentence([*problems, *_explanations(error)])) from error
    if problems:
        raise RecipeError(_sentence(problems))
    return recipe


def _with_nones(values: dict[str, Any]) -> dict[str, Any]:
    """TOML has no null: "none" stands for it where a field may be None."""
    optional = {name for name, (_, field) in _declared().items() if field.default is None}
    for section, inner in values.items():
        if isinstance(inner, dict):
            for key, value in inner.items():
                if value == "none" and f"{section}.{key}" in optional:
                    inner[key] = None
    return values


def _sentence(problems: list[str]) -> str:
    count = f"{len(problems)} problems in the recipe: " if len(problems) > 1 else "the recipe: "
    return count + "; ".join(dict.fromkeys(problems))


def _explanations(error: ValidationError) -> list[str]:
    """One sentence a setting; what the alternatives of a union ask for is joined by "or"."""
    asked: dict[str, list[str]] = {}
    given: dict[str, str] = {}
    sentences: list[str] = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"][:2])
        if problem["type"] == "extra_forbidden":
            sentences.append(_unknown(name))
            continue
        if problem["type"] == "value_error":
            sentences.append(problem["msg"].removeprefix("Value error, "))
            continue
        message = problem["msg"].removeprefix("Input should be ")
        asked.setdefault(name, []).append(message)
        given[name] = json.dumps(problem.get("input"), default=str)
    for name, messages in asked.items():
        wanted = " or ".join(dict.fromkeys(messages))
        sentences.append(f"{name} = {given[name]}, but it should be {wanted}" if name else wanted)
    return sentences


def _unknown(name: str) -> str:
    known = _declared()
    same_key = [key for key in known if key.split(".")[-1] == name.rsplit(".", maxsplit=1)[-1]]
    sections = {key.split(".")[0] for key in known}
    close = difflib.get_close_matches(name, [*known, *sections], n=1, cutoff=0.5)
    best = same_key[:1] or close
    return f"{name} is no setting" + (f" (did you mean {best[0]}?)" if best else "")
