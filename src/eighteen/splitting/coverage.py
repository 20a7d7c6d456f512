"""What a finished split cannot say: classes that are missing in a split, groups that lie in several.

In: a data set whose rows all have a split. Out: findings; nothing is moved here.
"""

from __future__ import annotations

import polars as pl

from eighteen.core.dataset import SPLITS, Dataset
from eighteen.core.findings import Finding, name_some

TINY_IMAGES = 2
"""A class with up to this many pictures cannot be in train, validation and test at once."""

_WORDS = {"train": "train", "val": "validation", "test": "test"}


def coverage(dataset: Dataset) -> list[Finding]:
    """Findings on classes and groups of a split data set."""
    return [*_missing_classes(dataset), *_groups(dataset)]


def _missing_classes(dataset: Dataset) -> list[Finding]:
    """Classes with pictures that validation or test do not show; those without training are reading's."""
    present = [split for split in SPLITS if dataset.split_counts[split] > 0]
    counts = {split: dataset.class_counts(split) for split in present}
    tiny: list[str] = []
    absent: list[str] = []
    for name, total in dataset.class_counts().items():
        missing = [split for split in present if split != "train" and counts[split][name] == 0]
        if total == 0 or not missing:
            continue
        where = ", ".join(f"{counts[split][name]} in {_WORDS[split]}" for split in present)
        blind = " and ".join(_WORDS[split] for split in missing)
        sentence = f"class {name} has {_pictures(total)} ({where}): {blind} scores say nothing about it"
        (tiny if total <= TINY_IMAGES else absent).append(sentence)
    advice = "add pictures of these classes, or read the scores as being about the other classes"
    pairs = (("tiny_class", tiny), ("class_not_in_split", absent))
    return [
        Finding(check, "warning", "; ".join(rows[:10]) + _more(rows), (), advice)
        for check, rows in pairs
        if rows
    ]


def _groups(dataset: Dataset) -> list[Finding]:
    """Whether any named group lies in two splits; either answer is said."""
    grouped = dataset.table.filter(pl.col("group") != "")
    if grouped.is_empty():
        return []
    sides = (
        grouped.group_by("group")
        .agg(pl.col("split").unique().sort(), pl.col("id").sort())
        .sort("group")
        .with_columns(sides=pl.col("split").list.len())
    )
    straddling = sides.filter(pl.col("sides") > 1)
    if straddling.is_empty():
        message = f"{len(sides)} groups hold {len(grouped)} pictures; no group lies in two splits"
        return [Finding("groups_disjoint", "info", message)]
    named = [f"{group} ({', '.join(splits)})" for group, splits in straddling.select("group", "split").rows()]
    message = (
        f"{len(straddling)} of {len(sides)} groups lie in more than one of the given splits: "
        f"{name_some(named)}; scores on pictures of a known group are too good. Nothing was moved"
    )
    groups = tuple(tuple(ids) for ids in straddling["id"])
    images = tuple(image for ids in groups for image in ids)
    advice = "make new splits that keep groups together with --resplit, or accept it and say so"
    return [Finding("group_straddles_splits", "warning", message, images, advice, groups)]


def _more(rows: list[str]) -> str:
    return f"; and {len(rows) - 10} more classes" if len(rows) > 10 else ""


def _pictures(number: int) -> str:
    return "1 picture" if number == 1 else f"{number} pictures"
