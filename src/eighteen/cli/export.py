"""Writes a trained model in a format that runs elsewhere, and proves that it answers alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eighteen.cli import _options as opt

if TYPE_CHECKING:
    from eighteen.exporting.export import Exported


def command(
    run: opt.RunPath,
    to: Annotated[str, typer.Option(metavar="FORMAT", help="onnx, …: docs/shipping.md lists them.")] = "onnx",
    precision: Annotated[str, typer.Option(help="Of the network: fp32, fp16, bf16 or int8.")] = "fp32",
    out: Annotated[
        Path | None, typer.Option(help="Folder to make; by default RUN/exports/FORMAT[-PRECISION].")
    ] = None,
    pictures: Annotated[
        int, typer.Option(min=1, help="Real files of the run that both models are asked for.")
    ] = 1000,
    as_json: opt.AsJson = False,
) -> None:
    """Ship a trained model, with proof that it gives the same answers.

    The exported model is opened in its own runtime and asked for the run's pictures. One that disagrees is
    removed, and the exit code is 3.
    """
    from eighteen import api
    from eighteen.cli import _display as show

    with show.progress_bars() as bars:
        made = api.export(run, to, precision, out, bars, pictures=pictures)
    if as_json:
        show.print_json(made.to_json())
        return
    _print(made)


def _print(made: Exported) -> None:
    """What was proved, figure by figure, and how to go on."""
    from rich.table import Table

    from eighteen.cli import _display as show
    from eighteen.exporting.uncompared import NotCompared
    from eighteen.reporting.exports import done_for

    parity, info, out = made.parity, made.artifact.info, show.console()
    if isinstance(parity, NotCompared):
        out.print(f"{info['kind']} {info['precision']}: {parity.sentence}.", style="yellow", markup=False)
        for holds in parity.checked:
            out.print(f"read in the files: {holds}", markup=False)
        out.print(f"Outside the file: {info['outside']}.", style="yellow", markup=False)
        out.print(f"\nmodel   {made.artifact.model_path}", markup=False)
        out.print(f"read    {made.artifact.path / 'README.md'}", markup=False)
        return
    title = f"{info['kind']} {info['precision']}, against the run it was made from"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_column("of", style="dim")
    table.add_row("same answer", f"{parity.top1_agreement:.2%}", f"of {parity.n:,} real files")
    table.add_row(
        "probability differs by at most",
        f"{parity.max_probability_difference:.1e}",
        f"files, and {parity.awkward} awkward pictures",
    )
    if (each := parity.accuracy_difference) is not None and each.value is not None:
        between = (
            f"{100 * each.low:+.2f} to {100 * each.high:+.2f}"
            if each.low is not None and each.high is not None
            else ""
        )
        table.add_row(
            "accuracy on validation", f"{100 * each.value:+.2f} points", f"{between}, n = {each.n:,}"
        )
    for size, times in parity.latency_ms.items():
        of = "one picture" if size == "1" else f"{size} pictures"
        own = parity.source_latency_ms[size]["p50"]
        note = f"95th percentile {times['p95']:.1f} ms; the run itself {own:.1f} ms"
        table.add_row(f"time for {of}", f"{times['p50']:.1f} ms", note)
    if parity.memory is not None:
        before = parity.memory.before_bytes / 1e6
        table.add_row(
            "peak memory", f"{parity.memory.peak_bytes / 1e6:.0f} MB", f"{before:.0f} MB before the model"
        )
    table.add_row("size", f"{parity.size_bytes / 1e6:.1f} MB", "")
    out.print(table)
    if done := done_for(info["facts"]):
        out.print(f"{done[:1].upper()}{done[1:]}.", style="yellow", markup=False)
    if parity.slower:
        out.print(f"It is {parity.slower}.", style="yellow", markup=False)
    if info["outside"]:
        out.print(f"Outside the file: {info['outside']}.", style="yellow", markup=False)
    if made.embedded is not None:
        show.print_boards(made.embedded, out)
    out.print(f"\nmodel   {made.artifact.model_path}", markup=False)
    out.print(f"read    {made.artifact.path / 'README.md'}", markup=False)
    out.print(f"use     eighteen predict {made.artifact.path} PICTURES", markup=False)
    out.print(f"test    eighteen evaluate {made.artifact.path}", markup=False)
