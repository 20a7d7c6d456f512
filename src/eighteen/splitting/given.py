"""Splits that the source gives are respected; only what is missing is made, and only out of train.

In: a data set with at least one row in a split. Out: the same rows in the same splits, except that without
any validation a share of train becomes it. Test is never made and never touched beside given splits. Groups
that lie in several given splits are named, not moved.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.core.dataset import Dataset
from eighteen.core.findings import Finding
from eighteen.splitting._gaps import TRAIN, VAL, GapFiller
from eighteen.splitting._units import Units, find_units
from eighteen.splitting.stratified import by_thresholds, repaired


def complete(dataset: Dataset, val_fraction: float, seed: int) -> Dataset:
    """Keeps given splits and makes a validation split where there is none.

    Args:
        dataset: some rows have a split. Rows without one become train.
        val_fraction: share of train (by unit) that becomes validation when none is given.
        seed: salt of the hash.
    """
    placed = _place_rest_in_train(dataset)
    counts = placed.split_counts
    if counts["val"] == 0 and counts["train"] > 0 and val_fraction > 0:
        placed = _validation_from_train(placed, val_fraction, seed)
    return placed.with_notes(_no_test(placed))


def _place_rest_in_train(dataset: Dataset) -> Dataset:
    rest = dataset.table.filter(pl.col("split") == "")
    if rest.is_empty():
        return dataset
    split = dataset.table["split"].replace({"": "train"})
    message = f"{len(rest)} of {len(dataset)} pictures have no split where others have one; they become train"
    advice = "give them a split, or make a new one for all with --resplit"
    finding = Finding("rows_without_split", "warning", message, tuple(rest["id"]), advice)
    return dataset.with_columns(split=split.to_list()).with_notes([finding])


def _validation_from_train(dataset: Dataset, val_fraction: float, seed: int) -> Dataset:
    in_train = (dataset.table["split"] == "train").to_numpy()
    units = find_units(dataset, seed)
    free = _units_within(units, in_train)
    assigned = np.where(free, by_thresholds(units.position, val_fraction, 0.0), TRAIN)
    trained = Units(units.of_row[in_train], units.position)
    targets = dataset.table.filter(in_train)["target"].to_list()
    filled = GapFiller(trained, targets, assigned, [TRAIN, VAL], free).fill()
    to_val = in_train & (assigned[units.of_row] == VAL)
    split = np.where(to_val, "val", dataset.table["split"].to_numpy())
    message = (
        f"no validation was given: {int(to_val.sum())} of {int(in_train.sum())} training pictures became it, "
        "by the hash of each group or picture"
    )
    advice = "the test split was not touched; added pictures move no old one"
    made = Finding("validation_made", "info", message, (), advice)
    return dataset.with_columns(split=split.tolist()).with_notes([made, *repaired(filled)])


def _units_within(units: Units, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Units all of whose rows are among `rows`, `[U]`: one that test holds a part of stays where it is."""
    outside = np.bincount(units.of_row[~rows], minlength=len(units))
    return np.asarray(outside == 0, np.bool_)


def _no_test(dataset: Dataset) -> list[Finding]:
    if dataset.split_counts["test"] > 0 or dataset.split_counts["train"] == 0:
        return []
    message = (
        "the given splits hold no test pictures and none were taken from them: validation picks the model, "
        "so its scores are a little too good"
    )
    advice = "give a test split, or make all three anew with --resplit"
    return [Finding("no_test_split", "info", message, (), advice)]
