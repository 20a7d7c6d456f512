"""The table that a screening gives: one row a picture of the pile, and what becomes of it.

    path,decision,rank,reason,duplicate_of,off_topic,uncertainty,suggested,score,hint

Each stage of the screening makes the rows of the pictures that it decides on; `together` puts them in the
order in which people read them: what is to be labelled first, by rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import polars as pl

from eighteen.core.dataset import Dataset

Decision = Literal["chosen", "spare", "off_topic", "near_duplicate", "duplicate", "broken"]

DECISIONS: Mapping[Decision, str] = {
    "chosen": "to be labelled",
    "spare": "good, but less to learn from than those chosen",
    "off_topic": "shows something else than the data set",
    "near_duplicate": "nearly the same picture as another one",
    "duplicate": "the same picture as another one, pixel for pixel",
    "broken": "cannot be read, or shows nothing",
}
"""What may become of a picture, in reading order, and what that means."""

SCHEMA: Mapping[str, pl.DataType] = {
    "path": pl.String(),
    "decision": pl.String(),
    "rank": pl.Int64(),
    "reason": pl.String(),
    "duplicate_of": pl.String(),
    "off_topic": pl.Float64(),
    "uncertainty": pl.Float64(),
    "suggested": pl.String(),
    "score": pl.Float64(),
    "hint": pl.String(),
}
"""`rank` counts from 1 and is given to chosen pictures alone. `off_topic` above 1 is off topic. `uncertainty`
is 0 (sure) … 1 (undecided between two classes); `score` is the probability of the class `suggested`, 0..1.
`hint` is the class that the pile's own folder or table names, where the data set has it."""


def rows_of(decision: Decision, paths: Sequence[str], **columns: Sequence[Any]) -> pl.DataFrame:
    """Rows with one decision; columns that are not given are empty."""
    given: dict[str, Sequence[Any]] = {"path": paths, "decision": [decision] * len(paths), **columns}
    nothing = [None] * len(paths)
    return pl.DataFrame(
        [pl.Series(name, list(given.get(name, nothing)), dtype) for name, dtype in SCHEMA.items()]
    )


def together(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """All rows: by decision, then by rank, then as they came."""
    rows = pl.concat([pl.DataFrame(schema=dict(SCHEMA)), *parts])
    order = pl.col("decision").replace_strict({name: place for place, name in enumerate(DECISIONS)})
    return rows.sort(order, "rank", nulls_last=True, maintain_order=True)


def with_places(dataset: Dataset) -> Dataset:
    """The data set with a column `place`: where each picture's file lies, for people (`#index` where a file
    holds several)."""
    return dataset.with_columns(place=[(dataset.root / image).as_posix() for image in dataset.ids])
