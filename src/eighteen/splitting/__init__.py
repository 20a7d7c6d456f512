"""Splitting: which pictures train, which pick the model, which judge it.

In: a `Dataset`, best one whose pictures are hashed. Out: the same with every row in train, val or test, and
notes on what was done. Given splits are respected (`given`), a missing split is made by the hash of each
picture's content or group (`stratified`), an earlier run's splits can be kept (`frozen`), and `folds` deals
the rows out for cross-validation. Pictures that belong together never lie on two sides of a made split.
"""

from __future__ import annotations

import polars as pl

from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.splitting._units import find_units
from eighteen.splitting.coverage import coverage
from eighteen.splitting.folds import folds
from eighteen.splitting.frozen import freeze
from eighteen.splitting.given import complete
from eighteen.splitting.joined import JOINED_COLUMNS, joined_groups
from eighteen.splitting.stratified import split_by_hash

__all__ = [
    "JOINED_COLUMNS",
    "find_units",
    "folds",
    "joined_groups",
    "split",
    "split_like",
]

VAL_FRACTION = 0.15
TEST_FRACTION = 0.15


def split(
    dataset: Dataset,
    *,
    val_fraction: float = VAL_FRACTION,
    test_fraction: float = TEST_FRACTION,
    seed: int = 0,
    resplit: bool = False,
) -> Dataset:
    """Puts every picture into train, val or test.

    Without any given split: train, val and test by shares. With given ones: they stay; without a validation
    split among them a share of train becomes it; a test split is never made beside given ones.

    Args:
        dataset: the pictures. Scan them first: copies are kept together by their content hash.
        val_fraction, test_fraction: shares in [0, 1), together below 1.
        seed: salt of the hash that decides; independent of the seed of training.
        resplit: ignore given splits and make new ones.

    Returns:
        The data set with splits and with notes: how they were made, which classes a split does not show,
        which groups lie in several given splits.

    Raises:
        DatasetError: the shares leave nothing to train on, or there is no picture.

    >>> from pathlib import Path
    >>> from eighteen.core.dataset import SCHEMA
    >>> rows = {"id": ["a.png", "b.png"], "path": ["a.png", "b.png"], "index": [-1, -1], "target": ["x", "x"],
    ...     "split": ["", ""], "group": ["", ""], "sha256": ["", ""], "width": [0, 0], "height": [0, 0],
    ...     "mode": ["", ""]}
    >>> done = split(Dataset(pl.DataFrame(rows, schema=dict(SCHEMA)), ("x",), Path(".")))
    >>> done.split_counts
    {'train': 1, 'val': 1, 'test': 0}
    """
    _check(dataset, val_fraction, test_fraction)
    if dataset.has_splits and not resplit:
        done = complete(dataset, val_fraction, seed)
    else:
        done = split_by_hash(dataset, val_fraction, test_fraction, seed)
    return done.with_notes(coverage(done))


def split_like(
    dataset: Dataset,
    frozen: pl.DataFrame,
    *,
    val_fraction: float = VAL_FRACTION,
    test_fraction: float = TEST_FRACTION,
    seed: int = 0,
) -> Dataset:
    """Takes the splits of an earlier run.

    Args:
        dataset: the pictures, scanned.
        frozen: the run's stored table (`id, sha256, index, group, split`).
        val_fraction, test_fraction, seed: rule for pictures that the run did not know.

    Returns:
        The data set with splits; notes say how many pictures are new and how many are gone.

    Raises:
        DatasetError: the table holds no splits, or the shares leave nothing to train on.
    """
    _check(dataset, val_fraction, test_fraction)
    done = freeze(dataset, frozen, val_fraction, test_fraction, seed)
    return done.with_notes(coverage(done))


def _check(dataset: Dataset, val_fraction: float, test_fraction: float) -> None:
    if len(dataset) == 0:
        raise DatasetError(f"there is no picture to split in {dataset.root}; check what was skipped and why")
    if not (0 <= val_fraction < 1 and 0 <= test_fraction < 1 and val_fraction + test_fraction < 1):
        raise DatasetError(
            f"shares of {val_fraction} for validation and {test_fraction} for test leave nothing to "
            "train on; give two numbers from 0 to 1 whose sum is below 1"
        )
