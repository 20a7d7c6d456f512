"""Cross-validates a recipe: every picture is scored by a training that never saw it."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from eighteen.cli import _options as opt


def command(
    context: typer.Context,
    data: opt.DataOrResume = None,
    out: opt.StudyOut = None,
    folds: Annotated[int, typer.Option(min=2, help="Trainings a repeat.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="How often the folds are dealt anew.")] = 1,
    resume: opt.ResumeStudy = None,
    recipe: opt.RecipeName = None,
    settings: opt.Settings = None,
    model: opt.Model = None,
    weights: opt.Weights = None,
    budget: opt.TrainingBudget = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the first repeat.")] = None,
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
    """Measure a recipe by cross-validation: the way to know with few pictures.

    The test split takes no part and stays closed. Each training splits its own validation off what it sees.
    """
    from eighteen import api
    from eighteen.cli import _display as show

    began = time.perf_counter()
    opt.require_new_or_resumed(context, data="DATA", out="--out STUDY")
    with show.progress_bars() as bars:
        if resume is not None:
            study = api.resume_crossval(resume, bars)
        else:
            assert data is not None and out is not None
            flags = opt.training_flags(model, weights, budget, seed)
            chosen = opt.make_recipe(
                recipe,
                settings,
                flags=flags,
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
            study = api.crossval(data, out, chosen, folds=folds, repeats=repeats, progress=bars)
    measures, details = study.measures, study.details
    if as_json:
        show.print_json(
            {
                "study": study.path.as_posix(),
                "folds": details["folds"],
                "repeats": details["repeats"],
                "predictions": (study.path / "predictions.parquet").as_posix(),
                "counts": details["counts"],
                "measures": {name: measure.to_json() for name, measure in measures.items()},
                "seconds": round(time.perf_counter() - began, 2),
            }
        )
    console = show.console()
    title = f"\nout of fold, {details['folds']} folds: {details['images']} pictures outside the test split"
    show.print_measures(measures, title, console)
    console.print(details["resolution"], style="dim", markup=False)
    console.print(
        f"\nstudy   {study.path}   ({show.clock(time.perf_counter() - began)} in all)", markup=False
    )
