"""Measures of prediction sets: plain counts, intervals that hold the truth, and an honest sentence."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from eighteen.core.errors import EighteenError
from eighteen.core.measures import Measure
from eighteen.measuring.conformal import fit_sets, sets
from eighteen.measuring.intervals import wilson
from eighteen.measuring.set_coverage import CoverageMeasures, coverage_measures, coverage_sentence

NAMES = ("ant", "bee", "cow", "dog")


def _random_sets(n: int, seed: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    return generator.random((n, 4)) < 0.4, generator.integers(0, 3, n)  # no dog among the targets


def _measures(found: CoverageMeasures) -> list[Measure]:
    wholes = [found.coverage, found.size, found.singletons, found.empties]
    parts = [measure for row in found.by_class for measure in (row.coverage, row.size)]
    return [*wholes, *parts, *(row.coverage for row in found.by_size)]


def test_values_are_counts() -> None:
    table, targets = _random_sets(300, seed=1)
    found = coverage_measures(table, targets, NAMES, split="test")
    covered, sizes = table[np.arange(300), targets], table.sum(axis=1)
    assert found.coverage.value == pytest.approx(covered.mean())
    assert found.size.value == pytest.approx(sizes.mean())
    assert found.singletons.value == pytest.approx((sizes == 1).mean())
    assert found.empties.value == pytest.approx((sizes == 0).mean())
    assert [row.name for row in found.by_class] == list(NAMES)
    for k, row in enumerate(found.by_class[:3]):
        assert row.n == row.coverage.n == (targets == k).sum()
        assert row.coverage.value == pytest.approx(covered[targets == k].mean())
        assert row.size.value == pytest.approx(sizes[targets == k].mean())
    assert found.by_class[3].n == 0 and found.by_class[3].coverage.value is None
    assert [row.size for row in found.by_size] == np.unique(sizes).tolist()
    for by_size in found.by_size:
        assert by_size.n == (sizes == by_size.size).sum()
        assert by_size.coverage.value == pytest.approx(covered[sizes == by_size.size].mean())
    assert all(measure.split == "test" for measure in _measures(found))


def test_shares_have_wilsons_interval() -> None:
    table, targets = _random_sets(300, seed=2)
    found = coverage_measures(table, targets, NAMES, confidence=0.9)
    low, high = wilson(table[np.arange(300), targets].sum(), 300, 0.9)
    assert (found.coverage.low, found.coverage.high) == (pytest.approx(low), pytest.approx(high))
    assert found.coverage.method == "wilson 90 %"


@pytest.mark.parametrize("chances", [(0.9, 0.08, 0.02), (0.5, 0.0, 0.5), (0.995, 0.005, 0.0)])
@pytest.mark.parametrize("n", [40, 400])
def test_interval_of_the_mean_size_holds_the_truth(n: int, chances: tuple[float, ...]) -> None:
    generator, held = np.random.default_rng(3), []
    truth = float(np.array(chances) @ [1, 2, 3])
    for _ in range(300):
        sizes = generator.choice([1, 2, 3], n, p=chances)
        size = coverage_measures(sizes[:, np.newaxis] > np.arange(4), np.zeros(n, int), NAMES).size
        assert size.low is not None and size.high is not None
        held.append(size.low <= truth <= size.high)
    assert np.mean(held) >= 0.91


def test_equal_sizes_are_not_certain_and_stay_within_what_is_possible() -> None:
    for size in (0, 1, 4):
        table = np.tile(np.arange(4) < size, (50, 1))
        found = coverage_measures(table, np.zeros(50, int), NAMES).size
        assert found.value == size and found.low is not None and found.high is not None
        assert 0 <= found.low <= size <= found.high <= 4 and found.high - found.low > 0.05
    assert found.high == 4


def test_groups_widen_and_a_single_group_says_nothing() -> None:
    generator = np.random.default_rng(4)
    easy = np.repeat(generator.random(20) < 0.7, 20)
    table = np.where(easy[:, np.newaxis], [True, False, False, False], [False, True, True, True])
    groups = [f"patient {row // 20}" for row in range(400)]
    alone = coverage_measures(table, np.zeros(400, int), NAMES)
    together = coverage_measures(table, np.zeros(400, int), NAMES, groups)
    for name in ("coverage", "size"):
        one, other = getattr(alone, name), getattr(together, name)
        assert one.value == other.value and other.high - other.low > 3 * (one.high - one.low)
        assert "by group" in other.method and "by group" not in one.method
    single = coverage_measures(table, np.zeros(400, int), NAMES, ["one"] * 400)
    assert (single.coverage.low, single.coverage.high) == (0, 1)
    assert (single.size.low, single.size.high) == (0, 4)


def test_order_of_rows_does_not_show() -> None:
    table, targets = _random_sets(200, seed=5)
    groups = [f"{row % 30}" if row % 3 else "" for row in range(200)]
    order = np.random.default_rng(5).permutation(200)
    first = coverage_measures(table, targets, NAMES, groups)
    second = coverage_measures(table[order], targets[order], NAMES, [groups[row] for row in order])
    for one, other in zip(_measures(first), _measures(second), strict=True):
        assert one.method == other.method and one.n == other.n
        if one.value is not None:
            ends = [(one.value, other.value), (one.low, other.low), (one.high, other.high)]
            np.testing.assert_allclose(*np.array(ends, float).T, atol=1e-9)


@pytest.mark.parametrize("n", [0, 1])
def test_no_picture_and_one(n: int) -> None:
    found = coverage_measures(np.ones((n, 4), bool), np.zeros(n, int), NAMES)
    assert found.coverage.n == n and (found.coverage.value is None) == (n == 0)
    assert found.size.value == (4 if n else None) and len(found.by_class) == 4 and len(found.by_size) == n
    for measure in _measures(found):
        assert measure.value is None or (measure.low or 0) <= measure.value <= (measure.high or 0)
    json.dumps(found.to_json(), allow_nan=False)


def test_unknown_classes_are_left_out() -> None:
    table, targets = _random_sets(60, seed=6)
    some, groups = np.where(np.arange(60) < 20, -1, targets), [str(row // 2) for row in range(60)]
    whole = coverage_measures(table, some, NAMES, groups)
    assert whole == coverage_measures(table[20:], targets[20:], NAMES, groups[20:])


def _told(rate: float, n: int, n_calibration: int = 400, **settings: Any) -> str:
    """The sentence where sets at 90 % hold the true class of that share of n pictures."""
    table = np.column_stack([np.linspace(0.01, 0.99, n_calibration), np.linspace(0.99, 0.01, n_calibration)])
    rule = fit_sets(table, np.zeros(n_calibration, int), 0.9, **settings)
    covered = np.arange(n) < rate * n
    made = np.column_stack([covered, ~covered])
    return coverage_sentence(rule, coverage_measures(made, np.zeros(n, int), ("ant", "bee")))


def test_the_sentence_holds_coverage_against_the_promise() -> None:
    assert "as the 8" in _told(0.9, 400) and "unlike" not in _told(0.9, 400)
    low = _told(0.8, 400)
    assert "hold the true class of 80.0 % of 400 pictures, with 1.00 classes" in low
    assert "less than the" in low and "400 calibration pictures promise" in low
    assert "these pictures are unlike those" in low
    assert "more than the" in _told(0.99, 400)
    assert "unlike" not in _told(0.8, 10)  # so few could be chance
    assert "every set holds all classes" in _told(1.0, 100, n_calibration=5)
    assert "no picture of known class" in _told(0.9, 0)


def test_pictures_from_elsewhere_are_named_as_such() -> None:
    generator = np.random.default_rng(7)

    def pictures(n: int, help_: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        targets = generator.integers(0, 4, n)
        scores = generator.normal(size=(n, 4))
        scores[np.arange(n), targets] += help_
        table = np.exp(2 * scores)
        return table / table.sum(axis=1, keepdims=True), targets

    rule = fit_sets(*pictures(500, 2.0), 0.9)
    table, targets = pictures(500, 2.0)
    assert "unlike" not in coverage_sentence(rule, coverage_measures(sets(rule, table), targets, NAMES))
    table, targets = pictures(500, 1.0)
    assert "unlike" in coverage_sentence(rule, coverage_measures(sets(rule, table), targets, NAMES))


def test_all_problems_are_named_at_once() -> None:
    table, targets = _random_sets(6, seed=8)
    with pytest.raises(EighteenError, match=r"float64 of shape \(6, 3\), expected bool.*a target is 9.*Pass"):
        coverage_measures(table[:, :3].astype(float), np.full(6, 9), NAMES)
    with pytest.raises(EighteenError, match=r"targets have shape \(5,\), expected \(6,\)"):
        coverage_measures(table, targets[:5], NAMES)
    with pytest.raises(EighteenError, match=r"2 groups were given for 6 pictures"):
        coverage_measures(table, targets, NAMES, ["a", "b"])
