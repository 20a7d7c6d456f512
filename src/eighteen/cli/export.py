"""Writes a trained model in a format that runs elsewhere, and proves that it answers alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eighteen.cli import _options as opt


def command(
    run: opt.RunPath,
    to: Annotated[str, typer.Option(metavar="FORMAT", help="onnx, …: docs/shipping.md lists them.")] = "onnx",
    precision: Annotated[str, typer.Option(help="Of the network: fp32, fp16 or int8.")] = "fp32",
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
    parity, out_line = made.parity, show.console()
    out_line.print(f"model   {made.artifact.model_path}  ({parity.size_bytes / 1e6:.1f} MB)", markup=False)
    out_line.print(f"proof   {parity.sentence}", markup=False)
    for size, times in parity.latency_ms.items():
        of = "a picture" if size == "1" else f"{size} pictures"
        out_line.print(
            f"time    {times['p50']:.1f} ms for {of} (95th percentile {times['p95']:.1f})", markup=False
        )
    out_line.print(f"use     eighteen predict {made.artifact.path} PICTURES", markup=False)
