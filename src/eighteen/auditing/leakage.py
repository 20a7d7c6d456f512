"""The same picture in two splits: what was trained on is no test.

Reads the data set after splitting and before `repair`, which leaves the copies out of the less protected
split: train gives way to validation, both give way to test.
"""

from __future__ import annotations

import polars as pl

from eighteen.auditing._copies import copies
from eighteen.core.dataset import Dataset
from eighteen.core.findings import Finding, name_some

WHEN = "split"

_PAIRS = (("test", "train"), ("test", "val"), ("val", "train"))


def check(dataset: Dataset) -> list[Finding]:
    """Sets of copies that lie in more than one split."""
    sets = copies(dataset).filter(pl.col("splits").list.len() > 1)
    if sets.is_empty():
        return []
    split_of = dict(dataset.table.select("id", "split").iter_rows())
    groups = tuple(tuple(ids) for ids in sets["ids"])
    parts = [_overlap(groups, split_of, kept, gone) for kept, gone in _PAIRS]
    pairs = [" = ".join(sorted(ids, key=lambda image: (split_of[image], image))) for ids in groups]
    message = (
        f"{' and '.join(part for part in parts if part)} (same pixels): {name_some(pairs)}; the copies in "
        "the split named last are left out, test stays whole"
    )
    images = tuple(image for ids in groups for image in ids)
    advice = "find out how the splits were made: near copies may be in both as well"
    return [Finding("leakage", "warning", message, images, advice, groups)]


def _overlap(groups: tuple[tuple[str, ...], ...], split_of: dict[str, str], kept: str, gone: str) -> str:
    """The words "4 pictures of test are also in train", or "" where none is."""
    number = sum(
        sum(split_of[image] == kept for image in ids)
        for ids in groups
        if any(split_of[image] == gone for image in ids)
    )
    if number == 0:
        return ""
    noun, verb = ("picture", "is") if number == 1 else ("pictures", "are")
    return f"{number} {noun} of {kept} {verb} also in {gone}"
