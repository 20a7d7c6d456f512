"""Data sets whose pictures are nowhere, and trainings that train nothing, for tests of all around them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from eighteen.core.dataset import SCHEMA, Dataset
from eighteen.core.predictions import Predictions, softmax
from eighteen.core.recipe import Recipe
from eighteen.evaluating.heldout import Part


def dataset_of(
    targets: Sequence[str], groups: Sequence[str] | None = None, splits: Sequence[str] | None = None
) -> Dataset:
    """One row a target, each with a content of its own."""
    n = len(targets)
    ids = [f"{number:05d}.png" for number in range(n)]
    table = pl.DataFrame(
        {
            "id": ids,
            "path": ids,
            "index": [-1] * n,
            "target": list(targets),
            "split": [""] * n if splits is None else list(splits),
            "group": [""] * n if groups is None else list(groups),
            "sha256": [hashlib.sha256(name.encode()).hexdigest() for name in ids],
            "width": [8] * n,
            "height": [8] * n,
            "mode": ["L"] * n,
        },
        schema=dict(SCHEMA),
    )
    return Dataset(table, tuple(sorted(set(targets))), Path("photos"))


class FakeScorer:
    """A `ScorePart` that always names the first class, as surely as is asked, and remembers the asking."""

    def __init__(self, dataset: Dataset, sure: Callable[[Recipe], float] = lambda recipe: 1.0) -> None:
        self.dataset = dataset
        self.sure = sure
        self.asked: list[tuple[str, Part, Recipe]] = []

    def __call__(self, name: str, part: Part, recipe: Recipe) -> Predictions:
        self.asked.append((name, part, recipe))
        rows = self.dataset.table.filter(part.held)
        names = self.dataset.class_names
        logits = np.zeros((len(rows), len(names)), np.float32)
        logits[:, 0] = self.sure(recipe)
        told = rows.select("id", "path", "target", "split", "group").with_columns(
            predicted=pl.lit(names[0]),
            score=pl.Series(softmax(logits).max(axis=1)),
            fold=pl.lit(part.fold, pl.Int64()),
            seed=pl.lit(recipe.seed, pl.Int64()),
        )
        return Predictions(told, {"logits": logits}, names, len(rows))
