"""Tables that are given to the user: CSV, Parquet or JSON Lines, by the ending of the path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import polars as pl

from eighteen.core import store
from eighteen.core.errors import RunError
from eighteen.core.run import require_absent


def check_table_path(path: Path) -> None:
    """Refuses a table that cannot be written, before any work is done.

    Raises:
        RunError: it exists, or its ending names no known format.
    """
    require_absent(path)
    if path.suffix.lower() not in WRITERS:
        raise RunError(f"{path.name}: '{path.suffix}' is no table; use one of {', '.join(WRITERS)}")


def write_table(path: Path, table: pl.DataFrame) -> None:
    """Writes a table in the format of the path's ending.

    Raises:
        RunError: as `check_table_path`, or the disk is full.
    """
    check_table_path(path)
    store.make_folder(path.parent)
    WRITERS[path.suffix.lower()](path, table)


def _write_csv(path: Path, table: pl.DataFrame) -> None:
    store.write_text(path, table.write_csv())


def _write_lines(path: Path, table: pl.DataFrame) -> None:
    store.write_lines(path, table.to_dicts())


WRITERS: Mapping[str, Callable[[Path, pl.DataFrame], None]] = MappingProxyType(
    {".csv": _write_csv, ".parquet": store.write_table, ".jsonl": _write_lines}
)
"""Writes a table, by the ending of its path."""
