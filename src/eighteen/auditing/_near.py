"""Near copies of a data set: looked for once in an audit, then a column that checks and splits go by.

In: scanned rows with their sketches. Out: the same rows with the column `near_copy_of`: the first id of the
set that a picture belongs to, "" for most. Sets are connected: where A is like B and B like C, all three are
one set.
"""

from __future__ import annotations

import polars as pl

from eighteen.core.dataset import NEAR_COLUMN, Dataset
from eighteen.matching import near_groups, sketches_in


def with_near_copies(dataset: Dataset) -> Dataset:
    """Looks for near copies among all pictures of a data set scanned with `looks`."""
    ids = dataset.table["id"].to_list()
    first = [""] * len(ids)
    for rows in near_groups(sketches_in(dataset.table)):
        name = min(ids[row] for row in rows)
        for row in rows:
            first[row] = name
    return dataset.with_table(dataset.table.with_columns(pl.Series(NEAR_COLUMN, first, pl.String)))


def near_sets(dataset: Dataset) -> pl.DataFrame:
    """Sets of near copies that are not all copies of one picture.

    Returns:
        One row a set, ordered by its first id: `ids`, sorted; `splits` and `targets`, the distinct ones.
    """
    if NEAR_COLUMN not in dataset.table.columns:
        return dataset.table.select(ids=pl.lit([""]), splits=pl.lit([""]), targets=pl.lit([""])).clear()
    return (
        dataset.table.filter(pl.col(NEAR_COLUMN) != "")
        .group_by(NEAR_COLUMN)
        .agg(
            ids=pl.col("id").sort(),
            splits=pl.col("split").unique().sort(),
            targets=pl.col("target").unique().sort(),
            pictures=pl.col("pixels_sha256").n_unique(),
        )
        .filter((pl.col("ids").list.len() > 1) & (pl.col("pictures") > 1))
        .sort(pl.col("ids").list.first())
        .select("ids", "splits", "targets")
    )
