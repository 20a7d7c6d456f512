"""Compares two runs, or two recipes that it trains, on the same pictures."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eighteen.cli import _options as opt

if TYPE_CHECKING:
    from eighteen.core.recipe import Recipe
    from eighteen.measuring.verdicts import Comparison


def command(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN RUN | DATA", help="Two runs, or the data to train on.")
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME,…", help="Networks to train and compare; the first is compared with."
        ),
    ] = None,
    track: Annotated[
        str | None,
        typer.Option(
            metavar="epochs|time", help="Of --models: as many epochs for each, or --budget for each."
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Of two runs; test where both have opened it, else val.")
    ] = None,
    recipe: Annotated[
        list[str] | None, typer.Option(help="Recipe or .toml file; the first is the first, and so on.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(metavar="SECTION.KEY=VALUE", help="What the second recipe changes; repeatable."),
    ] = None,
    settings: opt.Settings = None,
    out: opt.StudyOut = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each recipe.")] = 3,
    folds: Annotated[
        int | None,
        typer.Option(
            min=1, help="1 holds validation out; by default 5 up to 5,000 pictures outside the test split."
        ),
    ] = None,
    margin: Annotated[
        float, typer.Option(help="A difference in accuracy that would not matter, 0..1.")
    ] = 0.01,
    resume: opt.ResumeStudy = None,
    model: opt.Model = None,
    weights: opt.Weights = None,
    budget: opt.TrainingBudget = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the first training of each recipe.")] = None,
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
    """Say whether the second is better: helps, hurts, no difference that matters, or cannot tell.

    Two runs are compared by what they said about one split. Two recipes are trained here, with several seeds;
    so are the networks of --models, of which it says what each costs too.
    """
    from eighteen import api
    from eighteen.cli import _display as show
    from eighteen.cli._models_compared import print_models

    began = time.perf_counter()
    given = paths or []
    flags = opt.training_flags(model, weights, budget, seed)
    choices: dict[str, Any] = {
        "image_column": image_column,
        "label_column": label_column,
        "split_column": split_column,
        "group_column": group_column,
        "splits_from": splits_from,
        "resplit": resplit,
        "accept": accept,
        "strict": strict,
        "corrections": corrections,
    }
    trains = (
        any((models, track, recipe, change, settings, out, *flags.values(), *choices.values())) or seed == 0
    )
    if resume is not None:
        opt.require_alone(context, "resume")
        if api.compares_models(resume):
            with show.progress_bars() as bars:
                rows = api.resume_compare_models(resume, bars)
            print_models(rows, resume, time.perf_counter() - began, as_json)
            return
        with show.progress_bars() as bars:
            compared, where = api.resume_compare(resume, bars), resume
    elif split is not None and (models is not None or len(given) == 1):
        raise typer.BadParameter(
            "--split belongs to two runs; what is trained here is scored where it was held out"
        )
    elif models is not None:
        if len(given) != 1 or out is None or model or change or len(recipe or []) > 1:
            raise typer.BadParameter("--models takes one DATA, --out STUDY and one recipe for all of them")
        if track not in (None, "epochs", "time"):
            raise typer.BadParameter(f"--track is {track}; expected epochs or time")
        chosen = opt.make_recipe(recipe[0] if recipe else None, settings, flags=flags, **choices)
        with show.progress_bars() as bars:
            rows = api.compare_models(
                given[0],
                out,
                [name.strip() for name in models.split(",")],
                chosen,
                track="time" if track == "time" else "epochs",
                seeds=seeds,
                folds=folds,
                margin=margin,
                progress=bars,
            )
        print_models(rows, out, time.perf_counter() - began, as_json)
        return
    elif track is not None:
        raise typer.BadParameter("--track belongs to --models")
    elif len(given) == 2:
        if trains or opt.was_given(context, "seeds") or folds is not None:
            raise typer.BadParameter(
                "two runs are compared as they are; --seeds, --folds and options of training go with one DATA"
            )
        compared, where = api.compare(given[0], given[1], split, margin=margin), None
    elif len(given) == 1:
        if out is None:
            raise typer.BadParameter("comparing recipes trains them: name a folder with --out STUDY")
        names, made = _recipes(recipe or [], settings or [], change or [], flags, choices)
        with show.progress_bars() as bars:
            compared = api.compare_recipes(
                given[0],
                out,
                made[0],
                made[1],
                names=names,
                seeds=seeds,
                folds=folds,
                margin=margin,
                progress=bars,
            )
        where = out
    else:
        raise typer.BadParameter("compare needs two runs, or one DATA with recipes (or --resume STUDY)")
    _print(compared, where, time.perf_counter() - began, as_json)


def _recipes(
    named: list[str],
    settings: list[str],
    change: list[str],
    flags: Mapping[str, object],
    choices: Mapping[str, Any],
) -> tuple[tuple[str, str], tuple[Recipe, Recipe]]:
    """Names and values of the two recipes; one that is named alone is changed, or met by the default."""
    if len(named) > 2:
        raise typer.BadParameter(f"{len(named)} recipes were named; two are compared")
    if len(named) == 1:
        named = [named[0], named[0] if change else "default"]
    first, second = named or ("default", "default")
    made = [
        opt.make_recipe(None if name == "default" else name, [*settings, *more], flags=flags, **choices)
        for name, more in ((first, []), (second, change))
    ]
    if made[0] == made[1]:
        raise typer.BadParameter("both recipes are the same: give --recipe twice, or --change")
    if change:
        changes = ", ".join(change)
        second = changes if first == second else f"{second} with {changes}"
    return (first, second), (made[0], made[1])


def _print(compared: Comparison, study: Path | None, seconds: float, as_json: bool) -> None:
    from eighteen.cli import _display as show

    if as_json:
        place = {} if study is None else {"study": study.as_posix()}
        show.print_json({**compared.to_json(), **place, "seconds": round(seconds, 2)})
    out = show.console()
    colours = {"helps": "bold green", "hurts": "bold red"}
    out.print(compared.verdict, style=colours.get(compared.verdict, "bold"), markup=False)
    out.print(compared.sentence, markup=False)
    rows = {compared.metric: compared.difference, **compared.measures}
    show.print_measures(rows, "\nsecond minus first", out)
    if study is not None:
        out.print(f"\nstudy   {study}   ({show.clock(seconds)} in all)", markup=False)
