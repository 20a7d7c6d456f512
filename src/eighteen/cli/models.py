"""Lists ResNet-18 and its relatives with what they cost and what they are known for."""

from __future__ import annotations

from dataclasses import asdict

from eighteen.cli import _options as opt

WIDE = 140
"""Columns of a terminal that also has room for the notes."""


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
    screen = Console()
    # A pipe has no width of its own; people who read it want whole lines.
    wide = not screen.is_terminal or screen.width >= WIDE
    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    for name in ("params", "MACs", "input", "ImageNet top-1"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("licence of weights", no_wrap=True)
    if wide:
        table.add_column("note", no_wrap=not screen.is_terminal)
    for row in rows:
        top1 = "–" if row.top1 is None else f"{row.top1:.2f} % @{row.top1_px}"
        cells = [
            row.name,
            f"{row.parameters / 1e6:.2f} M",
            f"{row.macs / 1e9:.2f} G",
            f"{row.input_px} px",
            top1,
            row.weights_license or "not stated",
        ]
        table.add_row(*cells, *([row.note] if wide else []))
    out = screen if screen.is_terminal else Console(width=WIDE + 80)
    out.print(table)
