"""Scores a trained model on validation, on the test split by name, or on other data."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from eighteen.cli import _options as opt


def command(
    run: Annotated[Path, typer.Argument(help="Run folder, or a model of eighteen export.")],
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
    recall: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS=0.95",
            help="From which probability on a class is named so often, chosen on validation; repeatable.",
        ),
    ] = None,
    costs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="What mistakes cost: a row for each true class, a column for each answer.",
        ),
    ] = None,
    abstain_cost: Annotated[
        float | None, typer.Option(min=0, help="What giving no answer costs, with --costs.")
    ] = None,
    cost: Annotated[
        bool, typer.Option("--cost", help="Also measure time and memory of an answer on this machine.")
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Of an exported model: its run, if it does not lie in it."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Of an exported model: where results go, if not beside it."),
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Measure a trained model, each number with its interval."""
    from eighteen import api
    from eighteen.cli import _display as show
    from eighteen.cli._summary import print_artifact_summary, print_summary
    from eighteen.core.run import Run
    from eighteen.inference.exported import is_exported

    began = time.perf_counter()
    if abstain_cost is not None and costs is None:
        raise typer.BadParameter("--abstain-cost goes with --costs FILE.csv")
    if is_exported(run):
        for_runs = {"--unknown": unknown, "--corrections": corrections, "--recall": recall, "--costs": costs}
        given = [name for name, value in {**for_runs, "--cost": cost or None}.items() if value]
        if given:
            raise typer.BadParameter(f"{', '.join(given)}: that goes with a run, not with an exported model")
        with show.progress_bars() as bars:
            measured_there = api.evaluate_artifact(run, split, data, bars, source=source, out=out)
        print_artifact_summary(run, *measured_there, time.perf_counter() - began, as_json)
        return
    if source is not None or out is not None:
        raise typer.BadParameter(f"--source and --out go with an exported model, and {run} is none")
    required = dict(map(_required, recall or []))
    with show.progress_bars() as bars:
        result = api.evaluate(
            run,
            split,
            data,
            bars,
            unknown=unknown,
            corrections=corrections,
            recall=required,
            costs=costs,
            abstain_cost=abstain_cost,
        )
        api.report(run)
        seconds = time.perf_counter() - began
        measured = api.cost(run, bars) if cost else None
    more = {
        name: result.details[name] for name in ("operating_points", "mistake_costs") if name in result.details
    }
    if measured is not None:
        more["cost"] = measured.to_json()
    print_summary(Run.open(run), seconds, as_json, (result.name,), more)
    if measured is not None:
        show.console().print(measured.sentence, markup=False)


def _required(text: str) -> tuple[str, float]:
    """Class and recall of "CLASS=0.95"; the class itself may hold "="."""
    name, _, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    if not name or not 0 < value <= 1:
        raise typer.BadParameter(f"--recall '{text}': expected a class and a share, such as CLASS=0.95")
    return name, value
