"""Lists ResNet-18 and its relatives with what they cost and what they are known for."""

from __future__ import annotations

from dataclasses import asdict

from eighteen.cli import _options as opt


def command(as_json: opt.AsJson = False) -> None:
    """Show the family: parameters, MACs, input, published accuracy, licence of the weights."""
    from rich.console import Console
    from rich.table import Table

    from eighteen.cli import _display as show
    from eighteen.models.family import family

    rows = family()
    if as_json:
        show.print_json({"models": [asdict(row) for row in rows]})
        return
    table = Table(box=None, pad_edge=False)
    for name in ("model", "params M", "GMACs", "input px", "ImageNet top-1 %", "licence of weights", "note"):
        numeric = name in ("params M", "GMACs", "input px", "ImageNet top-1 %")
        table.add_column(name, justify="right" if numeric else "left", no_wrap=name == "model")
    for row in rows:
        top1 = "–" if row.top1 is None else f"{row.top1:.2f} @{row.top1_px}"
        table.add_row(
            row.name,
            f"{row.parameters / 1e6:.2f}",
            f"{row.macs / 1e9:.2f}",
            str(row.input_px),
            top1,
            row.weights_license or "not stated",
            row.note,
        )
    Console().print(table)
