"""How a comparison of networks is printed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eighteen.evaluating.relatives import ModelRow


def print_models(rows: Sequence[ModelRow], study: Path, seconds: float, as_json: bool) -> None:
    """One table, or with --json the rows."""
    from rich.table import Table

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
    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    for name in ("accuracy", "params", "MACs", "memory", "latency", "training", f"against {rows[0].model}"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        accuracy = row.accuracy
        table.add_row(
            f"{row.model}{' *' if row.on_front else ''}",
            f"{accuracy.value:.3f} [{accuracy.low:.3f}, {accuracy.high:.3f}]",
            f"{row.parameters / 1e6:.2f} M",
            f"{row.macs / 1e9:.2f} G",
            f"{row.peak_memory_mb:.0f} MB",
            f"{row.latency_ms:.1f} ms",
            f"{row.train_minutes:.1f} min",
            row.verdict or "–",
        )
    out = show.console()
    out.print(table)
    out.print("\n* no other network is both faster and more accurate", markup=False)
    out.print(f"study   {study}   ({show.clock(seconds)} in all)", markup=False)
