"""Trains a model and leaves a run folder with weights, measures and a report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from eighteen.cli import _options as opt


def command(
    context: typer.Context,
    data: opt.DataOrResume = None,
    out: Annotated[Path | None, typer.Option(help="Run folder to make; never overwritten.")] = None,
    recipe: opt.RecipeName = None,
    settings: opt.Settings = None,
    model: opt.Model = None,
    weights: opt.Weights = None,
    budget: Annotated[
        str | None, typer.Option(help="Time for training, such as 10m: epochs and size are fitted to it.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and augmentation.")] = None,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Go on with an interrupted run.")] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Score the test split at the end; each opening is written down.")
    ] = False,
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
    """Train a classifier: audit, split, train, evaluate on validation, report.

    Ctrl-C saves the state; go on with --resume RUN. The test split stays closed unless --test is given.
    """
    from eighteen import api
    from eighteen.cli import _display as show
    from eighteen.cli._summary import print_summary

    began = time.perf_counter()
    flags = {**opt.training_flags(model, weights, budget, seed), "evaluation.open_test": test or None}
    if resume is not None:
        opt.require_alone(context, "resume", "data")
        with show.progress_bars() as bars:
            run = api.resume(resume, data, bars)
    else:
        if data is None or out is None:
            raise typer.BadParameter("train needs DATA and --out RUN (or --resume RUN)")
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
        with show.progress_bars() as bars:
            run = api.train(data, out, chosen, bars)
    print_summary(run, time.perf_counter() - began, as_json)
