"""Looks hashes up: which of M hashes lie within a radius of which of N others, without comparing all with
all.

In: 128-bit hashes. Out: pairs whose distance in bits is at most the radius. Two hashes that are close agree
in full on some of 24 samples of their steadiest 64 bits, drawn once with a fixed seed (bit sampling, Indyk
and Motwani 1998). A sample is a little longer than the logarithm of the number of hashes, so that a bucket
holds about one hash whatever that number: the cost grows as n log n. Samples come two and more at a time
without a bit in common, so hashes that differ in one bit always meet; what share of those further apart does
is measured in docs/benchmarks.md. A bucket that holds far more than its part (pictures that look alike by the
thousand) is compared with `MOST` of its members only. There is no loop over hashes or pairs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from eighteen.matching.hashes import MIRROR, Hashes, distance

RADIUS_BITS = 20
"""Of 128. Of planted copies (cut, framed, turned by 2 degrees) 99 % are closer by their best cut."""

SAMPLES = 24
MOST = 64
"""Members of a bucket that a hash is compared with."""

NEAREST = 8
"""Neighbours that are kept for a hash, the nearest ones."""

_FEWEST_BITS, _MOST_BITS = 12, 24
_POOL = 64
_AT_ONCE = 1 << 21
_HELD = 1 << 22
_ALONE = 20_000
"""Queries up to which one thread is quicker than handing over to several."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs of a query and an indexed hash, each `[P]`, nearest first for each query.

    Attributes:
        query, found: their rows.
        view: which cut of the query was nearest (`hashes.VIEWS`).
        mirrored: whether the query had to be mirrored.
        bits: how many bits differ.
    """

    query: Rows
    found: Rows
    view: Rows
    mirrored: npt.NDArray[np.bool_]
    bits: Rows


def look_up(queries: Hashes, index: Hashes, *, radius: int = RADIUS_BITS, same: bool = False) -> Candidates:
    """Neighbours of each query among the indexed hashes.

    Args:
        queries: uint64 `[V, N, 2]`: the hash of each query as it is, then those of its cuts. Each is also
            tried mirrored.
        index: uint64 `[M, 2]`, best without repetitions.
        radius: bits that may differ.
        same: `index` is `queries[0]`; a hash is then no neighbour of itself.

    Returns:
        At most `NEAREST` neighbours of each query, each once, by its nearest cut.
    """
    samples = _samples(_sample_bits(len(index)))
    workers = min(len(samples), os.cpu_count() or 1) if len(queries[0]) > _ALONE else 1
    with ThreadPoolExecutor(workers, thread_name_prefix="lookup") as pool:
        shares = [samples[first::workers] for first in range(workers)]
        done = pool.map(lambda share: _by_samples(queries, index, share, radius, same), shares)
        found = _Found(len(index))
        for part in done:
            found.add_all(part)
    return found.nearest()


def _by_samples(queries: Hashes, index: Hashes, samples: Sequence[Rows], radius: int, same: bool) -> _Found:
    """What some of the samples find."""
    found = _Found(len(index))
    for positions in samples:
        buckets = _Buckets(_keys(index, positions), len(positions))
        turned = _keys(MIRROR[None], positions)[0]
        whole = _keys(queries[0], positions)
        for view, hashes in enumerate(queries):
            keys = _keys(hashes, positions) if view else whole
            # A cut that falls into the bucket of the whole picture meets nothing new there.
            rows = np.flatnonzero(keys != whole) if view else np.arange(len(keys))
            limit = _Limit(view, radius, same)
            _compare(found, hashes, index, buckets, keys, rows, limit)
            rows = np.arange(len(keys))
            _compare(found, hashes ^ MIRROR, index, buckets, keys ^ turned, rows, limit.mirrored())
    return found


@dataclass(frozen=True)
class _Limit:
    """What counts in a comparison: which cut, how near, and whether a hash might meet itself."""

    view: int
    radius: int
    same: bool
    mirror: bool = False

    def mirrored(self) -> _Limit:
        return replace(self, mirror=True)

    @property
    def code(self) -> int:
        return 2 * self.view + self.mirror

    def lets(self, row: Rows, other: Rows) -> npt.NDArray[np.bool_]:
        """Whole pictures meet each other once, not from both sides."""
        return other < row if self.view == 0 else other != row


class _Buckets:
    """Hashes by one sample: where the members of each bucket stand in `order`."""

    def __init__(self, keys: npt.NDArray[np.uint32], bits: int) -> None:
        self.order = np.argsort(keys, kind="stable").astype(np.int32)
        self.sizes = np.bincount(keys, minlength=1 << bits).astype(np.int32)
        self.starts = (np.cumsum(self.sizes) - self.sizes).astype(np.int32)


class _Found:
    """Collects close pairs and now and then keeps only the nearest, so that memory stays bounded."""

    def __init__(self, indexed: int) -> None:
        self._indexed = indexed
        self._parts: list[npt.NDArray[np.int64]] = []
        self._held, self._limit = 0, _HELD

    def add(self, query: Rows, found: Rows, code: int, bits: Rows) -> None:
        if len(query) == 0:
            return
        # Distance, view and mirror in one number: the smallest is the nearest.
        self._parts.append(np.stack([query * self._indexed + found, bits * 256 + code]))
        self._held += len(query)
        if self._held > self._limit:
            pairs = self._thinned()
            self._parts, self._held = [pairs], pairs.shape[1]
            self._limit = max(_HELD, 2 * self._held)

    def add_all(self, other: _Found) -> None:
        """What another one collected."""
        self._parts += other._parts

    def nearest(self) -> Candidates:
        pair, score = self._thinned()
        code = score % 256
        query, found = np.divmod(pair, max(1, self._indexed))
        return Candidates(query, found, code // 2, (code % 2).astype(np.bool_), score // 256)

    def _thinned(self) -> npt.NDArray[np.int64]:
        """Each pair once, and of each query its nearest."""
        if not self._parts:
            return np.empty((2, 0), np.int64)
        pair, score = np.concatenate(self._parts, axis=1)
        order = np.lexsort((score, pair))
        pair, score = pair[order], score[order]
        first = np.ones(len(pair), np.bool_)
        first[1:] = pair[1:] != pair[:-1]
        pair, score = pair[first], score[first]
        query = pair // max(1, self._indexed)
        order = np.lexsort((score, query))
        place = _place_in_run(query[order])
        kept = order[place < NEAREST]
        return np.stack([pair[kept], score[kept]])


def _compare(
    found: _Found,
    hashes: Hashes,
    index: Hashes,
    buckets: _Buckets,
    keys: npt.NDArray[np.uint32],
    rows: Rows,
    limit: _Limit,
) -> None:
    """Compares the hashes of `rows` with the members of their buckets."""
    sizes = buckets.sizes[keys[rows]]
    met = np.flatnonzero(sizes)
    rows, sizes = rows[met], sizes[met].astype(np.int64)
    counts = np.minimum(sizes, MOST)
    for part in _portions(counts):
        row, place = _spread(rows[part], counts[part])
        if (sizes[part] > MOST).any():
            # A full bucket is entered at a place of the query's own, so that all of its members are met.
            size = np.repeat(sizes[part], counts[part])
            place = (place + np.where(size > MOST, row, 0)) % size
        other = buckets.order[buckets.starts[keys[row]] + place].astype(np.int64)
        if limit.same:
            row, other = _both(row, other, limit.lets(row, other))
        # Most are told apart by the first half.
        row, other = _both(row, other, np.bitwise_count(hashes[row, 0] ^ index[other, 0]) <= limit.radius)
        bits = distance(hashes[row], index[other])
        close = bits <= limit.radius
        found.add(row[close], other[close], limit.code, bits[close])


def _both(first: Rows, second: Rows, kept: npt.NDArray[np.bool_]) -> tuple[Rows, Rows]:
    return first[kept], second[kept]


def _spread(rows: Rows, counts: Rows) -> tuple[Rows, Rows]:
    """Each row as often as its count, and the number of each repetition: 0, 1, ..."""
    first = np.cumsum(counts) - counts
    return np.repeat(rows, counts), np.arange(int(counts.sum())) - np.repeat(first, counts)


def _portions(counts: Rows) -> list[slice]:
    """Runs of rows whose comparisons fit into memory together."""
    if len(counts) == 0:
        return []
    marks = np.flatnonzero(np.diff(np.cumsum(counts) // _AT_ONCE)) + 1
    edges = [0, *marks.tolist(), len(counts)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _place_in_run(values: Rows) -> Rows:
    """0, 1, 2, ... within each run of equal values."""
    starts = np.ones(len(values), np.bool_)
    starts[1:] = values[1:] != values[:-1]
    first = np.flatnonzero(starts)
    return np.arange(len(values)) - np.repeat(first, np.diff(np.append(first, len(values))))


def _sample_bits(hashes: int) -> int:
    """Bits of a sample: buckets of about a quarter hash, since pictures do not spread as evenly as chance."""
    return int(np.clip(np.ceil(np.log2(max(1, hashes))) + 2, _FEWEST_BITS, _MOST_BITS))


@lru_cache(maxsize=16)
def _samples(bits: int) -> tuple[npt.NDArray[np.int64], ...]:
    """Positions of each sample; permutations are cut up, so that neighbouring samples share no bit."""
    draw = np.random.default_rng(18)
    fitting = _POOL // bits
    samples: list[npt.NDArray[np.int64]] = []
    while len(samples) < SAMPLES:
        order = draw.permutation(_POOL)
        samples += [np.sort(order[k * bits : (k + 1) * bits]) for k in range(fitting)]
    return tuple(samples[:SAMPLES])


def _keys(hashes: Hashes, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
    """The bits of a sample, side by side, by one table for each byte of the hash."""
    tables = _byte_tables(tuple(positions.tolist()))
    octets = np.ascontiguousarray(hashes[:, 0]).astype("<u8").view(np.uint8).reshape(len(hashes), 8)
    keys = tables[0][octets[:, 0]]
    for byte in range(1, 8):
        keys |= tables[byte][octets[:, byte]]
    return np.asarray(keys, np.uint32)


@lru_cache(maxsize=256)
def _byte_tables(positions: tuple[int, ...]) -> npt.NDArray[np.uint32]:
    """`[8, 256]`: what each byte of the hash adds to the key."""
    values = np.arange(256, dtype=np.uint32)
    tables = np.zeros((8, 256), np.uint32)
    for place, position in enumerate(positions):
        bit = (values >> np.uint32(position % 8)) & np.uint32(1)
        tables[position // 8] |= bit << np.uint32(place)
    return tables
