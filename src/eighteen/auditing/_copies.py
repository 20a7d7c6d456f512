"""Pictures that are there more than once, found by the hash of their pixels (of their bytes where that is
all there is)."""

from __future__ import annotations

import polars as pl

from eighteen.core.dataset import Dataset, picture_hash


def copies(dataset: Dataset, by: tuple[str, ...] = ("pixels_sha256", "sha256")) -> pl.DataFrame:
    """Sets of equal pictures.

    Args:
        dataset: scanned.
        by: hashes to go by, the first that a row has.

    Returns:
        One row per picture that has copies, ordered by its first id: `ids`, sorted; `splits` and `targets`,
        the distinct ones, sorted. Rows that are not hashed have no copies.
    """
    return (
        dataset.table.select("id", "split", "target", content=picture_hash(dataset.table.columns, by))
        .drop_nulls("content")
        .group_by("content")
        .agg(
            ids=pl.col("id").sort(),
            splits=pl.col("split").unique().sort(),
            targets=pl.col("target").unique().sort(),
        )
        .filter(pl.col("ids").list.len() > 1)
        .sort(pl.col("ids").list.first())
    )
