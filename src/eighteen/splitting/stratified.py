"""A split for data that came without one: 70/15/15 by the hash of the unit, no class left out.

In: a data set without splits. Out: the same with each row in train, val or test. A unit (a named group, the
copies of a picture, else one picture) goes to test when its hash is below the share of test, to validation
below the two shares together, else to train. So a picture that is added later moves no old one, and the
shares hold within sampling noise. Classes that chance left out of a split are repaired (`_gaps`) and named.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eighteen.core.dataset import SPLITS, Dataset
from eighteen.core.findings import Finding, name_some
from eighteen.splitting._gaps import TEST, TRAIN, VAL, GapFiller
from eighteen.splitting._units import find_units


def split_by_hash(dataset: Dataset, val_fraction: float, test_fraction: float, seed: int) -> Dataset:
    """Puts every row into train, val or test, whatever split it had.

    Args:
        dataset: its groups and content hashes say what must stay together.
        val_fraction, test_fraction: shares of the units, each in [0, 1) and together below 1; 0 makes none.
        seed: salt of the hash.

    Returns:
        The data set with splits, and a note on how they were made.
    """
    units = find_units(dataset, seed)
    assigned = by_thresholds(units.position, val_fraction, test_fraction)
    wanted = [TRAIN, *[VAL] * (val_fraction > 0), *[TEST] * (test_fraction > 0)]
    filled = GapFiller(units, dataset.table["target"].to_list(), assigned, wanted).fill()
    result = dataset.with_columns(split=np.array(SPLITS)[assigned[units.of_row]].tolist())
    return result.with_notes([_made(result), *repaired(filled)])


def by_thresholds(
    position: npt.NDArray[np.float64], val_fraction: float, test_fraction: float
) -> npt.NDArray[np.int64]:
    """Split code of each unit, `[U]`, from its hash alone.

    >>> by_thresholds(np.array([0.1, 0.2, 0.9]), 0.15, 0.15).tolist() == [TEST, VAL, TRAIN]
    True
    """
    return np.select(
        [position < test_fraction, position < test_fraction + val_fraction], [TEST, VAL], TRAIN
    ).astype(np.int64)


def repaired(filled: dict[str, list[str]]) -> list[Finding]:
    """Names the classes that got a unit in a split where chance had left them none."""
    if not filled:
        return []
    named = name_some([f"{name} ({' and '.join(splits)})" for name, splits in sorted(filled.items())])
    message = (
        f"small classes that had no picture in a split by their hashes ({len(filled)}); the nearest in hash "
        f"order went there: {named}"
    )
    advice = (
        "pictures of these classes that are added later may change this; freeze it with --splits-from RUN"
    )
    return [Finding("split_repaired", "info", message, (), advice)]


def _made(dataset: Dataset) -> Finding:
    counts = dataset.split_counts
    message = (
        f"no split was given, so one was made by the hash of each group or picture: {counts['train']} train, "
        f"{counts['val']} validation, {counts['test']} test"
    )
    advice = "the same data always gives this split; added pictures move no old one"
    return Finding("split_made", "info", message, (), advice)
