"""The whole way on a real built-in sample: audit, train, evaluate, predict, report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from eighteen.cli import _options as opt


def command(
    out: Annotated[Path, typer.Option(help="Folder for the sample, the run and the predictions.")] = Path(
        "eighteen-demo"
    ),
    as_json: opt.AsJson = False,
) -> None:
    """Run the whole way on a real built-in sample, without a network.

    Handwritten digits with three planted faults: the audit finds them, a model is trained and tested (the
    test split is opened), some pictures are predicted, and a report is written.
    """
    from eighteen import api
    from eighteen.cli import _display as show
    from eighteen.cli._summary import print_summary

    began = time.perf_counter()
    with show.progress_bars() as bars:
        run = api.demo(out, bars)
    screen, digits = show.console(), out / "digits"
    for title in (f"eighteen audit {digits}", f"eighteen train {digits} --recipe demo --out {run.path}"):
        screen.print(f"\n{title}", style="bold", markup=False)
        if "audit" in title:
            show.print_findings(run.findings, screen)
    print_summary(run, time.perf_counter() - began, as_json)
    screen.print(f"predictions  {run.path / 'predictions.csv'}", markup=False)
