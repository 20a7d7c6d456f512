"""Heads and neighbours together: what they are the mean of, what neither may see, and whom heads miss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from eighteen.core.dataset import SCHEMA, Dataset
from eighteen.core.predictions import softmax
from eighteen.training import voting
from eighteen.training.frozen import score_out_of_fold
from eighteen.training.voting import opinions, opinions_of_others


def labelled(labels: list[str], name: str = "train") -> Dataset:
    n = len(labels)
    table = pl.DataFrame(
        {
            "id": [f"{name}-{row:04}" for row in range(n)],
            "path": [f"{name}-{row:04}.png" for row in range(n)],
            "target": labels,
            "split": ["train"] * n,
            "group": [f"{name}-{row}" for row in range(n)],
            "sha256": [f"{name}{row:04x}" for row in range(n)],
            "mode": ["RGB"] * n,
            **{name: np.full(n, 32) for name in ("index", "width", "height")},
        }
    )
    return Dataset(
        table.select(pl.col(column).cast(kind) for column, kind in SCHEMA.items()), ("a", "b"), Path()
    )


@pytest.fixture
def kinds() -> tuple[Dataset, np.ndarray]:
    """Class b has a rare kind that lies beyond a, where a line between a and b cannot reach it."""
    generator = np.random.default_rng(0)
    centres = np.array([[3.0, 1, 0]] * 60 + [[1.0, 3, 0]] * 60 + [[6.0, 0.5, 4]] * 8)
    features = np.abs(centres + generator.normal(0, 0.1, centres.shape)).astype(np.float32)
    return labelled(["a"] * 60 + ["b"] * 68), features


def test_the_mean_of_both(kinds: tuple[Dataset, np.ndarray]) -> None:
    known, features = kinds
    heads = score_out_of_fold(known, features)
    both = opinions(known, features, heads)
    said = softmax(both.logits)
    assert np.allclose(said.sum(axis=1), 1)
    votes = 2 * said - softmax(heads.predictions.logits)
    assert (votes > -1e-5).all() and np.allclose(votes.sum(axis=1), 1, atol=1e-5)
    assert both.rows["fold"].to_list() == heads.folds.tolist()
    best = [known.class_names[k] for k in both.logits.argmax(axis=1)]
    assert both.rows["predicted"].to_list() == best
    assert np.allclose(both.rows["score"], said.max(axis=1))


def test_neighbours_of_the_same_fold_have_no_vote(kinds: tuple[Dataset, np.ndarray]) -> None:
    known, features = kinds
    heads = score_out_of_fold(known, features)
    row = 5
    turned = known.table["target"].to_numpy().copy()
    turned[heads.folds == heads.folds[row]] = "b"
    other = known.with_table(known.table.with_columns(target=pl.Series(turned)))
    before, after = opinions(known, features, heads), opinions(other, features, heads)
    assert np.array_equal(before.logits[row], after.logits[row])


def test_a_rare_kind_is_known_by_its_like(kinds: tuple[Dataset, np.ndarray]) -> None:
    known, features = kinds
    rare = slice(120, 128)
    asked = labelled(["b"], "asked")
    one_of_them = features[rare].mean(axis=0, keepdims=True)
    (said,) = softmax(opinions_of_others(known, features, asked, one_of_them).logits)
    assert said[1] > 0.5
    without = known.with_table(known.table[:120])
    (said,) = softmax(opinions_of_others(without, features[:120], asked, one_of_them).logits)
    assert said[1] < 0.5


def test_only_so_many_are_looked_through(
    kinds: tuple[Dataset, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    known, features = kinds
    heads = score_out_of_fold(known, features)
    sizes: list[int] = []
    found = voting.find_neighbours

    def counted(bank: np.ndarray, *arguments: object) -> object:
        sizes.append(len(bank))
        return found(bank, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(voting, "find_neighbours", counted)
    monkeypatch.setattr(voting, "MOST", 40)
    opinions(known, features, heads)
    assert sizes == [40] * 5
