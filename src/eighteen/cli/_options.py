"""Options that several commands share, and the recipe that they make."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from eighteen.core.recipe import Recipe

DataPath = Annotated[
    Path, typer.Argument(help="Folder of class folders, a table with image and label, or IDX files.")
]
DataOrResume = Annotated[
    Path | None, typer.Argument(help="Folder of class folders, a table with image and label, or IDX files.")
]
StudyOut = Annotated[Path | None, typer.Option(help="Study folder to make; never overwritten.")]
ResumeStudy = Annotated[Path | None, typer.Option(metavar="STUDY", help="Go on with an interrupted study.")]
TrainingBudget = Annotated[
    str | None, typer.Option(help="Time for each training, such as 10m: epochs and size are fitted to it.")
]
RunPath = Annotated[Path, typer.Argument(help="Run folder.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, all else on standard error.")
]
RecipeName = Annotated[str | None, typer.Option("--recipe", help="Name of a recipe, or a .toml file.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="Change a setting, such as training.epochs=30; repeatable.",
    ),
]
Model = Annotated[str | None, typer.Option(help="Network: resnet18, or any timm backbone.")]
Weights = Annotated[str | None, typer.Option(metavar="FILE|imagenet|none", help="What training starts from.")]
ImageColumn = Annotated[str | None, typer.Option(help="Column that holds the image path.")]
LabelColumn = Annotated[str | None, typer.Option(help="Column that holds the label.")]
SplitColumn = Annotated[str | None, typer.Option(help="Column that holds train, val or test.")]
GroupColumn = Annotated[
    str | None, typer.Option(help="Column (patient, burst, sender) whose equal values stay on one side.")
]
SplitsFrom = Annotated[Path | None, typer.Option(help="Run whose splits are taken over.")]
Resplit = Annotated[bool, typer.Option("--resplit", help="Ignore given splits and make new ones.")]
Accept = Annotated[
    list[str] | None, typer.Option(metavar="CHECK", help="Accept a blocking finding by name; repeatable.")
]
Corrections = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Decisions on single pictures, as eighteen review writes them."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Let every warning of the audit block training.")]


def make_recipe(
    name: str | None,
    settings: list[str] | None,
    *,
    flags: Mapping[str, object] = MappingProxyType({}),
    image_column: str | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    splits_from: Path | None = None,
    resplit: bool = False,
    accept: list[str] | None = None,
    strict: bool = False,
    corrections: Path | None = None,
) -> Recipe:
    """The recipe of a command line: its recipe, then its flags, then `--set`, later ones winning."""
    from eighteen.core.config import load_recipe

    if resplit and split_column is not None:
        raise typer.BadParameter(
            f"--split-column {split_column} names splits that --resplit ignores; leave one of them out"
        )
    named = {
        **flags,
        "data.image_column": image_column,
        "data.label_column": label_column,
        "data.split_column": split_column,
        "data.group_column": group_column,
        "data.splits_from": splits_from.as_posix() if splits_from else None,
        "data.resplit": resplit or None,
        "data.accept": list(accept) if accept else None,
        "data.strict": strict or None,
        "data.corrections": corrections.as_posix() if corrections else None,
    }
    given = [setting(key, value) for key, value in named.items() if value is not None]
    return load_recipe(name, [*given, *(settings or [])])


def require_sections(
    settings: list[str] | None, sections: Collection[str], *, idle: Collection[str] = (), more: str = ""
) -> None:
    """Refuses `--set` of what a command does not look at. A recipe file may hold more: it serves others too.

    Args:
        settings: as they were given.
        sections: names of sections, or of single fields with their section, that have an effect.
        idle: fields of these sections that have none.
        more: how the others would get one.

    Raises:
        typer.BadParameter: naming the first that would do nothing.
    """
    for each in settings or []:
        name = each.partition("=")[0].strip()
        if name in idle:
            raise typer.BadParameter(f"--set {each} would do nothing here; leave it out{more}")
        if not {name, name.partition(".")[0]} & {*sections}:
            expected = ", ".join(one if "." in one or one == "seed" else f"{one}.KEY" for one in sections)
            raise typer.BadParameter(
                f"--set {each} would do nothing here; expected {expected}=VALUE, such as "
                f"data.allow_outside=true{more}"
            )


def training_flags(
    model: str | None, weights: str | None, budget: str | None, seed: int | None
) -> dict[str, object]:
    """What the flags of a training set in a recipe, for `make_recipe`; None where a flag was not given."""
    return {
        "model.name": model,
        "model.weights": weights,
        "training.budget_minutes": None if budget is None else minutes(budget),
        "seed": seed,
    }


def require_alone(context: typer.Context, flag: str, *besides: str) -> None:
    """Going on with an interrupted run or study happens as it began: nothing else may be said.

    Args:
        context: of the command.
        flag: parameter that names what to go on with; it was given.
        besides: parameters that go with it.

    Raises:
        typer.BadParameter: something else was given; names it.
    """
    allowed = {flag, "as_json", *besides}
    given = [
        max(parameter.opts, key=len) if parameter.param_type_name == "option" else "DATA"
        for parameter in context.command.params
        if parameter.name not in allowed and was_given(context, parameter.name or "")
    ]
    if given:
        raise typer.BadParameter(f"--{flag} goes on as it began; leave out {', '.join(given)}")


def was_given(context: typer.Context, name: str) -> bool:
    """Whether a parameter stands on the command line, also where it says what is so by default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def require_new_or_resumed(context: typer.Context, **needed: str) -> None:
    """A study is either begun, with what it needs, or gone on with.

    Args:
        context: of the command.
        needed: parameters that a new study cannot do without, with what the message calls them.

    Raises:
        typer.BadParameter: neither, or both.
    """
    if context.params["resume"] is not None:
        require_alone(context, "resume")
    elif any(context.params[name] is None for name in needed):
        *first, last = needed.values()
        raise typer.BadParameter(
            f"{context.info_name} needs {', '.join(first)} and {last} (or --resume STUDY)"
        )


def setting(key: str, value: object) -> str:
    """A `key=value` whose value reads back exactly."""
    return f"{key}={json.dumps(value, ensure_ascii=False)}"


def minutes(text: str) -> float:
    """Minutes of "90s", "10m", "1.5h" or a plain number of minutes.

    >>> minutes("90s"), minutes("1.5h"), minutes("10")
    (1.5, 90.0, 10.0)
    """
    units = {"s": 1 / 60, "m": 1.0, "h": 60.0}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "m")
    try:
        value = float(number) * units[unit]
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise typer.BadParameter(f"'{text}' is no time; use 90s, 10m or 1.5h")
    return value
