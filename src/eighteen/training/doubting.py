"""Training without the pictures whose labels look wrong.

Frozen features say of each training picture what other pictures make likely (`training.voting`); where
confident learning then names a label, the picture is left out. What is hard looks like what is wrong, so this
is a setting to be tried against doing without. Validation and test keep every picture: measures must not get
easier.

Source: Northcutt, Jiang and Chuang, Confident Learning, JAIR 70 (2021).
"""

from __future__ import annotations

import polars as pl

from eighteen.auditing.label_errors import find_label_errors
from eighteen.core.dataset import Dataset
from eighteen.core.findings import name_some
from eighteen.core.progress import Progress
from eighteen.core.recipe import Recipe
from eighteen.splitting import find_units
from eighteen.training.frozen import FOLDS, frozen_features, frozen_reader, score_out_of_fold
from eighteen.training.voting import opinions


def without_doubtful(training: Dataset, recipe: Recipe, progress: Progress) -> tuple[Dataset, str]:
    """The training pictures that are left, and a sentence about those that are not.

    Args:
        training: the training split.
        recipe: resolved, with weights.
        progress: told how far reading features is.
    """
    units = len(find_units(training))
    if units < FOLDS:
        return training, f"{units} independent pictures or groups are too few to doubt any of them"
    features = frozen_features(frozen_reader(training, recipe), training, progress)
    said = opinions(training, features, score_out_of_fold(training, features))
    finding = find_label_errors(said, dict(training.table.select("id", "target").iter_rows()))
    left = training.with_table(training.table.filter(~pl.col("id").is_in(list(finding.images))))
    emptied = [name for name, count in left.class_counts("train").items() if not count]
    if emptied:
        return training, f"every picture of {name_some(emptied)} looks wrong, so none is left out"
    gone = f"{len(training) - len(left)} of {len(training)} training pictures are left out"
    return left, f"{gone}: {finding.message}"
