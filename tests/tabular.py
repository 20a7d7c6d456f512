"""Data sets that are a table alone, for tests that look at no pixel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from eighteen.core.dataset import SCHEMA, Dataset


def dataset_of(
    targets: Sequence[str],
    split: str | Sequence[str] = "train",
    groups: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> Dataset:
    """Square pictures of 8 px with these labels; a picture's content has the picture's name.

    Args:
        targets: a label a picture.
        split: of all, or of each.
        groups: of each; none are named without.
        names: of each; numbers without.
    """
    n = len(targets)
    ids = [f"{row}.png" for row in range(n)] if names is None else list(names)
    rows = pl.DataFrame(
        {
            "id": ids,
            "path": ids,
            "index": [-1] * n,
            "target": list(targets),
            "split": [split] * n if isinstance(split, str) else list(split),
            "group": [""] * n if groups is None else list(groups),
            "sha256": ids,
            "width": [8] * n,
            "height": [8] * n,
            "mode": ["RGB"] * n,
        },
        schema=dict(SCHEMA),
    )
    return Dataset(rows, tuple(sorted(set(targets))), Path())
