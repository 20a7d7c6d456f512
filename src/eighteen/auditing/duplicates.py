"""Exact duplicates inside one class of one split: copies of a picture, byte for byte or saved anew.

They are kept. In training a copy only weighs its picture twice; in validation and test it counts one answer
twice, so scores look surer than they are, and that is a warning. Copies across splits are `leakage`, copies
across classes `conflicts`.
"""

from __future__ import annotations

import polars as pl

from eighteen.auditing._copies import copies
from eighteen.core.dataset import Dataset
from eighteen.core.findings import Finding, name_some


def check(dataset: Dataset) -> list[Finding]:
    """Sets of copies that share split and class."""
    sets = copies(dataset).filter((pl.col("splits").list.len() == 1) & (pl.col("targets").list.len() == 1))
    if sets.is_empty():
        return []
    judged = sets.filter(pl.col("splits").list.first().is_in(["val", "test"]))
    groups = tuple(tuple(ids) for ids in sets["ids"])
    images = tuple(image for ids in groups for image in ids)
    number, surplus = len(sets), len(images) - len(sets)
    message = (
        f"{number} picture{' is' if number == 1 else 's are'} there more than once in the same split and "
        f"class, {surplus} cop{'y' if surplus == 1 else 'ies'} in all: "
        f"{name_some([' = '.join(ids) for ids in groups])}"
    )
    if judged.is_empty():
        advice = "nothing must be done; remove the copies if no picture should weigh more than another"
        return [Finding("exact_duplicates", "info", message, images, advice, groups)]
    scored = int(judged["ids"].list.len().sum()) - len(judged)
    message += f"; {scored} of them in validation or test, where each counts as an answer of its own"
    advice = "remove the copies there: scores look surer than they are"
    return [Finding("exact_duplicates", "warning", message, images, advice, groups)]
