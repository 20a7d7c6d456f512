"""Parts are held out where every class stays to be learned, and studies say at once what they cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from eighteen import api
from eighteen.core.corrections import Corrections
from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError, RecipeError
from eighteen.core.recipe import Recipe
from eighteen.core.study import Study
from eighteen.evaluating.heldout import Part, parts, require_every_class
from eighteen.splitting import split
from eighteen.training import teaching
from tables import dataset_of


def with_a_rare_class(groups_of_rare: int = 1, per_group: int = 3) -> Dataset:
    """100 pictures of two classes in groups of two, and some of a third one; split by hash."""
    rare = groups_of_rare * per_group
    targets = [*["cat", "dog"] * 50, *["rare"] * rare]
    groups = [f"burst {number // 2}" for number in range(100)]
    groups += [f"farm {number // per_group}" for number in range(rare)]
    return split(dataset_of(targets, groups), test_fraction=0.0)


def test_a_class_in_one_group_is_named_with_what_can_be_done() -> None:
    said = (
        r"holds out all pictures of a class cannot learn it: rare \(3 pictures in 1 group\), outside the "
        r"test split.*in other groups, or leave it out, or join it.*--folds 1"
    )
    with pytest.raises(DatasetError, match=said) as told:
        parts(with_a_rare_class(), 3, 1, 0)
    assert "split_seed" not in str(told.value), "another dealing would not help"
    with pytest.raises(DatasetError, match=r"rare \(1 picture in 1 group\)"):
        parts(with_a_rare_class(1, 1), 5, 2, 0)


def test_a_class_in_two_groups_is_dealt() -> None:
    dataset = with_a_rare_class(2)
    for part in parts(dataset, 5, 3, 0):
        assert "rare" in dataset.table.filter(~part.held)["target"].to_list()


def test_a_dealing_that_puts_both_groups_into_one_fold_may_be_dealt_anew() -> None:
    dataset = with_a_rare_class(2)
    rare = (dataset.table["target"] == "rare").to_numpy()
    with pytest.raises(DatasetError, match=r"rare \(6 pictures in 2 groups\).*another data\.split_seed"):
        require_every_class(dataset, [Part(0, 0, rare)])


def test_one_part_leaves_a_class_of_one_group_in_training() -> None:
    dataset = with_a_rare_class()
    (part,) = parts(dataset, 1, 1, 0)
    assert "rare" not in dataset.table.filter(part.held)["target"].to_list()
    only_val = dataset.with_columns(
        split=["val" if target == "rare" else "train" for target in dataset.table["target"]]
    )
    with pytest.raises(DatasetError, match=r"rare \(3 pictures in 1 group\)") as told:
        parts(only_val, 1, 1, 0)
    assert "--folds 1" not in str(told.value)


def test_labels_that_are_learned_from_count_where_they_differ() -> None:
    dataset = with_a_rare_class(2)
    dealt = parts(dataset, 2, 1, 0)
    fewer = dataset.with_table(
        dataset.table.filter((pl.col("target") != "rare") | (pl.col("group") == "farm 0"))
    )
    require_every_class(dataset, dealt)
    with pytest.raises(DatasetError, match=r"rare \(3 pictures in 1 group\)"):
        require_every_class(dataset, dealt, fewer)


# Before a study is there

Begin = Callable[[Dataset, Path, Recipe], Any]
STUDIES: dict[str, Begin] = {
    "crossval": lambda data, out, recipe: api.crossval(data, out, recipe, folds=3),
    "compare": lambda data, out, recipe: api.compare_recipes(data, out, Recipe(), recipe, folds=3),
    "models": lambda data, out, recipe: api.compare_models(
        data, out, ["resnet18", "resnet34"], recipe, folds=3
    ),
    "clean": lambda data, out, recipe: api.clean(data, out.parent / "corrections.csv", out, recipe, folds=3),
    "tune": lambda data, out, recipe: api.tune(data, out, recipe, trials=5, folds=3),
    "climb": lambda data, out, recipe: api.climb(data, out, recipe, folds=3),
}


@pytest.fixture
def unaudited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies take data sets as they are, so that none needs pictures."""
    for module in ("studies", "relatives", "cleaning", "tuning", "runs"):
        monkeypatch.setattr(
            f"eighteen.api.{module}.audited",
            lambda data, recipe, progress: SimpleNamespace(dataset=data, findings=()),
        )
    corrections = Corrections((), "corrections.csv", "")
    monkeypatch.setattr("eighteen.api.cleaning.Corrections", SimpleNamespace(read=lambda path: corrections))
    monkeypatch.setattr("eighteen.evaluating.cleaning.decisions_outside_test", lambda *arguments: [])


