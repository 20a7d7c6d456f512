"""Folds for cross-validation: stratified, grouped, of equal size, the same for every order of the rows.

Units are dealt out, large ones first and then by hash, each to the fold that holds the fewest pictures of its
class (of equal ones, the smallest fold). So the folds differ by about one unit a class, and copies and groups
never lie in two.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.splitting._units import find_units


def folds(dataset: Dataset, k: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """Fold of each row.

    Args:
        dataset: rows of the split test take no part.
        k: number of folds, 2 or more and at most the number of units.
        seed: salt of the hash; another one gives other folds.

    Returns:
        int64 `[N]`, 0..k-1, and -1 for rows of the test split.

    Raises:
        DatasetError: there are fewer units than folds.
    """
    taken = (dataset.table["split"] != "test").to_numpy()
    units = find_units(dataset.with_table(dataset.table.filter(taken)), seed)
    if not 2 <= k <= len(units):
        raise DatasetError(
            f"{k} folds of {len(units)} pictures or groups are not possible; expected 2 to {len(units)} folds"
        )
    names, targets = np.unique(np.asarray(dataset.table["target"].to_list(), np.str_), return_inverse=True)
    fold = np.full(len(dataset), -1, np.int64)
    fold[taken] = _deal(units.of_row, units.position, targets[taken], len(names), k)[units.of_row]
    return fold


def _deal(
    of_row: npt.NDArray[np.int64],
    position: npt.NDArray[np.float64],
    targets: npt.NDArray[np.int64],
    classes: int,
    k: int,
) -> npt.NDArray[np.int64]:
    """Fold of each unit, `[U]`."""
    order = np.argsort(of_row, kind="stable")
    starts = np.searchsorted(of_row[order], np.arange(len(position) + 1))
    size = np.diff(starts)
    held = np.zeros((classes, k), np.int64)
    chosen = np.empty(len(position), np.int64)
    for unit in np.lexsort((position, -size)):
        shown, counts = np.unique(targets[order[starts[unit] : starts[unit + 1]]], return_counts=True)
        load = held[shown].sum(axis=0)
        chosen[unit] = np.lexsort((held.sum(axis=0), load))[0]
        held[shown, chosen[unit]] += counts
    return chosen
