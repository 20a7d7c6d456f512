"""Scores a trained model on validation, on the test split by name, or on other data."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from eighteen.cli import _options as opt


def command(
    run: opt.RunPath,
    split: Annotated[
        str | None,
        typer.Option(
            help="train, val (the default; with --data, all of it) or test, whose opening is written down."
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Other pictures with labels.")] = None,
    unknown: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Pictures of none of the classes: does the model notice?"),
    ] = None,
    corrections: opt.Corrections = None,
    cost: Annotated[
        bool, typer.Option("--cost", help="Also measure time and memory of an answer on this machine.")
    ] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Measure a trained model, each number with its interval."""
    from eighteen import api
    from eighteen.cli import _display as show
    from eighteen.cli._summary import print_summary
    from eighteen.core.run import Run

    began = time.perf_counter()
    with show.progress_bars() as bars:
        result = api.evaluate(run, split, data, bars, unknown=unknown, corrections=corrections)
        api.report(run)
        seconds = time.perf_counter() - began
        measured = api.cost(run, bars) if cost else None
    more = {} if measured is None else {"cost": measured.to_json()}
    print_summary(Run.open(run), seconds, as_json, (result.name,), more)
    if measured is not None:
        show.console().print(measured.sentence, markup=False)
