"""Sampling: how often each class is shown, and that nothing but seed and epoch decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from eighteen.augmenting.draws import image_keys
from eighteen.training.sampling import Sampling, shown_again, times_shown

COUNTS = [90, 9, 1]
CLASSES = np.repeat([0, 1, 2], COUNTS)
KEYS = image_keys([f"{number}.png" for number in range(100)])


def shown(sampling: Sampling, epoch: int = 0, seed: int = 0) -> Any:
    return times_shown(CLASSES, KEYS, sampling, seed, epoch)


def of_classes(times: Any) -> list[int]:
    return [int(times[number == CLASSES].sum()) for number in range(3)]


def test_an_epoch_stays_as_long_as_it_is() -> None:
    samplings: tuple[Sampling, ...] = ("natural", "balanced", "square_root")
    for sampling in samplings:
        assert shown(sampling).sum() == 100


def test_balanced_shows_all_classes_alike() -> None:
    assert sorted(of_classes(shown("balanced"))) == [33, 33, 34]


def test_square_root_lies_between() -> None:
    roots = np.sqrt(COUNTS)
    assert np.abs(np.array(of_classes(shown("square_root"))) - 100 * roots / roots.sum()).max() < 1


def test_natural_shows_each_once() -> None:
    assert shown("natural").tolist() == [1] * 100


def test_all_of_a_class_come_before_any_comes_again() -> None:
    times = shown("balanced")
    for number in range(3):
        own = times[number == CLASSES]
        assert own.max() - own.min() <= 1


def test_over_the_epochs_every_picture_of_the_large_class_is_shown() -> None:
    total = sum(shown("balanced", epoch) for epoch in range(30))
    assert total.min() > 0
    assert not np.array_equal(shown("balanced", 0), shown("balanced", 1))
    assert not np.array_equal(shown("balanced", 0, seed=1), shown("balanced", 0))


def test_the_order_of_the_rows_does_not_matter() -> None:
    order = np.random.default_rng(0).permutation(100)
    moved = times_shown(CLASSES[order], KEYS[order], "balanced", 0, 4)
    assert np.array_equal(moved, shown("balanced", 4)[order])


def test_a_class_without_pictures_takes_no_share() -> None:
    times = times_shown(np.array([0, 0, 0, 2]), KEYS[:4], "balanced", 0, 0)
    assert (times[:3].sum(), times[3]) == (2, 2)


def test_repeats_have_keys_of_their_own_and_the_first_keeps_its_key() -> None:
    keys = shown_again(np.repeat(KEYS, 3), np.tile(np.arange(3), 100))
    assert len(set(keys.tolist())) == 300
    assert np.array_equal(keys[::3], KEYS)


@pytest.mark.parametrize("seed", [0, 7])
def test_the_same_seed_and_epoch_draw_the_same(seed: int) -> None:
    assert np.array_equal(shown("balanced", 3, seed), shown("balanced", 3, seed))
