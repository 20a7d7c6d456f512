"""Looks at a data set without training: what is broken, doubled, leaking, contradictory or unbalanced."""

from __future__ import annotations

import typer

from eighteen.cli import _options as opt


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
    as_json: opt.AsJson = False,
) -> None:
    """Find broken, doubled, leaking, contradictory and unbalanced pictures.

    Decodes every picture once, splits as training would, and writes nothing. Exit code 3 when a finding
    blocks training.
    """
    from eighteen import api
    from eighteen.cli import _display as show

    chosen = opt.make_recipe(
        recipe,
        settings,
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
        found = api.audit(data, chosen, bars)
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
