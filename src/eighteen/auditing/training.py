"""Classes that no training picture shows: nothing of them can be learned, so training stops here.

Reads the finished data set: given splits may lack a class, and leaving copies out may empty one.
"""

from __future__ import annotations

import polars as pl

from eighteen.core.dataset import Dataset
from eighteen.core.findings import Finding, name_some


def check(dataset: Dataset) -> list[Finding]:
    """Classes with pictures in other splits and none in train."""
    if not dataset.has_splits:
        return []
    if dataset.split_counts["train"] == 0:
        message = f"none of the {len(dataset)} pictures is for training"
        return [Finding("no_training_pictures", "blocking", message, (), "add pictures of the split train")]
    trained = dataset.class_counts("train")
    lost = [name for name, number in dataset.class_counts().items() if number > 0 and trained[name] == 0]
    if not lost:
        return []
    images = dataset.table.filter(pl.col("target").is_in(lost))["id"].to_list()
    message = f"{len(images)} pictures of classes without any training picture: {name_some(lost)}"
    advice = (
        "add training pictures of them, remove them, or --accept class_without_training, which leaves these "
        "pictures out"
    )
    return [Finding("class_without_training", "blocking", message, tuple(images), advice)]
