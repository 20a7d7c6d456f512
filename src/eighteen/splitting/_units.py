"""Units: the pictures that must stay on one side of every split, and where each unit's hash lies.

A data set goes in; out come the unit of each row and a number in [0, 1) for each unit. Rows are one unit when
they share a named group, show the same picture or are near copies of each other, also through others (a copy
of a picture of patient 1 among those of patient 2 joins both patients). The number is a hash of the unit's
name, so it depends on nothing else in the data set: pictures that are added later do not change it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.core.dataset import NEAR_COLUMN, Dataset, picture_hash


@dataclass(frozen=True, eq=False)
class Units:
    """Which rows belong together.

    Attributes:
        of_row: unit of each row, `[N]`, 0..U-1; the numbering carries no meaning.
        position: hash of each unit, `[U]`, spread evenly over [0, 1).
    """

    of_row: npt.NDArray[np.int64]
    position: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.position)


def find_units(dataset: Dataset, seed: int = 0) -> Units:
    """The units of a data set.

    Args:
        dataset: its columns `group` and `sha256` (and `pixels_sha256` and `near_copy_of` where they are
            there) say what belongs together; an image that is not hashed yet stands for itself.
        seed: salt of the hash. Another seed gives another, equally good order.
    """
    content = content_keys(dataset.table)
    links = [dataset.table[name] for name in ("group", NEAR_COLUMN) if name in dataset.table.columns]
    of_row = _connected(content, links)
    named = dataset.table.select(
        pl.Series("unit", of_row, pl.Int64),
        pl.when(pl.col("group") != "").then(pl.col("group")).alias("group"),
        pl.when(pl.col("sha256") != "").then(pl.col("sha256")).otherwise(pl.col("id")).alias("content"),
    )
    # A unit is called by its first group, or by its first content where it has none.
    keys = named.group_by("unit").agg(pl.col("group").min(), pl.col("content").min()).sort("unit")
    position = [
        hash_position(f"content\x1f{content}" if group is None else f"group\x1f{group}", seed)
        for group, content in keys.select("group", "content").iter_rows()
    ]
    return Units(of_row, np.array(position, np.float64))


def content_keys(table: pl.DataFrame) -> pl.Series:
    """What each row shows: equal keys mean equal pictures. Pixels count, then bytes, then the id."""
    return table.select(content=pl.coalesce(picture_hash(table.columns), "id"))["content"]


def hash_position(key: str, seed: int) -> float:
    """A number in [0, 1) that looks random and depends on the key and the seed only.

    >>> round(hash_position("group\\x1fp03", seed=0), 6) == round(hash_position("group\\x1fp03", seed=0), 6)
    True
    """
    digest = hashlib.sha256(f"{seed}\x1f{key}".encode()).digest()
    # 53 bits are what a float holds exactly; it stays below 1.
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def _connected(content: pl.Series, links: list[pl.Series]) -> npt.NDArray[np.int64]:
    """Numbers of the connected parts of the graph whose edges join each row's picture and its named links."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if len(content) == 0:
        return np.empty(0, np.int64)
    pictures = content.rank("dense").to_numpy().astype(np.int64) - 1
    nodes, starts, ends = int(pictures.max()) + 1, [], []
    for link in links:
        named = (link.fill_null("") != "").to_numpy()
        numbers = link.rank("dense").to_numpy().astype(np.int64) - 1 + nodes
        starts.append(pictures[named])
        ends.append(numbers[named])
        nodes = int(numbers.max()) + 1
    start, end = np.concatenate(starts), np.concatenate(ends)
    edges = coo_array((np.ones(len(start)), (start, end)), shape=(nodes, nodes))
    _, labels = connected_components(edges, directed=False)
    _, of_row = np.unique(labels[pictures], return_inverse=True)
    return of_row.astype(np.int64)
