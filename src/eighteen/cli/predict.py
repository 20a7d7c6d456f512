"""Writes what a trained model says about pictures into a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eighteen.cli import _options as opt

if TYPE_CHECKING:
    from eighteen.inference.files import PredictedFiles


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
    """Name what is in pictures. One that cannot be read is a row with its error, never missing.

    Exit code 1 when none can be read.
    """
    from eighteen import api
    from eighteen.cli import _display as show

    with show.progress_bars() as bars:
        result = api.predict(run, sources, out, bars, device=device, coverage=coverage)
    failed, total = sum(bool(row.error) for row in result.rows), len(result.rows)
    if as_json:
        show.print_json(result.to_json())
    else:
        _print_rows(result, out, failed)
    if failed == total:
        raise typer.Exit(1)


def _print_rows(result: PredictedFiles, out: Path | None, failed: int) -> None:
    from eighteen.cli import _display as show

    if out is None:
        for path, row in zip(result.paths, result.rows, strict=True):
            also = f"\t{', '.join(row.labels)}" if result.with_sets else ""
            score = "" if row.error else f"{row.score:.4f}"
            typer.echo(f"{path}\t{row.label}\t{score}\t{row.error}{also}")
    note = f"; {failed} could not be read (see the column error)" if failed else ""
    place = f", written to {out}" if out else ""
    total = len(result.rows)
    show.console().print(f"{total} picture{'s' * (total != 1)}{place}{note}", markup=False)
