"""Trains before and after corrections, and says whether they helped."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from eighteen.cli import _options as opt


def command(
    context: typer.Context,
    data: opt.DataOrResume = None,
    corrections: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Decisions, as eighteen review writes them.")
    ] = None,
    out: opt.StudyOut = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings before and after (and a fold).")] = 1,
    folds: Annotated[
        int | None,
        typer.Option(min=1, help="Folds; 1 holds validation out; by default 5 up to 5,000 pictures, else 1."),
    ] = None,
    margin: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="A difference in accuracy below it does not matter.")
    ] = 0.01,
    resume: opt.ResumeStudy = None,
    recipe: opt.RecipeName = None,
    settings: opt.Settings = None,
    model: opt.Model = None,
    weights: opt.Weights = None,
    budget: opt.TrainingBudget = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the first training.")] = None,
    image_column: opt.ImageColumn = None,
    label_column: opt.LabelColumn = None,
    split_column: opt.SplitColumn = None,
    group_column: opt.GroupColumn = None,
    splits_from: opt.SplitsFrom = None,
    resplit: opt.Resplit = False,
    accept: opt.Accept = None,
    strict: opt.Strict = False,
    as_json: opt.AsJson = False,
) -> None:
    """Prove that corrections helped: train on the labels as they were and as corrected, on the same folds.

    The test split takes no part. What is right is asked twice: by the corrected labels, and by those of the
    source, in case the corrections are wrong.
    """
    from eighteen import api
    from eighteen.cli import _display as show

    began = time.perf_counter()
    opt.require_new_or_resumed(context, data="DATA", corrections="--corrections FILE", out="--out STUDY")
    with show.progress_bars() as bars:
        if resume is not None:
            found, study = api.resume_clean(resume, bars), resume
        else:
            assert data is not None and corrections is not None and out is not None
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
            )
            study = out
            found = api.clean(
                data, corrections, out, chosen, seeds=seeds, folds=folds, margin=margin, progress=bars
            )
    seconds = time.perf_counter() - began
    if as_json:
        show.print_json({**found.to_json(), "study": study.as_posix(), "seconds": round(seconds, 2)})
        return
    console = show.console()
    colours = {"helps": "bold green", "hurts": "bold red"}
    verdict = found.corrected.verdict
    console.print(verdict, style=colours.get(verdict, "bold"), markup=False)
    console.print(found.sentence, markup=False)
    rows = {
        "by the corrected labels": found.corrected.difference,
        "by the labels as they were": found.uncorrected.difference,
    }
    if found.flags is not None:
        rows["decided pictures that were wrong"] = found.flags
    show.print_measures(rows, "\naccuracy, after minus before", console)
    console.print(f"\nstudy   {study}   ({show.clock(seconds)} in all)", markup=False)
