"""A confirmation is told by pictures that no trial was scored on, and by the metric that was asked for."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.progress import silent
from eighteen.core.recipe import Recipe
from eighteen.evaluating.heldout import parts
from eighteen.splitting import find_units, split
from eighteen.tuning import confirming
from eighteen.tuning.confirming import Effort, fresh_parts
from tables import FakeScorer, dataset_of


def known(n: int = 600, group_size: int = 3) -> Dataset:
    """Two classes in groups, split by hash; no test split."""
    targets = ["cat" if number % 2 else "dog" for number in range(n)]
    groups = [f"burst {number // group_size}" for number in range(n)]
    return split(dataset_of(targets, groups), test_fraction=0.0)


# What is held out


def test_one_fold_holds_out_nothing_that_the_search_was_scored_on() -> None:
    dataset = known()
    validation = (dataset.table["split"] == "val").to_numpy()
    scorer = FakeScorer(dataset)
    confirming.confirm({"default": Recipe()}, dataset, Effort(1, 2), "accuracy", scorer, silent)
    assert len(scorer.asked) == 2
    assert [recipe.seed for _, _, recipe in scorer.asked] == [1000, 1001]
    for _, part, _ in scorer.asked:
        assert not (part.held & validation).any()
        assert 0.12 < part.held.mean() < 0.22, "a fifth without validation's share"
        unit = find_units(dataset).of_row
        assert not set(unit[part.held]) & set(unit[~part.held]), "groups stay together"


def test_winners_are_chosen_on_another_fold_than_they_are_confirmed_on() -> None:
    dataset = known()
    (first,), (second,) = (fresh_parts(dataset, 1, 0, turn) for turn in (0, 1))
    assert not (first.held & second.held).any()
    assert fresh_parts(dataset, 1, 0)[0].held.tolist() == first.held.tolist()
    assert fresh_parts(dataset, 1, 1)[0].held.tolist() != first.held.tolist()


def test_winners_are_chosen_on_other_folds_than_they_are_confirmed_on() -> None:
    dataset = known()
    first, second = (fresh_parts(dataset, 3, 0, turn) for turn in (0, 1))
    assert {part.repeat for part in first} == {1} and {part.repeat for part in second} == {2}
    assert [part.held.tolist() for part in first] != [part.held.tolist() for part in second]


def test_of_a_single_fold_no_winner_is_chosen() -> None:
    """Both would be told by the same pictures."""
    splits = ["val" if number < 240 else "train" for number in range(300)]
    groups = ["one"] * 240 + ["two"] * 60
    dataset = dataset_of(["cat", "dog"] * 150, groups, splits)
    assert len(fresh_parts(dataset, 1, 0)) == 1
    with pytest.raises(DatasetError, match=r"only one fold.*--winners 1, or --folds 2"):
        fresh_parts(dataset, 1, 0, 1)


def test_trainings_on_folds_of_another_number_have_other_names() -> None:
    dataset = known()
    names = []
    for folds in (2, 3):
        scorer = FakeScorer(dataset)
        confirming.confirm({"default": Recipe()}, dataset, Effort(folds, 1), "accuracy", scorer, silent)
        names.append({name for name, _, _ in scorer.asked})
    assert not names[0] & names[1]


def test_several_folds_are_a_dealing_that_the_climb_has_not_seen() -> None:
    dataset = known()
    fresh = fresh_parts(dataset, 3, 0)
    assert [(part.repeat, part.fold) for part in fresh] == [(1, 0), (1, 1), (1, 2)]
    assert np.sum([part.held for part in fresh], axis=0).tolist() == [1] * len(dataset)
    assert [part.held.tolist() for part in fresh] == [
        part.held.tolist() for part in parts(dataset, 3, 2, 0) if part.repeat == 1
    ]


def test_comparisons_with_one_fold_still_hold_validation_out() -> None:
    dataset = known()
    (part,) = parts(dataset, 1, 1, 0)
    assert part.held.tolist() == (dataset.table["split"] == "val").to_list()


def test_a_group_that_lies_in_validation_too_is_not_held_out() -> None:
    splits = ["val" if number % 10 == 0 else "train" for number in range(300)]
    groups = [f"burst {number // 5}" for number in range(300)]
    dataset = dataset_of(["cat", "dog"] * 150, groups, splits)
    (part,) = fresh_parts(dataset, 1, 0)
    seen = set(dataset.table.filter(pl.col("split") == "val")["group"])
    assert part.held.any() and not seen & set(dataset.table.filter(part.held)["group"])
    everywhere = dataset.with_columns(group=["one"] * 150 + ["two"] * 150)
    with pytest.raises(DatasetError, match=r"every group .* holds validation pictures.*--folds 2 or more"):
        fresh_parts(everywhere, 1, 0)


def test_one_fold_leaves_something_of_every_class_to_learn() -> None:
    plain = known(300)
    targets = plain.table["target"].to_list()
    rare = plain.table.with_row_index("row").filter(pl.col("split") == "train")["row"][0]
    group = plain.table["group"][rare]
    targets = [
        "rare" if name == group else target
        for name, target in zip(plain.table["group"], targets, strict=True)
    ]
    dataset = dataset_of(targets, plain.table["group"].to_list(), plain.table["split"].to_list())
    for turn in range(5):
        (part,) = fresh_parts(dataset, 1, 0, turn)
        assert "rare" not in dataset.table.filter(part.held)["target"].to_list()


# What is decided


def test_the_verdict_is_about_the_metric_of_the_search() -> None:
    """Both answer alike; the one that is never sure has the smaller log loss."""
    dataset = known()
    recipes = {"default": Recipe(), "best": Recipe().changed(loss={"label_smoothing": 0.5})}
    scorer = FakeScorer(dataset, lambda recipe: 0.1 if recipe.loss.label_smoothing == 0.5 else 3.0)
    for metric, verdict in (("accuracy", "no difference that matters"), ("nll", "helps")):
        found = confirming.confirm(recipes, dataset, Effort(3, 1), metric, scorer, silent)
        compared = found.compared("default", "best")
        assert (compared.metric, compared.verdict) == (metric, verdict)
    assert "in log loss (less is better) against the default" in compared.sentence
    assert found.compared("best", "default").verdict == "hurts"