@pytest.mark.usefixtures("unaudited")
@pytest.mark.parametrize("kind", STUDIES)
def test_a_study_that_cannot_learn_a_class_is_not_begun(kind: str, tmp_path: Path) -> None:
    recipe = Recipe().changed(loss={"label_smoothing": 0.0})
    with pytest.raises(DatasetError, match=r"rare \(3 pictures in 1 group\)"):
        STUDIES[kind](with_a_rare_class(), tmp_path / "out", recipe)
    assert not list(tmp_path.iterdir())


def teach_with(learned: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever run is named as a teacher has learned from these pictures."""
    run = SimpleNamespace(
        path=Path("runs/large"), dataset=learned, class_names=learned.class_names, recipe=Recipe()
    )
    monkeypatch.setattr(teaching, "Run", SimpleNamespace(open=lambda path: run))
    monkeypatch.setattr(teaching.native, "open_network", lambda run: None)


@pytest.mark.usefixtures("unaudited")
@pytest.mark.parametrize("kind", STUDIES)
def test_a_teacher_that_knows_the_pictures_is_refused_before_a_study_is_begun(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = with_a_rare_class(5)
    teach_with(dataset, monkeypatch)
    recipe = Recipe().changed(training={"teacher": "runs/large"})
    with pytest.raises(
        RecipeError, match=r"runs/large has learned from \d+ of .*training\.teacher=itself"
    ) as told:
        STUDIES[kind](dataset, tmp_path / "out", recipe)
    assert "eighteen train --splits-from runs/large" in str(told.value)
    assert not list(tmp_path.iterdir())
    itself = Recipe().changed(training={"teacher": "itself"})
    teaching.require_foreign_teachers(itself, dataset)
    others = dataset.with_columns(sha256=[f"{number:064d}" for number in range(len(dataset))])
    teach_with(others, monkeypatch)
    teaching.require_foreign_teachers(recipe, dataset)


@pytest.mark.usefixtures("unaudited")
def test_teachers_in_the_space_of_a_search_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = with_a_rare_class(5)
    teach_with(dataset, monkeypatch)
    with pytest.raises(RecipeError, match="the teacher runs/large has learned from"):
        api.tune(dataset, tmp_path / "out", trials=5, space=("training.teacher=itself,runs/large",))
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("unaudited")
@pytest.mark.parametrize("minutes", [None, 10.0])
def test_a_confirmation_is_dealt_before_the_search(minutes: float | None, tmp_path: Path) -> None:
    """Four groups can be dealt into four folds, and not into five."""
    targets = ["cat", "dog"] * 20
    dataset = dataset_of(
        targets, [f"farm {number // 10}" for number in range(40)], ["train"] * 30 + ["val"] * 10
    )
    with pytest.raises(DatasetError, match="5 folds of 4 pictures or groups are not possible"):
        api.tune(dataset, tmp_path / "out", trials=5, minutes=minutes, folds=5)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("unaudited")
def test_a_test_split_that_is_not_there_is_said_before_training(tmp_path: Path) -> None:
    dataset = with_a_rare_class(5)
    opens = Recipe().changed(evaluation={"open_test": True})
    said = r"asks for the test split, and these pictures have none.*--resplit"
    with pytest.raises(DatasetError, match=rf"--test \(evaluation\.open_test\) {said}"):
        api.train(dataset, tmp_path / "out", opens)
    with pytest.raises(DatasetError, match=rf"--test \(evaluation\.open_test\) {said}"):
        api.climb(dataset, tmp_path / "out", open_test=True)
    with pytest.raises(DatasetError, match=rf"--test \(evaluation\.open_test\) {said}"):
        api.climb(dataset, tmp_path / "out", opens)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("unaudited")
@pytest.mark.parametrize("kind", STUDIES)
def test_a_recipe_that_opens_the_test_split_is_heeded_or_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A climb opens it once, at its end, as `train` does; the other studies leave it closed."""
    monkeypatch.setattr("eighteen.api.tuning.resume_climb", lambda out, progress: Study.open(out))
    dataset = with_a_rare_class(5)
    dataset = dataset.with_columns(split=["test"] * 10 + dataset.table["split"].to_list()[10:])
    opens = Recipe().changed(evaluation={"open_test": True})
    if kind == "climb":
        assert STUDIES[kind](dataset, tmp_path / "out", opens).asked["open_test"] is True
        return
    said = r"evaluation\.open_test is true, and a [\w -]+ never opens the test split; expected false.*--test"
    with pytest.raises(RecipeError, match=said):
        STUDIES[kind](dataset, tmp_path / "out", opens)
    assert not list(tmp_path.iterdir())


def test_parts_of_one_dealing_hold_every_picture_once() -> None:
    dataset = with_a_rare_class(4)
    first, later = parts(dataset, 4, 2, 0), parts(dataset, 4, 1, 0, first=1)
    assert np.sum([part.held for part in first], axis=0).tolist() == [2] * len(dataset)
    assert [part.held.tolist() for part in later] == [part.held.tolist() for part in first[4:]]
