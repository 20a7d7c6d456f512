"""Writes what a trained model says about pictures into a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eighteen.cli import _options as opt


def command(
    run: opt.RunPath,
    sources: Annotated[
        list[Path], typer.Argument(metavar="FILES-OR-FOLDERS", help="Pictures, or folders of them.")
    ],
    out: Annotated[Path | None, typer.Option(help="Table to write: .csv, .parquet or .jsonl.")] = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            min=0.5,
            max=0.999,
            help="Also give the set of classes that holds the true one as often as this says, such as 0.95.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, …")] = "auto",
    as_json: opt.AsJson = False,
) -> None:
    """Name what is in pictures. One that cannot be read is a row with its error, never missing."""
    from eighteen import api
    from eighteen.cli import _display as show

    with show.progress_bars() as bars:
        result = api.predict(run, sources, out, bars, device=device, coverage=coverage)
    if as_json:
        show.print_json(result.to_json())
        return
    if out is None:
        for path, row in zip(result.paths, result.rows, strict=True):
            also = f"\t{', '.join(row.labels)}" if result.with_sets else ""
            typer.echo(f"{path}\t{row.label}\t{row.score:.4f}\t{row.error}{also}")
    failed = sum(bool(row.error) for row in result.rows)
    note = f"; {failed} could not be read (see the column error)" if failed else ""
    place = f", written to {out}" if out else ""
    show.console().print(f"{len(result.rows)} pictures{place}{note}", markup=False)
