"""Climbs from a plain recipe through the best practices, keeping those that the evidence speaks for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eighteen.cli import _options as opt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from eighteen.core.study import Study


def command(
    context: typer.Context,
    data: opt.DataOrResume = None,
    out: opt.StudyOut = None,
    budget: Annotated[str | None, typer.Option(help="Time for everything together: 90s, 10m, 1.5h.")] = None,
    start: Annotated[
        str, typer.Option(metavar="textbook|default", help="The recipe at the foot of the climb.")
    ] = "textbook",
    only: Annotated[
        list[str] | None, typer.Option(metavar="RUNG", help="Offer only this rung; repeatable.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="RUNG", help="Leave this rung out; repeatable.")
    ] = None,
    metric: Annotated[
        str, typer.Option(metavar="accuracy|balanced_accuracy|macro_f1|nll", help="What is to get better.")
    ] = "accuracy",
    folds: Annotated[int, typer.Option(min=1, help="Of the climb and of the confirmation.")] = 3,
    seeds: Annotated[int, typer.Option(min=1, help="Of the confirmation.")] = 2,
    test: Annotated[
        bool, typer.Option("--test", help="Score the test split once, at the end; it is written down.")
    ] = False,
    resume: opt.ResumeStudy = None,
    recipe: opt.RecipeName = None,
    settings: opt.Settings = None,
    model: opt.Model = None,
    weights: opt.Weights = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the climb.")] = None,
    image_column: opt.ImageColumn = None,
    label_column: opt.LabelColumn = None,
    split_column: opt.SplitColumn = None,
    group_column: opt.GroupColumn = None,
    splits_from: opt.SplitsFrom = None,
    resplit: opt.Resplit = False,
    accept: opt.Accept = None,
    strict: opt.Strict = False,
    corrections: opt.Corrections = None,
    as_json: opt.AsJson = False,
) -> None:
    """Find out which practices help on these pictures, and which cannot be told apart from doing without.

    Each is tried on the same folds as the recipe without it. The end is trained anew beside the default
    recipe, with fresh seeds on fresh folds.
    """
    from eighteen import api
    from eighteen.cli import _display as show

    began = time.perf_counter()
    opt.require_new_or_resumed(context, data="DATA", out="--out STUDY")
    with show.progress_bars() as bars:
        if resume is not None:
            study = api.resume_climb(resume, bars)
        else:
            assert data is not None and out is not None
            chosen = opt.make_recipe(
                recipe,
                settings,
                flags=opt.training_flags(model, weights, None, seed),
                image_column=image_column,
                label_column=label_column,
                split_column=split_column,
                group_column=group_column,
                splits_from=splits_from,
                resplit=resplit,
                accept=accept,
                strict=strict,
                corrections=corrections,
            )
            study = api.climb(
                data,
                out,
                chosen,
                start=start,
                only=tuple(only or ()),
                without=tuple(without or ()),
                metric=metric,
                minutes=None if budget is None else opt.minutes(budget),
                folds=folds,
                seeds=seeds,
                open_test=test,
                progress=bars,
            )
    _print(study, time.perf_counter() - began, as_json)


def _print(study: Study, seconds: float, as_json: bool) -> None:
    from eighteen.cli import _display as show
    from eighteen.cli._contenders import print_contenders
    from eighteen.core.run import Run

    result = study.result
    measures = Run.open(result["best"]["run"]).measures
    if as_json:
        names = (
            "metric",
            "start",
            "default",
            "best",
            "rungs",
            "changes",
            "comparison",
            "climbed",
            "sentence",
            "notes",
            "epochs",
            "size_px",
            "confirmation",
        )
        show.print_json(
            {
                "study": study.path.as_posix(),
                "report": (study.path / "report.html").as_posix(),
                **{name: result[name] for name in names},
                "test": {name: each.to_json() for name, each in measures.get("test", {}).items()},
                "seconds": round(seconds, 2),
            }
        )
    out = show.console()
    for note in result["notes"]:
        out.print(note, style="yellow", markup=False)
    _print_rungs(result["rungs"], result["metric"], out)
    out.print(result["correction"], style="dim", markup=False)
    out.print(f"\n{result['sentence']}", style="bold", markup=False)
    print_contenders(result, f"\n{result['metric']}", out)
    if "test" in measures:
        show.print_measures(measures["test"], "\ntest, opened once", out)
    out.print(f"\nrun     {result['best']['run']}", markup=False)
    out.print(f"report  {study.path / 'report.html'}   ({show.clock(seconds)} in all)", markup=False)


def _print_rungs(rows: Sequence[dict[str, Any]], metric: str, out: Console) -> None:
    from rich.table import Table

    from eighteen.measuring.verdicts import figure, unit
    from eighteen.reporting.words import tried_and_untried

    table = Table(title="\nwhat each practice brought", title_justify="left", box=None, pad_edge=False)
    table.add_column("rung", no_wrap=True)
    table.add_column(unit(metric), justify="right", no_wrap=True)
    for heading in ("folds", "min"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict")
    tried, untried = tried_and_untried(rows)
    for row in tried:
        found = row["difference"]
        ends = [] if found is None else [figure(found[end], metric) for end in ("value", "low", "high")]
        value = "{} [{}, {}]".format(*ends) if ends else "–"
        style = "bold green" if row["kept"] else None
        verdict = row["verdict"].replace("could not be told apart", "cannot tell")
        folds = str(row["folds"] or "–")
        table.add_row(row["name"], value, folds, f"{row['minutes']:.1f}", verdict, style=style)
    out.print(table)
    for reason, same in untried.items():
        out.print(f"{reason}: {', '.join(row['name'] for row in same)}", style="dim", markup=False)
