"""What differs from validation is named where it differs, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from eighteen.measuring.shift import UNLIKELY, class_difference, group_difference
from eighteen.reading import ReadOptions, read


def test_other_groups_are_named_with_their_numbers() -> None:
    told = group_difference(["e", "f", "e"], ["a", "b", "c"], ["a", "b", "x"], "test")
    assert "none of the 2 test groups occurs in validation" in told
    assert "2 of the 3 validation groups occur in training" in told


@pytest.mark.parametrize(
    ("pictures", "validation"),
    [(["", ""], ["a"]), (["a"], [""]), (["a", "b"], ["a", "b"]), (["a", "b", "c"], ["a", "b"]), ([], [])],
)
def test_without_groups_or_with_common_ones_nothing_is_said(
    pictures: list[str], validation: list[str]
) -> None:
    assert group_difference(pictures, validation, ["a"], "test") == ""


def test_other_shares_of_classes_are_named() -> None:
    told = class_difference(["cat"] * 80 + ["dog"] * 20, ["cat"] * 40 + ["dog"] * 60, "test")
    assert "cat: 40 % of validation, 80 % of test" in told


def test_equal_shares_are_rarely_called_different() -> None:
    draws = np.random.default_rng(0).choice(["a", "b", "c"], (400, 2, 120), p=[0.6, 0.3, 0.1]).tolist()
    assert np.mean([bool(class_difference(*pair, "test")) for pair in draws]) <= 3 * UNLIKELY


def test_chance_is_that_of_scipy() -> None:
    counts = np.array([[30, 50, 20], [10, 60, 45]])
    labels = [[name for name, n in zip("abc", row, strict=True) for _ in range(n)] for row in counts]
    chance = chi2_contingency(counts).pvalue
    assert f"(p = {chance:.1g})" in class_difference(labels[1], labels[0], "test")


def test_one_class_or_no_picture_says_nothing() -> None:
    assert class_difference(["a"], ["a", "a"], "test") == ""
    assert class_difference([], ["a", "b"], "test") == ""


@pytest.mark.shared
def test_the_senders_of_clothing_s_test_split_are_named(shared_data: Callable[[str], Path]) -> None:
    table = read(shared_data("clothing"), ReadOptions(group_column="sender_id")).table
    groups, labels = (
        {split: table.filter(split=split)[column].to_list() for split in ("train", "val", "test")}
        for column in ("group", "target")
    )
    told = group_difference(groups["test"], groups["val"], groups["train"], "test")
    assert told.startswith("none of the 5 test groups occurs in validation, while 103 of the 122 validation")
    assert "most of all shoes: 8 % of validation, 20 % of test" in class_difference(
        labels["test"], labels["val"], "test"
    )
