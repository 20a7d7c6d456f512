"""The nearest of some vectors to each of others, block by block: memory does not grow with the pile."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eighteen.measuring.neighbours import find_neighbours
from eighteen.screening.seen import Floats

BLOCK = 8192
"""Vectors that are looked up at once."""


def nearest(bank: Floats, asked: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Row in `bank` of each one's nearest vector, and their cosine, `[N]` each.

    Args:
        bank: `[M, D]`, M of 1 or more.
        asked: `[N, D]`.
    """
    found = [find_neighbours(bank, block, 1) for block in blocks(asked)]
    rows = [np.empty(0, np.int64), *(each.rows[:, 0] for each in found)]
    similarity = [np.empty(0, np.float32), *(each.similarity[:, 0] for each in found)]
    return np.concatenate(rows), np.concatenate(similarity)


def blocks(vectors: Floats) -> list[Floats]:
    """Views of consecutive rows, at most `BLOCK` each."""
    return [vectors[start : start + BLOCK] for start in range(0, len(vectors), BLOCK)]
