"""Averages the weights of several runs into one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from eighteen.cli import _options as opt


def command(
    runs: Annotated[list[Path], typer.Argument(help="Trained runs of one network on one data set.")],
    out: Annotated[Path, typer.Option(help="Run folder to make; never overwritten.")],
    uniform: Annotated[
        bool, typer.Option("--uniform", help="Take all in, also those that validation speaks against.")
    ] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Average the weights of several runs into one that costs no more than one of them.

    Best first, a run is taken in if validation does not get worse. The test split stays closed.
    """
    from eighteen import api
    from eighteen.cli import _display as show
    from eighteen.cli._summary import print_summary

    began = time.perf_counter()
    with show.progress_bars() as bars:
        run = api.soup(runs, out, greedy=not uniform, progress=bars)
    print_summary(run, time.perf_counter() - began, as_json)
