"""Near copies: one picture saved in another size or quality, cut, lit, mirrored or turned a little.

Reads the data set after splitting. Near copies are kept. In a split that is made they stay on one side; in
given splits they may lie on both, which is a leak that is named here and not repaired: only a person knows
whether two pictures that look alike are one. Copies pixel by pixel are `exact_duplicates`.
"""

from __future__ import annotations

import polars as pl

from eighteen.auditing._near import near_sets
from eighteen.core.dataset import Dataset
from eighteen.core.findings import Finding, name_some

WHEN = "split"


def check(dataset: Dataset) -> list[Finding]:
    """Sets of near copies: across splits, and within one."""
    sets = near_sets(dataset)
    across = sets.filter(pl.col("splits").list.len() > 1)
    return [*_across(across, dataset), *_within(sets.filter(pl.col("splits").list.len() == 1), dataset)]


def _across(sets: pl.DataFrame, dataset: Dataset) -> list[Finding]:
    if sets.is_empty():
        return []
    split_of = dict(dataset.table.select("id", "split").iter_rows())
    groups = tuple(tuple(ids) for ids in sets["ids"])
    named = [" ~ ".join(f"{image} ({split_of[image]})" for image in ids) for ids in groups]
    images = tuple(image for ids in groups for image in ids)
    message = (
        f"{_sets(groups)} lie in more than one of the given splits: {name_some(named)}; they are used as "
        "they are, and scores on them look better than they are"
    )
    advice = "take them out of one side, or make splits that keep them together with --resplit"
    return [Finding("leakage", "warning", message, images, advice, groups)]


def _within(sets: pl.DataFrame, dataset: Dataset) -> list[Finding]:
    if sets.is_empty():
        return []
    label_of = dict(dataset.table.select("id", "target").iter_rows())
    groups = tuple(tuple(ids) for ids in sets["ids"])
    images = tuple(image for ids in groups for image in ids)
    differing = sets.filter(pl.col("targets").list.len() > 1)["ids"]
    message = f"{_sets(groups)}: {name_some([' ~ '.join(ids) for ids in groups])}"
    if differing.is_empty():
        advice = "they stay together in every split that is made; remove those that add nothing"
        return [Finding("near_duplicates", "info", message, images, advice, groups)]
    named = [" and ".join(f"{image} is '{label_of[image]}'" for image in ids) for ids in differing]
    message += f"; of {len(differing)} the labels differ: {name_some(named)}"
    advice = "look at those with differing labels: one of these is most likely wrong"
    return [Finding("near_duplicates", "warning", message, images, advice, groups)]


def _sets(groups: tuple[tuple[str, ...], ...]) -> str:
    pictures = sum(len(ids) for ids in groups)
    return f"{len(groups)} {'set' if len(groups) == 1 else 'sets'} of near copies ({pictures} pictures)"
