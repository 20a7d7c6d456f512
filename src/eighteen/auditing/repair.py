"""Repairs what can be repaired without guessing: by leaving pictures out, each with its reason.

In: a scanned data set. Out: the same without pictures whose copies contradict one another in their labels,
and without copies of test pictures in validation or train (of validation pictures in train). Test is never
made smaller by a copy elsewhere. What was done is found by the checks `conflicts` and `leakage`.
"""

from __future__ import annotations

import polars as pl

from eighteen.auditing._copies import copies
from eighteen.auditing.conflicts import conflicting
from eighteen.core.dataset import Dataset

_PROTECTION = {"test": 3, "val": 2, "train": 1, "": 0}
"""Of equal pictures those in the split with the highest number stay."""


def repair(dataset: Dataset) -> Dataset:
    """Both repairs, contradictions first.

    Args:
        dataset: scanned; with splits, or the second repair finds nothing to do.
    """
    return without_shared_copies(without_contradictions(dataset))


def without_contradictions(dataset: Dataset) -> Dataset:
    """Leaves out every picture that is there under more than one label, all its copies."""
    label_of = dict(dataset.table.select("id", "target").iter_rows())
    reasons = {
        image: f"contradictory labels of the same picture: {_labels(ids, label_of)}"
        for ids in conflicting(dataset)
        for image in ids
    }
    return dataset.without(reasons)


def without_shared_copies(dataset: Dataset) -> Dataset:
    """Leaves out copies of pictures that a more protected split holds."""
    split_of = dict(dataset.table.select("id", "split").iter_rows())
    reasons: dict[str, str] = {}
    for ids in copies(dataset).filter(pl.col("splits").list.len() > 1)["ids"]:
        first = max(ids, key=lambda image: _PROTECTION[split_of[image]])
        for image in ids:
            if split_of[image] != split_of[first]:
                reasons[image] = f"same picture as {first}, which is in {split_of[first]}"
    return dataset.without(reasons)


def _labels(ids: tuple[str, ...], label_of: dict[str, str]) -> str:
    """Up to five copies; each label is there, since that is what they differ in."""
    first = {label_of[image]: image for image in reversed(ids)}
    shown = [*first.values(), *(image for image in ids if image not in first.values())][:5]
    return ", ".join(f"{image} is '{label_of[image]}'" for image in sorted(shown, key=ids.index))
