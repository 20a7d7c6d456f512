"""What differs from validation is named where it differs, and nowhere else."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from eighteen.measuring.shift import UNLIKELY, class_difference, group_difference


def rows(targets: list[str], groups: list[str] | None = None) -> pl.DataFrame:
    schema = {"target": pl.String(), "group": pl.String()}
    return pl.DataFrame({"target": targets, "group": groups or [""] * len(targets)}, schema=schema)


def test_other_groups_are_named_with_their_numbers() -> None:
    told = group_difference(["e", "f", "e"], ["a", "b", "c"], ["a", "b", "x"], "test")
    assert "none of the 2 test groups occurs in validation" in told
    assert "2 of its own 3 groups occur in training" in told


@pytest.mark.parametrize(
    ("pictures", "validation"),
    [(["", ""], ["a"]), (["a"], [""]), (["a", "b"], ["a", "b"]), (["a", "b", "c"], ["a", "b"]), ([], [])],
)
def test_without_groups_or_with_common_ones_nothing_is_said(
    pictures: list[str], validation: list[str]
) -> None:
    assert group_difference(pictures, validation, ["a"], "test") == ""


def test_other_shares_of_classes_are_named() -> None:
    told = class_difference(rows(["cat"] * 80 + ["dog"] * 20), rows(["cat"] * 40 + ["dog"] * 60), "test")
    assert "40 % of validation, 80 % of test" in told or "60 % of validation, 20 % of test" in told


def test_equal_shares_are_rarely_called_different() -> None:
    random = np.random.default_rng(0)
    draws = [
        [rows(list(random.choice(["a", "b", "c"], 120, p=[0.6, 0.3, 0.1]))) for _ in range(2)]
        for _ in range(400)
    ]
    share = np.mean([bool(class_difference(*pair, "test")) for pair in draws])
    assert share <= 3 * UNLIKELY


def test_pictures_of_one_group_count_less() -> None:
    """The same counts, from ten senders of ten pictures each instead of a hundred pictures."""
    random = np.random.default_rng(1)
    found = []
    for _ in range(300):
        sides = []
        for side in "xy":
            kinds = random.choice(["a", "b"], 10)
            sides.append(
                rows(list(np.repeat(kinds, 10)), [f"{side}{k}" for k in range(10) for _ in range(10)])
            )
        found.append(bool(class_difference(*sides, "test")))
    assert np.mean(found) <= 0.04


def test_one_class_or_no_picture_says_nothing() -> None:
    assert class_difference(rows(["a"]), rows(["a", "a"]), "test") == ""
    assert class_difference(rows([]), rows(["a", "b"]), "test") == ""
