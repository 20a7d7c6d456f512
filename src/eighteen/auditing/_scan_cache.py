"""Remembers what a scan saw, so that the next one looks only at new and changed files.

One Parquet file per data-set folder, below `$XDG_CACHE_HOME/eighteen/scan` (default `~/.cache`). A record
holds while path, size and time of change of its file are the same and the same decoder made it.
Unreadable files are not remembered: what is missing may be installed or copied again. The cache only saves
time: a broken one is ignored and written anew, and one that cannot be written is said once and done without.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl

from eighteen.core import store
from eighteen.core.errors import RunError
from eighteen.core.findings import Finding
from eighteen.core.places import cache_folder

DECODER = "3"
"""Goes up whenever the decoder or a record changes its meaning; older records are then ignored."""

KEY = ("path", "index", "size_bytes", "mtime_ns")

SCHEMA: dict[str, pl.DataType] = {
    "path": pl.String(),
    "index": pl.Int64(),
    "size_bytes": pl.Int64(),
    "mtime_ns": pl.Int64(),
    "sha256": pl.String(),
    "pixels_sha256": pl.String(),
    "width": pl.Int64(),
    "height": pl.Int64(),
    "mode": pl.String(),
    "format": pl.String(),
    "frames": pl.Int64(),
    "notes": pl.List(pl.String()),
    "blank": pl.Boolean(),
    "sketch": pl.Binary(),
    "blur": pl.Float32(),
    "facts": pl.List(pl.Float32()),
    "reason": pl.String(),
}


def cache_file(root: Path) -> Path:
    """Where the records of a data set's folder are kept."""
    name = hashlib.sha256(f"{DECODER}\x1f{root.resolve()}".encode()).hexdigest()[:32]
    return cache_folder("scan") / f"{name}.parquet"


def load(root: Path) -> tuple[pl.DataFrame, list[Finding]]:
    """The remembered records (none where there is no usable cache) and what to say about it."""
    path = cache_file(root)
    none = pl.DataFrame(schema=SCHEMA)
    if not path.exists():
        return none, []
    try:
        records = store.read_table(path)
    except (RunError, OSError) as error:
        return none, [
            _said(f"the scan cache {path} is broken and was made anew ({error.__cause__ or error})")
        ]
    if records.schema != pl.Schema(SCHEMA):
        return none, [_said(f"the scan cache {path} has other columns than expected and was made anew")]
    return records, []


def save(root: Path, records: pl.DataFrame, earlier: pl.DataFrame) -> list[Finding]:
    """Remembers the readable `records`, and `earlier` ones of files that this scan did not meet."""
    others = earlier.join(records, on=["path", "index"], how="anti")
    path = cache_file(root)
    try:
        store.make_folder(path.parent)
        store.write_table(path, pl.concat([records.filter(pl.col("reason") == ""), others]))
    except (RunError, OSError) as error:
        reason = error.__cause__ or error
        return [
            _said(
                f"the scan cache {path} cannot be written ({reason}); the next scan looks at all files again"
            )
        ]
    return []


def _said(message: str) -> Finding:
    return Finding(
        "scan_cache", "info", message, (), "results do not depend on it; set XDG_CACHE_HOME to move it"
    )
