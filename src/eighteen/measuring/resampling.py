"""The bootstrap as one sparse product.

In come columns of numbers per row (counts, losses, …), summed within units (images or groups); out come the
columns' sums in each resample of units. All measures are functions of such sums, so each resample costs one
addition per non-zero entry and no image is ever copied.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from eighteen.measuring.scored import Floats, Ints

MOST_DRAWS = 200_000_000
FEWEST_RESAMPLES = 200
_CHUNK_CELLS = 1 << 20


def affordable_resamples(n_units: int, asked: int) -> int:
    """Number of resamples that is made: the number asked for, but at most 200 million draws in all.

    At least 200 are made where that many are asked for.

    >>> affordable_resamples(60_000, 2000), affordable_resamples(1_000_000, 2000)
    (2000, 200)
    """
    return min(asked, max(FEWEST_RESAMPLES, MOST_DRAWS // max(1, n_units)))


def unit_sums(columns: csr_array, unit: Ints, n_units: int) -> csr_array:
    """Sums columns `[C, N]` within units: `[C, G]`.

    Args:
        columns: sparse, `[C, N]`.
        unit: unit of each row, `[N]`, 0 … n_units - 1.
        n_units: G, at least 1.
    """
    rows = np.arange(len(unit))
    return csr_array(columns @ csr_array((np.ones(len(unit)), (rows, unit)), shape=(len(unit), n_units)))


def resampled_sums(columns: csr_array, resamples: int, seed: int) -> Floats:
    """Draws as many units as there are, with replacement, again and again, and sums each column over them.

    Args:
        columns: sparse, `[C, G]`, one column of the matrix per unit, at least one.
        resamples: R.
        seed: of the generator; the same seed gives the same sums.

    Returns:
        `[R, C]`.
    """
    n_units = columns.shape[1]
    generator = np.random.default_rng(seed)
    chunk = max(1, _CHUNK_CELLS // n_units)
    sums = np.empty((resamples, columns.shape[0]))
    for start in range(0, resamples, chunk):
        stop = min(resamples, start + chunk)
        sums[start:stop] = (columns @ _multiplicities(generator, n_units, stop - start)).T
    return sums


def _multiplicities(generator: np.random.Generator, n_units: int, resamples: int) -> Floats:
    # How often each unit was drawn in each resample, [G, R]
    drawn = generator.integers(0, n_units, size=(n_units, resamples))
    cells = drawn * resamples + np.arange(resamples)
    counts = np.bincount(cells.ravel(), minlength=n_units * resamples)
    return counts.reshape(n_units, resamples).astype(np.float64)
