"""Near copies: pictures of the pile made from one picture of the data set, or from another one of the pile.

Sketches propose pairs. A pair that is very much alike counts; one that is somewhat less alike counts where a
network sees the same in both. The data set's picture always stays. Of near copies inside the pile the largest
picture stays, the first in natural order where several are as large.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.core.dataset import Dataset
from eighteen.matching import Sketches, near_matches, near_pairs, sketches_in
from eighteen.matching.near import LIKENESS, connected
from eighteen.screening.seen import Floats

PROPOSED = 0.9
"""Likeness of sketches from which on a network is asked."""

SAME = 0.95
"""Cosine of features from which on it sees the same. Planted copies that sketches were not sure of (framed,
turned) have 0.98; of 11 pairs of different garments with a likeness above 0.93 the closest has 0.89."""

_SCHEMA = {"id": pl.String(), "twin": pl.String(), "of_known": pl.Boolean()}
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Features:
    """What a network sees, at length 1.

    Attributes:
        pile: `[N, D]`.
        known: `[M, D]`; zeros where it has not looked.
    """

    pile: Floats
    known: Floats


def find_near_copies(pile: Dataset, known: Dataset, features: Features | None = None) -> pl.DataFrame:
    """Pictures of the pile that are there already, though saved, cut, mirrored or lit otherwise.

    Args:
        pile, known: scanned with looks, with a column `place`.
        features: of both; without them only what is very much alike counts.

    Returns:
        `id` of each near copy, the place of the `twin` that stays, and whether that is `of_known`.
    """
    if not len(pile):
        return pl.DataFrame(schema=_SCHEMA)
    there = _in_known(pile, known, features)
    rest = np.flatnonzero(there < 0)
    twin = np.full(len(pile), -1)
    twin[rest] = _in_pile(pile, rest, features)
    of_known, of_pile = np.flatnonzero(there >= 0), np.flatnonzero(twin >= 0)
    parts = [
        _rows(pile, of_known, known.table["place"][there[of_known]], True),
        _rows(pile, of_pile, pile.table["place"][twin[of_pile]], False),
    ]
    return pl.concat(parts)


def _in_known(pile: Dataset, known: Dataset, features: Features | None) -> Rows:
    """For each row, the row of the data set that it is a near copy of; -1 where there is none."""
    there = np.full(len(pile), -1)
    if len(known):
        found = near_matches(_sketches(pile), _sketches(known), least=_least(features))
        sure = found.likeness >= LIKENESS
        if features is not None:
            sure |= _same(features.pile[found.row], features.known[found.known])
        there[found.row[sure]] = found.known[sure]
    return there


def _in_pile(pile: Dataset, rest: Rows, features: Features | None) -> Rows:
    """For each of the rows `rest`, the row of the near copy that stays instead; -1 for those that stay."""
    found = near_pairs(_sketches(pile.with_table(pile.table[rest])), least=_least(features))
    sure = found.likeness >= LIKENESS
    if features is not None:
        sure |= _same(features.pile[rest[found.first]], features.pile[rest[found.second]])
    group = connected(len(rest), found.first[sure], found.second[sure])
    pixels = (pile.table["width"] * pile.table["height"]).to_numpy()[rest]
    order = np.lexsort((rest, -pixels, group))
    _, starts = np.unique(group[order], return_index=True)
    stays = order[starts][group]
    return np.where(stays == np.arange(len(rest)), -1, rest[stays])


def _least(features: Features | None) -> float:
    return LIKENESS if features is None else PROPOSED


def _same(first: Floats, second: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray(np.einsum("pd,pd->p", first, second) >= SAME)


def _rows(pile: Dataset, rows: Rows, twins: pl.Series, of_known: bool) -> pl.DataFrame:
    columns = {"id": pile.table["id"][rows], "twin": twins, "of_known": [of_known] * len(rows)}
    return pl.DataFrame(columns, schema=_SCHEMA)


def _sketches(dataset: Dataset) -> Sketches:
    return sketches_in(dataset.table)
