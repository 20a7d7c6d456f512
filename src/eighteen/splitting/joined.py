"""What belongs together, as a column: named groups, copies and near copies joined into one `group`.

In: an audited data set. Out: a table that any program can split by, and that `--group-column` takes.
"""

from __future__ import annotations

import polars as pl

from eighteen.core.dataset import Dataset
from eighteen.splitting._units import find_units

JOINED_COLUMNS = ("image", "label", "split", "group")
"""Of the table of joined groups."""


def joined_groups(dataset: Dataset) -> pl.DataFrame:
    """The connected parts of the data set.

    Args:
        dataset: audited, so that copies and near copies are known.

    Returns:
        `image`, `label`, `split` and `group` of each picture. Equal groups belong together, also through
        others; a group is called by the first named group in it, or by the first picture.
    """
    rows = dataset.table.select("id", "target", "split", "group").with_columns(
        pl.Series("unit", find_units(dataset).of_row, pl.Int64)
    )
    named = pl.when(pl.col("group") != "").then(pl.col("group")).min().over("unit")
    joined = pl.coalesce(named, pl.col("id").min().over("unit"))
    return rows.select(image="id", label="target", split="split", group=joined)
