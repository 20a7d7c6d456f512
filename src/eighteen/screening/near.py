"""Near copies: pictures of the pile made from one picture of the data set, or from another one of the pile.

The data set's picture always stays. Of near copies inside the pile the largest picture stays, the first in
natural order where several are as large.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.core.dataset import Dataset
from eighteen.matching import Sketches, near_groups, near_matches

LIKENESS = 0.93
"""From which on two pictures count as copies here. It is lower than elsewhere: in a pile a wrong near copy
costs one candidate of many, a missed one a label. Of 1,888 clothing photos 16 pairs lie above it."""

_SCHEMA = {"id": pl.String(), "twin": pl.String(), "of_known": pl.Boolean()}


def find_near_copies(pile: Dataset, known: Dataset) -> pl.DataFrame:
    """Pictures of the pile that are there already, though saved, cut, mirrored or lit otherwise.

    Args:
        pile, known: scanned with looks, with a column `place`.

    Returns:
        `id` of each near copy, the place of the `twin` that stays, and whether that is `of_known`.
    """
    if not len(pile):
        return pl.DataFrame(schema=_SCHEMA)
    mine = _sketches(pile)
    there = np.full(len(pile), -1)
    if len(known):
        matches = near_matches(mine, _sketches(known), least=LIKENESS)
        there[matches.row] = matches.known
    rest = np.flatnonzero(there < 0)
    twin = np.full(len(pile), -1)
    twin[rest] = _in_pile(pile, rest)
    of_known, of_pile = np.flatnonzero(there >= 0), np.flatnonzero(twin >= 0)
    parts = [
        _rows(pile, of_known, known.table["place"][there[of_known]], True),
        _rows(pile, of_pile, pile.table["place"][twin[of_pile]], False),
    ]
    return pl.concat(parts)


def _in_pile(pile: Dataset, rest: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each of the rows `rest`, the row of the near copy that stays instead; -1 for those that stay."""
    twin = np.full(len(rest), -1)
    groups = near_groups(_sketches(pile.with_table(pile.table[rest])), least=LIKENESS)
    if not groups:
        return twin
    members = np.concatenate(groups)
    group = np.repeat(np.arange(len(groups)), [len(rows) for rows in groups])
    pixels = (pile.table["width"] * pile.table["height"]).to_numpy()[rest[members]]
    order = np.lexsort((members, -pixels, group))
    starts = np.searchsorted(group[order], np.arange(len(groups)))
    stays = members[order][starts][group]
    twin[members] = np.where(stays == members, -1, rest[stays])
    return twin


def _rows(pile: Dataset, rows: npt.NDArray[np.int64], twins: pl.Series, of_known: bool) -> pl.DataFrame:
    columns = {"id": pile.table["id"][rows], "twin": twins, "of_known": [of_known] * len(rows)}
    return pl.DataFrame(columns, schema=_SCHEMA)


def _sketches(dataset: Dataset) -> Sketches:
    return Sketches.unpack(dataset.table["scan.sketch"].to_list())
