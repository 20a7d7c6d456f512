"""Facts about splits: what is given stays, what is made is stable, nothing that belongs together is torn."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from eighteen.core.dataset import SCHEMA, Dataset
from eighteen.core.errors import DatasetError
from eighteen.splitting import folds, split, split_like
from eighteen.splitting._units import find_units


def sha(text: object) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()


def make(
    targets: Sequence[str],
    groups: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
    content: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> Dataset:
    n = len(targets)
    ids = list(names) if names is not None else [f"{target}/{k:05d}.png" for k, target in enumerate(targets)]
    table = pl.DataFrame(
        {
            "id": ids,
            "path": ids,
            "index": [-1] * n,
            "target": list(targets),
            "split": list(splits) if splits is not None else [""] * n,
            "group": list(groups) if groups is not None else [""] * n,
            "sha256": [sha(text) for text in (content if content is not None else ids)],
            "width": [8] * n,
            "height": [8] * n,
            "mode": ["L"] * n,
        },
        schema=dict(SCHEMA),
    )
    return Dataset(table, tuple(sorted(set(targets))), Path("photos"))


def split_of(dataset: Dataset) -> dict[str, str]:
    return dict(dataset.table.select("id", "split").iter_rows())


def checks(dataset: Dataset) -> set[str]:
    return {note.check for note in dataset.notes}


def test_shares_hold_within_sampling_noise() -> None:
    counts = split(make(["cat"] * 3000 + ["dog"] * 3000)).split_counts
    for name, share in {"train": 0.70, "val": 0.15, "test": 0.15}.items():
        deviation = (share * (1 - share) * 6000) ** 0.5
        assert abs(counts[name] - share * 6000) < 4 * deviation


def test_every_class_of_three_and_more_is_in_every_split() -> None:
    for size in (3, 4, 5, 8, 13):
        targets = [f"c{k:02d}" for k in range(40) for _ in range(size)]
        done = split(make(targets))
        for name in ("train", "val", "test"):
            assert min(done.class_counts(name).values()) >= 1, (size, name)


def test_added_pictures_move_no_old_one() -> None:
    targets = ["cat"] * 200 + ["dog"] * 200
    before = split(make(targets))
    more = split(make([*targets, *["cat"] * 300, *["owl"] * 50]))
    after = split_of(more)
    assert all(after[image] == name for image, name in split_of(before).items())


def test_taking_pictures_away_moves_none() -> None:
    whole = make(["cat"] * 300 + ["dog"] * 300)
    some = whole.with_table(whole.table.filter(pl.Series(np.arange(600) % 3 > 0)))
    assert split_of(split(some)).items() <= split_of(split(whole)).items()


@limits(max_examples=40, deadline=None)
@given(st.data())
def test_rows_in_another_order_give_the_same_split(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 40))
    targets = data.draw(st.lists(st.sampled_from("abcd"), min_size=n, max_size=n))
    groups = data.draw(st.lists(st.sampled_from(["", "", "g1", "g2", "g3"]), min_size=n, max_size=n))
    content = data.draw(st.lists(st.sampled_from([str(k) for k in range(30)]), min_size=n, max_size=n))
    dataset = make(targets, groups, None, content)
    order = data.draw(st.permutations(range(n)))
    shuffled = dataset.with_table(dataset.table[order])
    assert split_of(split(dataset)) == split_of(split(shuffled))


@limits(max_examples=60, deadline=None)
@given(st.data())
def test_groups_and_copies_never_straddle_a_made_split(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 60))
    targets = data.draw(st.lists(st.sampled_from("abc"), min_size=n, max_size=n))
    groups = data.draw(st.lists(st.sampled_from(["", *[f"g{k}" for k in range(12)]]), min_size=n, max_size=n))
    content = data.draw(st.lists(st.sampled_from([str(k) for k in range(40)]), min_size=n, max_size=n))
    done = split(make(targets, groups, None, content)).table
    for column in ("group", "sha256"):
        named = done.filter(pl.col(column) != "")
        sides = named.group_by(column).agg(pl.col("split").n_unique())["split"]
        assert set(sides) <= {1}
    assert done.filter(pl.col("split") == "train")["target"].n_unique() == len(set(targets))


def test_copies_join_groups_to_one_unit() -> None:
    dataset = make(list("aaaa"), ["p1", "p1", "p2", "p3"], None, ["x", "y", "y", "z"])
    units = find_units(dataset).of_row
    assert units[0] == units[1] == units[2] != units[3]


def test_a_resaved_copy_is_kept_with_its_original() -> None:
    dataset = make(["a"] * 400, content=[str(k) for k in range(400)])
    dataset = dataset.with_columns(pixels_sha256=[sha(k // 2) for k in range(400)])
    sides = split(dataset).table.group_by("pixels_sha256").agg(pl.col("split").n_unique())
    assert sides["split"].max() == 1


def test_the_seed_changes_the_split_and_nothing_else_does() -> None:
    dataset = make(["a"] * 200 + ["b"] * 200)
    assert split_of(split(dataset)) == split_of(split(dataset))
    assert split_of(split(dataset)) != split_of(split(dataset, seed=1))


def test_tiny_classes_are_placed_and_named() -> None:
    done = split(make(["many"] * 20 + ["two"] * 2 + ["one"]))
    assert [done.class_counts(name)["two"] for name in ("train", "val", "test")] == [1, 1, 0]
    assert [done.class_counts(name)["one"] for name in ("train", "val", "test")] == [1, 0, 0]
    (tiny,) = (note for note in done.notes if note.check == "tiny_class")
    assert tiny.severity == "warning"
    assert "class one has 1 picture " in tiny.message
    assert "class two has 2 pictures " in tiny.message
    assert "validation and test scores say nothing about it" in tiny.message


@pytest.mark.parametrize("seed", range(30))
def test_tiny_classes_whatever_the_hash(seed: int) -> None:
    done = split(make(["many"] * 20 + ["two"] * 2 + ["one"]), seed=seed)
    assert [done.class_counts(name)["two"] for name in ("train", "val", "test")] == [1, 1, 0]
    assert done.class_counts("train")["one"] == 1


def test_a_repair_is_named() -> None:
    targets = [f"c{k}" for k in range(30) for _ in range(3)]
    (note,) = (note for note in split(make(targets)).notes if note.check == "split_repaired")
    assert "c1 (" in note.message


def test_given_splits_stay() -> None:
    splits = ["train", "val", "test"] * 20
    done = split(make(["a", "b", "c"] * 20, splits=splits))
    assert done.table["split"].to_list() == splits


def test_validation_comes_out_of_train_and_never_out_of_test() -> None:
    targets, splits = ["a", "b"] * 1000, ["train"] * 1600 + ["test"] * 400
    done = split(make(targets, splits=splits))
    assert done.split_counts["test"] == 400
    assert done.table["split"][1600:].unique().to_list() == ["test"]
    assert abs(done.split_counts["val"] - 240) < 4 * (0.15 * 0.85 * 1600) ** 0.5
    assert "validation_made" in checks(done)
    assert "no_test_split" not in checks(done)


def test_a_group_that_test_holds_a_part_of_gives_nothing_to_validation() -> None:
    n = 200
    groups = [f"g{k % 100}" for k in range(n)]
    splits = ["train"] * 150 + ["test"] * 50
    done = split(make(["a", "b"] * 100, groups, splits))
    shared = {groups[k] for k in range(150, n)}
    moved = set(done.table.filter(pl.col("split") == "val")["group"])
    assert moved
    assert not moved & shared


@pytest.mark.parametrize("splits", [["train", "val"] * 30, ["train"] * 60])
def test_no_test_split_is_made_beside_given_ones(splits: list[str]) -> None:
    done = split(make(["a"] * 30 + ["b"] * 30, splits=splits))
    assert done.split_counts["test"] == 0
    assert done.split_counts["val"] > 0
    assert "no_test_split" in checks(done)


def test_rows_without_a_split_become_train_and_are_named() -> None:
    done = split(make(["a", "b"] * 20, splits=[*["val"] * 6, *["test"] * 6, *[""] * 28]))
    assert done.split_counts == {"train": 28, "val": 6, "test": 6}
    (note,) = (note for note in done.notes if note.check == "rows_without_split")
    assert note.message.startswith("28 of 40 pictures")


def test_a_straddling_group_is_named_and_not_moved() -> None:
    splits = ["train", "test", "train", "val"]
    done = split(make(list("aabb"), ["p1", "p1", "p2", "p3"], splits))
    assert done.table["split"].to_list() == splits
    (note,) = (note for note in done.notes if note.check == "group_straddles_splits")
    assert note.severity == "warning"
    assert note.groups == (("a/00000.png", "a/00001.png"),)
    assert "p1 (test, train)" in note.message


def test_disjoint_groups_are_stated() -> None:
    done = split(make(["ill", "well"] * 16, [f"p{k // 4}" for k in range(32)]))
    assert "groups_disjoint" in checks(done)
    assert "group_straddles_splits" not in checks(done)


def test_resplit_forgets_given_splits() -> None:
    given_splits = make(["a", "b"] * 100, splits=["test"] * 200)
    done = split(given_splits, resplit=True)
    assert split_of(done) == split_of(split(make(["a", "b"] * 100)))


def test_a_class_missing_in_given_splits_is_named() -> None:
    done = split(make(["a", "b", "a", "b", "c", "c", "c"], splits=["val", "val", *["train"] * 5]))
    (note,) = (note for note in done.notes if note.check == "class_not_in_split")
    assert "class c has 3 pictures" in note.message


def test_shares_that_leave_no_training_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"0\.6 for validation and 0\.4 for test leave nothing"):
        split(make(["a", "b"]), val_fraction=0.6, test_fraction=0.4)
    with pytest.raises(DatasetError, match="no picture to split"):
        split(make([]))


def test_frozen_splits_hold_for_renamed_and_replaced_files() -> None:
    old = split(make(["a", "b"] * 50))
    then = split_of(old)
    renamed = make(["a", "b"] * 50, content=old.ids, names=[f"new/{k}.png" for k in range(100)])
    assert list(split_of(split_like(renamed, old.table)).values()) == list(then.values())
    replaced = make(["a", "b"] * 50, content=[f"edited {k}" for k in range(100)])
    assert split_of(split_like(replaced, old.table)) == then


def test_frozen_splits_take_new_pictures_without_breaking_a_group() -> None:
    groups = [f"p{k // 5}" for k in range(100)]
    old = split(make(["a", "b"] * 50, groups))
    grown = make(["a", "b"] * 80, [*groups, *[f"p{k}" for k in range(20)], *[""] * 40])
    done = split_like(grown, old.table)
    assert split_of(old).items() <= split_of(done).items()
    sides = done.table.filter(pl.col("group") != "").group_by("group").agg(pl.col("split").n_unique())
    assert sides["split"].max() == 1
    (note,) = (note for note in done.notes if note.check == "new_images")
    assert note.message.startswith("60 pictures are new")
    assert len(note.images) == 60


def test_frozen_splits_without_test_get_none() -> None:
    old = split(make(["a", "b"] * 50, splits=["train", "train", "val", "val"] * 25))
    done = split_like(make(["a", "b"] * 200), old.table)
    assert done.split_counts["test"] == 0
    assert done.split_counts["val"] > 50


def test_frozen_pictures_that_are_gone_are_named() -> None:
    old = split(make(["a", "b"] * 10))
    done = split_like(make(["a", "b"] * 8), old.table)
    (note,) = (note for note in done.notes if note.check == "frozen_images_missing")
    assert note.message.startswith("4 pictures")


def test_a_table_without_splits_cannot_be_frozen() -> None:
    dataset = make(["a", "b"])
    with pytest.raises(DatasetError, match="lacks the columns group, split"):
        split_like(dataset, dataset.table.drop("group", "split"))
    with pytest.raises(DatasetError, match="has none"):
        split_like(dataset, dataset.table)


def test_folds_are_equal_stratified_and_leave_test_out() -> None:
    dataset = split(make(["a"] * 150 + ["b"] * 50))
    fold = folds(dataset, 5)
    in_test = (dataset.table["split"] == "test").to_numpy()
    assert (fold[in_test] == -1).all()
    assert set(fold[~in_test]) == set(range(5))
    for name in ("a", "b"):
        of_class = fold[(dataset.table["target"] == name).to_numpy() & ~in_test]
        counts = np.bincount(of_class, minlength=5)
        assert counts.max() - counts.min() <= 1
    assert np.ptp(np.bincount(fold[~in_test], minlength=5)) <= 2


def test_folds_do_not_depend_on_the_order_of_rows() -> None:
    dataset = make(["a", "b", "c"] * 30, [f"g{k % 17}" for k in range(90)])
    order = np.random.default_rng(0).permutation(90)
    fold = folds(dataset, 4, seed=3)
    assert (folds(dataset.with_table(dataset.table[order]), 4, seed=3) == fold[order]).all()
    assert (folds(dataset, 4, seed=4) != fold).any()
    groups = dataset.table["group"].to_numpy()
    assert all(len(set(fold[groups == name])) == 1 for name in set(groups))


def test_more_folds_than_groups_are_refused() -> None:
    with pytest.raises(DatasetError, match="5 folds of 2 pictures or groups"):
        folds(make(list("aabb"), ["p", "p", "q", "q"]), 5)
