"""Looks at a data set without training: what is broken, doubled, leaking, contradictory or unbalanced."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eighteen.cli import _options as opt

LOOKED_AT = ("inputs", "model", "seed", "training.device")
"""Beside the data: what frozen features depend on."""


def command(
    data: opt.DataPath,
    recipe: opt.RecipeName = None,
    settings: opt.Settings = None,
    image_column: opt.ImageColumn = None,
    label_column: opt.LabelColumn = None,
    split_column: opt.SplitColumn = None,
    group_column: opt.GroupColumn = None,
    splits_from: opt.SplitsFrom = None,
    resplit: opt.Resplit = False,
    accept: opt.Accept = None,
    strict: opt.Strict = False,
    corrections: opt.Corrections = None,
    labels_from: Annotated[
        Path | None,
        typer.Option(
            metavar="STUDY|RUN", help="Name labels that look wrong to its predictions of held-out pictures."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Look with frozen features of this network: labels, outliers, enough pictures?"),
    ] = None,
    weights: Annotated[str | None, typer.Option(metavar="FILE|imagenet", help="Its weights.")] = None,
    test_labels: Annotated[
        bool, typer.Option("--test-labels", help="Look at labels of the test split too; its ledger says so.")
    ] = False,
    groups_out: Annotated[
        Path | None,
        typer.Option(
            help="CSV file to write: the group of each picture, with copies and near copies joined to it. "
            "Only groups of an earlier audit are overwritten."
        ),
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Find broken, doubled, leaking, contradictory and unbalanced pictures.

    Decodes every picture once, splits as training would, and writes nothing but --groups-out. With
    --labels-from or --weights a model looks for wrong labels too. Exit code 3 when a finding blocks training.
    """
    if model is not None and weights is None:
        raise typer.BadParameter("--model looks with weights: add --weights FILE, or --weights imagenet")
    looks = weights is not None
    more = "" if looks else "; to look with a network, --model NAME --weights FILE"
    opt.require_sections(settings, ["data", *(LOOKED_AT if looks else [])], more=more)
    from eighteen import api
    from eighteen.cli import _display as show

    chosen = opt.make_recipe(
        recipe,
        settings,
        flags={
            key: value
            for key, value in (("model.name", model), ("model.weights", weights))
            if value is not None
        },
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
    if groups_out is not None:
        api.check_groups_file(groups_out)
    with show.progress_bars() as bars:
        found = api.audit(data, chosen, bars, labels_from=labels_from, frozen=looks, test_labels=test_labels)
    if groups_out is not None:
        api.write_groups(found, groups_out)
    if as_json:
        show.print_json(found.to_json())
    out = show.console()
    counts = found.dataset.counts
    splits = ", ".join(f"{name} {n}" for name, n in counts["splits"].items())
    out.print(
        f"{counts['found']} pictures found, {counts['used']} used, {counts['skipped']} left out; {splits}; "
        f"{len(found.dataset.class_names)} classes",
        markup=False,
    )
    show.print_findings(found.findings, out)
    if found.blocking:
        raise typer.Exit(3)
