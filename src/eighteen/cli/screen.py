"""Screens a pile of new pictures: what is broken, doubled or off topic, and which ones to label."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eighteen.cli import _options as opt

if TYPE_CHECKING:
    from eighteen.screening.screen import Screened

_SHOWN = 8


class Method(StrEnum):
    """How pictures are chosen."""

    varied = "varied"
    uncertain = "uncertain"
    mixed = "mixed"
    random = "random"


def command(
    pile: Annotated[Path, typer.Argument(help="Folder of new pictures, or a table that names them.")],
    against: Annotated[
        Path | None,
        typer.Option(help="Data set that they are for; by default that of the run."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Table to write: .csv, .parquet or .jsonl.")] = None,
    n: Annotated[int, typer.Option("--n", min=0, help="Pictures to choose for labelling.")] = 300,
    method: Annotated[
        Method | None,
        typer.Option(help="How to choose; by default mixed where classes can be suggested, else varied."),
    ] = None,
    run: Annotated[Path | None, typer.Option(help="Run whose network looks and says how sure it is.")] = None,
    model: Annotated[str | None, typer.Option(help="Network that looks, where there is no run.")] = None,
    weights: Annotated[str | None, typer.Option(help="Its weights: a file, or imagenet.")] = None,
    copy_to: Annotated[
        Path | None, typer.Option(help="Folder to make: the chosen ones in class folders (links or copies).")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Page to write, with the pictures: .html.")] = None,
    false_drop: Annotated[
        float,
        typer.Option(min=0.0001, max=0.5, help="Share of good pictures that may be called off topic."),
    ] = 0.01,
    seed: Annotated[int, typer.Option(help="Of what is drawn by chance.")] = 0,
    image_column: opt.ImageColumn = None,
    label_column: opt.LabelColumn = None,
    group_column: opt.GroupColumn = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="data.KEY=VALUE",
            help="How to read, such as data.allow_outside=true; repeatable.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, …")] = "auto",
    as_json: opt.AsJson = False,
) -> None:
    """Choose which of many new pictures to label, and say why.

    Drops what is broken, copied, nearly copied or off topic, then takes those that teach the most. Nothing in
    the pile is moved or changed.
    """
    from eighteen import api
    from eighteen.cli import _display as show
    from eighteen.screening.screen import Wish

    if out is None and copy_to is None and report is None and not as_json:
        raise typer.BadParameter("name what to write: --out TABLE, --copy-to FOLDER, --report PAGE or --json")
    columns = {"image_column": image_column, "label_column": label_column, "group_column": group_column}
    wish = Wish(n, method.value if method else None, false_drop, seed)
    with show.progress_bars() as bars:
        found = api.screen(
            pile,
            against,
            out,
            wish=wish,
            run=run,
            model=model,
            weights=weights,
            columns={name: column for name, column in columns.items() if column is not None},
            settings=_of_data(settings or []),
            copy_to=copy_to,
            report=report,
            device=device,
            progress=bars,
        )
    if as_json:
        show.print_json(found.to_json())
    _print(found, {"table": out, "folder": copy_to, "page": report})


def _of_data(settings: list[str]) -> dict[str, Any]:
    """Values of `--set`, by key of the `data` section; others would do nothing here and are refused."""
    from eighteen.core.config import load_recipe

    opt.require_sections(settings, ["data"])
    data = load_recipe(None, settings).data.model_dump()
    return {key: data[key] for key in (each.partition("=")[0].strip()[5:] for each in settings)}


def _print(found: Screened, written: dict[str, Path | None]) -> None:
    from eighteen.cli import _display as show
    from eighteen.screening.rows import DECISIONS

    out = show.console()
    out.print(f"{len(found.table)} pictures, looked at with {found.looked_with}", markup=False)
    for name, meaning in DECISIONS.items():
        out.print(f"{found.counts[name]:7} {name.replace('_', ' '):15} {meaning}", markup=False)
    for path, reason in found.rows("chosen").head(_SHOWN).select("path", "reason").iter_rows():
        out.print(f"  {path}: {reason}", style="dim", markup=False)
    for note in found.notes:
        out.print(note, style="yellow", markup=False)
    for what, place in written.items():
        if place is not None:
            out.print(f"{what:7} {place}", markup=False)
