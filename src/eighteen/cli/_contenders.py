"""The table that `tune` and `climb` end with: each contender, found and confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def print_contenders(result: Mapping[str, Any], title: str, out: Console) -> None:
    """What the search said, and what fresh trainings say, of each."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for heading in ("in the search", "confirmed", "interval", "n"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name in ("start", "default", "best"):
        if name in result:
            table.add_row(name, *_cells(result[name]))
    out.print(table)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    search, confirmed = row["search"], row["confirmed"]
    found = "–" if search is None or search["value"] is None else f"{search['value']:.4f}"
    if confirmed is None or confirmed["value"] is None:
        return found, "–", "–", "–"
    ends = f"{confirmed['low']:.4f} … {confirmed['high']:.4f}"
    return found, f"{confirmed['value']:.4f}", ends, str(confirmed["n"])
