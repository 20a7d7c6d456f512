"""Near copies: pictures made from one picture, however they were saved, resized, cut or framed by about 5 %,
mirrored, lit, or turned by a few degrees. Two photographs of one thing are none.

In: sketches (the column `sketch` of a scanned data set). Out: pairs, sets, or the matches of one collection
in another. Hashes give a few candidates for each picture (`hashes`, `lookup`), these are laid over each
other (`likeness`). Time grows as n log n. Pictures of nearly one colour show nothing and match nothing.

How to use it::

    sketches = Sketches.unpack(scanned.table["sketch"].to_list())
    near_groups(sketches)                    # sets of near copies, as arrays of rows
    near_matches(incoming, sketches)         # rows of `incoming` that are there already, and where
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eighteen.matching.hashes import Hashes, view_hashes
from eighteen.matching.likeness import likeness
from eighteen.matching.lookup import Candidates, look_up
from eighteen.matching.sketch import Sketches

Rows = npt.NDArray[np.int64]

LIKENESS = 0.97
"""Squared correlation from which on two pictures count as copies of one."""

_FLAT_LEVELS = 3.0
"""Standard deviation of the grey square, of 255, below which a picture shows nothing to go by."""

_CHUNK = 4096


@dataclass(frozen=True, eq=False)
class Pairs:
    """Near copies within one collection.

    Attributes:
        first, second: rows, `[P]`, first < second; sorted. Of many copies of one picture not every pair is
            named, but they hang together.
        likeness: 0..1, `[P]`.
    """

    first: Rows
    second: Rows
    likeness: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True, eq=False)
class Matches:
    """Pictures of one collection that another one holds already.

    Attributes:
        row: rows of the first collection, `[M]`, rising, each once.
        known: the row of the other that is most like it.
        likeness: 0..1.
    """

    row: Rows
    known: Rows
    likeness: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.row)


def near_groups(sketches: Sketches, *, least: float = LIKENESS) -> list[Rows]:
    """Sets of pictures that hang together by near copies.

    Args:
        sketches: the collection.
        least: likeness from which on two pictures count as copies.

    Returns:
        Sets of two rows and more, each rising, ordered by their first row.
    """
    pairs = near_pairs(sketches, least=least)
    labels = connected(len(sketches), pairs.first, pairs.second)
    return sets_of(labels)


def near_pairs(sketches: Sketches, *, least: float = LIKENESS) -> Pairs:
    """Near copies within one collection, pair by pair.

    Args:
        sketches: the collection.
        least: likeness from which on two pictures count as copies.
    """
    rows = np.flatnonzero(_shows_something(sketches))
    views = view_hashes(sketches.grey[rows])
    # Equal hashes would fill their buckets; one of them stands for all.
    _, stand_in, number = np.unique(views[0], axis=0, return_index=True, return_inverse=True)
    equal = _equal_hashes(stand_in, number.reshape(-1))
    close = look_up(views[:, stand_in], views[0, stand_in], same=True)
    close = Candidates(stand_in[close.query], stand_in[close.found], close.view, close.mirrored, close.bits)
    query, found = rows[np.r_[equal[0], close.query]], rows[np.r_[equal[1], close.found]]
    view = np.r_[np.zeros(len(equal[0]), np.int64), close.view]
    mirrored = np.r_[np.zeros(len(equal[0]), np.bool_), close.mirrored]
    like = likeness(sketches, sketches, query, found, view, mirrored)
    return _pairs(query, found, like, least)


def near_matches(sketches: Sketches, known: Sketches, *, least: float = LIKENESS) -> Matches:
    """Pictures of `sketches` of which `known` holds a near copy.

    Args:
        sketches: new pictures.
        known: the collection to look in.
        least: likeness from which on two pictures count as copies.
    """
    rows, others = np.flatnonzero(_shows_something(sketches)), np.flatnonzero(_shows_something(known))
    new, old = view_hashes(sketches.grey[rows]), view_hashes(known.grey[others])
    to_old, to_new = look_up(new, old[0]), look_up(old, new[0])
    row = np.r_[rows[to_old.query], rows[to_new.found]]
    other = np.r_[others[to_old.found], others[to_new.query]]
    like = np.r_[
        likeness(sketches, known, rows[to_old.query], others[to_old.found], to_old.view, to_old.mirrored),
        likeness(known, sketches, others[to_new.query], rows[to_new.found], to_new.view, to_new.mirrored),
    ]
    order = np.lexsort((other, -like, row))
    order = order[like[order] >= least]
    _, first = np.unique(row[order], return_index=True)
    kept = order[first]
    return Matches(row[kept], other[kept], like[kept])


def connected(number: int, first: Rows, second: Rows) -> Rows:
    """The number of the connected part of each of `number` rows, `[N]`, by the pairs that join them."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(len(first)), (first, second)), shape=(number, number))
    return np.asarray(connected_components(edges, directed=False)[1], np.int64)


def sets_of(labels: Rows) -> list[Rows]:
    """Rows with equal labels: sets of two and more, each rising, ordered by their first row."""
    order = np.argsort(labels, kind="stable")
    cuts = np.flatnonzero(np.diff(labels[order])) + 1
    return sorted((part for part in np.split(order, cuts) if len(part) > 1), key=lambda part: int(part[0]))


def _shows_something(sketches: Sketches) -> npt.NDArray[np.bool_]:
    out = np.empty(len(sketches), np.bool_)
    for start in range(0, len(sketches), _CHUNK):
        part = slice(start, start + _CHUNK)
        out[part] = np.std(sketches.grey[part], axis=(1, 2), dtype=np.float32) > _FLAT_LEVELS
    return out


def _equal_hashes(stand_in: Rows, number: Rows) -> tuple[Rows, Rows]:
    """Pairs of each further row and the one that stands for its hash."""
    stands_for = stand_in[number]
    others = np.flatnonzero(stands_for != np.arange(len(number)))
    return others, stands_for[others]


def _pairs(query: Rows, found: Rows, like: npt.NDArray[np.float32], least: float) -> Pairs:
    first, second = np.minimum(query, found), np.maximum(query, found)
    order = np.lexsort((-like, second, first))
    order = order[like[order] >= least]
    first, second, like = first[order], second[order], like[order]
    once = np.ones(len(order), np.bool_)
    once[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return Pairs(first[once], second[once], like[once])


__all__ = ["Hashes", "Matches", "Pairs", "connected", "near_groups", "near_matches", "near_pairs", "sets_of"]
