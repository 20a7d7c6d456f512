"""Exact copies: pictures of the pile whose pixels are those of the data set or of another one of the pile.

The data set's picture always stays. Of copies inside the pile the first in natural order stays.
"""

from __future__ import annotations

import polars as pl

from eighteen.core.dataset import Dataset, picture_hash


def find_copies(pile: Dataset, known: Dataset) -> pl.DataFrame:
    """Pictures of the pile that are there already.

    Args:
        pile, known: scanned, with a column `place`.

    Returns:
        `id` of each copy, the place of the `twin` that stays, and whether that is `of_known`, in the pile's
        order.
    """
    mine, theirs = _hashed(pile), _hashed(known).unique("content", keep="first", maintain_order=True)
    joined = mine.join(
        theirs.select("content", theirs="place"), on="content", how="left", maintain_order="left"
    )
    # Null equals null in `over`: rows without a hash would be copies of one another.
    first = pl.when(pl.col("content").is_not_null()).then(pl.col("place").first().over("content"))
    return (
        joined.with_columns(first=first.fill_null(pl.col("place")))
        .with_columns(twin=pl.coalesce("theirs", "first"), of_known=pl.col("theirs").is_not_null())
        .filter(pl.col("of_known") | (pl.col("first") != pl.col("place")))
        .select("id", "twin", "of_known")
    )


def _hashed(dataset: Dataset) -> pl.DataFrame:
    table = dataset.table
    return table.select("id", "place", content=picture_hash(table.columns))
