"""Searches for settings that beat the default recipe, and confirms the best on fresh seeds and folds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eighteen.cli import _options as opt

if TYPE_CHECKING:
    from eighteen.core.study import Study


def command(
    context: typer.Context,
    data: opt.DataOrResume = None,
    out: opt.StudyOut = None,
    method: Annotated[
        str, typer.Option(metavar="tpe|random|gp|hyperband|grid", help="How the next trial is chosen.")
    ] = "tpe",
    budget: Annotated[
        str | None, typer.Option(help="Time for search and confirmation together: 90s, 10m, 1.5h.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=2, help="Most trials; the first is the default recipe.")
    ] = None,
    metric: Annotated[
        str,
        typer.Option(
            metavar="accuracy|balanced_accuracy|macro_f1|nll",
            help="What is to get better, in the search and in its verdict.",
        ),
    ] = "balanced_accuracy",
    space: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=LOW..HIGH | FIELD=A,B,C",
            help="Range or values of a field; repeatable. none: only what is named after it.",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Of the confirmation; 1 holds out one of five fresh folds, without validation pictures; by "
            "default 5 up to 5,000 pictures outside the test split.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Of the confirmation.")] = 2,
    winners: Annotated[int, typer.Option(min=1, max=3, help="Best trials that are trained anew.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Processes on this machine.")] = 1,
    storage: Annotated[
        str | None,
        typer.Option(
            envvar="EIGHTEEN_STORAGE",
            show_envvar=False,
            metavar="URL",
            help="postgresql://user@host/name instead of SQLite in the study's folder; also read from the "
            "variable EIGHTEEN_STORAGE.",
        ),
    ] = None,
    resume: opt.ResumeStudy = None,
    join: Annotated[
        Path | None, typer.Option(metavar="STUDY", help="Make trials of a search that runs elsewhere.")
    ] = None,
    recipe: opt.RecipeName = None,
    settings: opt.Settings = None,
    model: opt.Model = None,
    weights: opt.Weights = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the search and of its trainings.")] = None,
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
    """Search for better settings, and say honestly whether any were found.

    Trials are measured on validation; the best one and the default are then trained anew, and only that is
    the answer. The test split takes no part and stays closed.
    """
    from eighteen import api
    from eighteen.cli import _display as show

    began = time.perf_counter()
    if join is not None:
        opt.require_alone(context, "join", "storage")
    elif resume is not None:
        opt.require_alone(context, "resume", "storage")
    elif data is None or out is None:
        raise typer.BadParameter("tune needs DATA and --out STUDY, or --resume STUDY, or --join STUDY")
    with show.progress_bars() as bars:
        if join is not None:
            made = api.join_tune(join, storage=storage, progress=bars)
            _print_joined(join, made, as_json)
            return
        if resume is not None:
            study = api.resume_tune(resume, storage=storage, progress=bars)
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
            study = api.tune(
                data,
                out,
                chosen,
                method=method,
                metric=metric,
                trials=trials,
                minutes=None if budget is None else opt.minutes(budget),
                space=tuple(space or ()),
                folds=folds,
                seeds=seeds,
                winners=winners,
                workers=workers,
                storage=storage,
                progress=bars,
            )
    _print(study, time.perf_counter() - began, as_json)


def _print_joined(study: Path, made: int, as_json: bool) -> None:
    from eighteen.cli import _display as show

    if as_json:
        show.print_json({"study": study.as_posix(), "trials": made})
    show.console().print(f"the search has used up its budget: {made} trials", markup=False)


def _print(study: Study, seconds: float, as_json: bool) -> None:
    from eighteen.cli import _display as show
    from eighteen.cli._contenders import print_contenders

    result = study.result
    if as_json:
        show.print_json(
            {
                "study": study.path.as_posix(),
                "report": (study.path / "report.html").as_posix(),
                **{name: result[name] for name in ("metric", "method", "default", "best", "changes")},
                "comparison": result["comparison"],
                "trials": len(result["trials"]),
                "importance": result["importance"],
                "sentence": result["sentence"],
                "seconds": round(seconds, 2),
            }
        )
    out = show.console()
    out.print(f"\n{result['sentence']}", style="bold", markup=False)
    states = [row["state"] for row in result["trials"]]
    counted = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states)))
    print_contenders(result, f"\n{result['metric']} ({len(states)} trials: {counted})", out)
    for name, value in result["changes"].items():
        out.print(f"  --set {name}={value:g}" if isinstance(value, float) else f"  --set {name}={value}")
    if result["importance"]:
        told = ", ".join(
            f"{name} {100 * share:.0f} %" for name, share in list(result["importance"].items())[:4]
        )
        out.print(f"what mattered in the search: {told}", style="dim", markup=False)
    out.print(f"\nall trials  {result['dashboard']}", style="dim", markup=False)
    out.print(f"report  {study.path / 'report.html'}   ({show.clock(seconds)} in all)", markup=False)
