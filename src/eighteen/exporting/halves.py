"""Two halves of validation: one chooses among ways to integers, the other tells how the chosen one does.

In go the validation pictures and what the source says about them; out come the ids of two halves, of equal
size in each class, with groups and copies on one side, the same whenever they are asked for. Where a half
would be too small to see what is allowed, there are none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from eighteen.core.dataset import Dataset
from eighteen.core.predictions import Predictions
from eighteen.measuring.unit_means import units_of
from eighteen.splitting import folds

LEAST_IN_HALF = 2500
"""Pictures, or groups where there are some. Integers turn up to 1.6 % of the answers (docs/benchmarks.md), so
the 95 % interval of the difference in accuracy is at most 1.96 · √(0.016 / 2500) = 0.5 points to each side:
what is allowed to be lost. A smaller half could not tell that from nothing."""


@dataclass(frozen=True)
class Halves:
    """Ids of validation pictures."""

    choosing: frozenset[str]
    judging: frozenset[str]


def halves_of(validation: Dataset, known: Predictions) -> Halves | None:
    """The two halves of the pictures that could be read, or None where one would be too small.

    Args:
        validation: its pictures.
        known: what the source says about them.
    """
    read = validation.with_table(validation.table.filter(pl.col("id").is_in(known.rows["id"].to_list())))
    units = units_of(read.table["group"].to_list(), len(read))
    if len(np.unique(units)) < 2 * LEAST_IN_HALF:
        return None
    half = folds(read, 2)
    if min(len(np.unique(units[half == side])) for side in (0, 1)) < LEAST_IN_HALF:
        return None
    first, second = (frozenset(read.table.filter(half == side)["id"]) for side in (0, 1))
    return Halves(first, second)
