"""How a comparison of networks is printed: what each can do, and below what it costs.

One table of all would be wider than a terminal of 80 columns, and what is cut off are the figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from eighteen.evaluating.relatives import ModelRow


def print_models(rows: Sequence[ModelRow], study: Path, seconds: float, as_json: bool) -> None:
    """Two tables, or with --json the rows."""
    from eighteen.cli import _display as show

    if as_json:
        show.print_json(
            {
                "models": [row.to_json() for row in rows],
                "study": study.as_posix(),
                "seconds": round(seconds, 2),
            }
        )
        return
    out = show.console()
    out.print(_quality(rows))
    out.print()
    out.print(_costs(rows))
    out.print("\n* no other network is both faster and more accurate", markup=False)
    out.print(f"study   {study}   ({show.clock(seconds)} in all)", markup=False)


def _quality(rows: Sequence[ModelRow]) -> Table:
    table = _table("accuracy", "against the first")
    for row in rows:
        accuracy = row.accuracy
        ends = f"{accuracy.value:.3f} [{accuracy.low:.3f}, {accuracy.high:.3f}]"
        table.add_row(_marked(row), ends, row.verdict or "–")
    return table


def _costs(rows: Sequence[ModelRow]) -> Table:
    table = _table("params", "MACs", "memory", "latency", "training")
    for row in rows:
        table.add_row(
            _marked(row),
            f"{row.parameters / 1e6:.2f} M",
            f"{row.macs / 1e9:.2f} G",
            f"{row.peak_memory_mb:.0f} MB",
            f"{row.latency_ms:.1f} ms",
            f"{row.train_minutes:.1f} min",
        )
    return table


def _table(*headings: str) -> Table:
    """A name that is too long goes on in the next line; figures never do."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("model", overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _marked(row: ModelRow) -> str:
    return f"{row.model}{' *' if row.on_front else ''}"
