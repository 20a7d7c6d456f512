"""The risk-coverage curve: by definition, with ties in any order, and intervals that hold the truth."""

from __future__ import annotations

import itertools
import json

import numpy as np
import numpy.typing as npt
import pytest

from eighteen.core.errors import EighteenError
from eighteen.core.measures import Measure
from eighteen.measuring.abstaining import RiskCoverage, risk_coverage
from eighteen.measuring.intervals import wilson

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def _answers(sure: npt.ArrayLike, wrong: npt.ArrayLike) -> tuple[Ints, Floats]:
    """Targets and probabilities of two classes that give these confidences and mistakes."""
    first = np.asarray(sure, np.float64)
    return np.asarray(wrong, np.int64), np.column_stack([first, 1 - first])


def _drawn(n: int, seed: int, ties: bool = False) -> tuple[Floats, npt.NDArray[np.bool_]]:
    generator = np.random.default_rng(seed)
    sure = generator.uniform(0.55, 1, n)
    return (sure.round(1) if ties else sure), generator.random(n) > sure


def _area(wrong: npt.ArrayLike) -> float:
    errors = np.asarray(wrong, float)
    return float((np.cumsum(errors) / np.arange(1, len(errors) + 1)).mean())


@pytest.mark.parametrize("seed", range(5))
def test_areas_follow_their_definition(seed: int) -> None:
    sure, wrong = _drawn(150, seed)
    curve = risk_coverage(*_answers(sure, wrong))
    area, best = _area(wrong[np.argsort(-sure)]), _area(np.sort(wrong))
    assert curve.aurc.value == pytest.approx(area, abs=1e-12)
    assert curve.excess_aurc.value == pytest.approx(area - best, abs=1e-12)
    assert curve.n == curve.aurc.n == 150


def test_ties_count_as_all_their_orders_on_average() -> None:
    sure = np.array([0.9, 0.8, 0.8, 0.8, 0.6, 0.6])
    wrong = np.array([False, True, False, False, True, False])
    areas = [
        _area(wrong[[0, *middle, *last]])
        for middle in itertools.permutations([1, 2, 3])
        for last in itertools.permutations([4, 5])
    ]
    curve = risk_coverage(*_answers(sure, wrong))
    assert curve.aurc.value == pytest.approx(np.mean(areas), abs=1e-12)
    assert [round(point.coverage, 3) for point in curve.points] == [0.167, 0.667, 1.0]


@pytest.mark.parametrize("ties", [False, True])
def test_points_are_error_rates_of_the_most_confident(ties: bool) -> None:
    sure, wrong = _drawn(500, 6, ties)
    points = risk_coverage(*_answers(sure, wrong), split="test").points
    assert len(points) == (5 if ties else 100) and points[-1].coverage == 1
    for point in points:
        kept = sure >= point.confidence - 1e-9
        assert point.coverage == pytest.approx(kept.mean()) and point.risk.n == kept.sum()
        assert point.risk.value == pytest.approx(wrong[kept].mean())
        low, high = wilson(wrong[kept].sum(), kept.sum())
        assert (point.risk.low, point.risk.high) == (pytest.approx(low), pytest.approx(high))
        assert point.risk.split == "test"


@pytest.mark.parametrize("ties", [False, True])
def test_order_of_rows_does_not_show(ties: bool) -> None:
    targets, table = _answers(*_drawn(300, 7, ties))
    groups = [str(row % 40) for row in range(300)]
    order = np.random.default_rng(7).permutation(300)
    first = risk_coverage(targets, table, groups)
    second = risk_coverage(targets[order], table[order], [groups[row] for row in order])
    for one, other in zip(_measures(first), _measures(second), strict=True):
        ends = [(one.value, other.value), (one.low, other.low), (one.high, other.high)]
        np.testing.assert_allclose(*np.array(ends, float).T, atol=1e-9)


def _measures(curve: RiskCoverage) -> list[Measure]:
    return [curve.aurc, curve.excess_aurc, *(point.risk for point in curve.points)]


def test_intervals_hold_the_truth() -> None:
    curve = risk_coverage(*_answers(*_drawn(100_000, 8)))
    truth = [curve.aurc.value, curve.excess_aurc.value]
    held = []
    for seed in range(200):
        curve = risk_coverage(*_answers(*_drawn(150, 100 + seed)))
        ends = [(measure.low, measure.high) for measure in (curve.aurc, curve.excess_aurc)]
        held.append([low <= value <= high for (low, high), value in zip(ends, truth, strict=True)])  # type: ignore[operator]
    assert (np.mean(held, axis=0) >= 0.9).all()


def test_copies_in_groups_are_no_more_evidence() -> None:
    sure, wrong = _drawn(100, 9)
    once = risk_coverage(*_answers(sure, wrong))
    groups = [str(row // 9) for row in range(900)]
    copies = risk_coverage(*_answers(np.repeat(sure, 9), np.repeat(wrong, 9)), groups)
    taken = risk_coverage(*_answers(np.repeat(sure, 9), np.repeat(wrong, 9)))
    assert _width(copies.aurc) == pytest.approx(_width(once.aurc), rel=0.1)
    assert _width(taken.aurc) < 0.5 * _width(once.aurc)
    assert "by group (100)" in copies.aurc.method


def _width(measure: Measure) -> float:
    assert measure.low is not None and measure.high is not None
    return measure.high - measure.low


def test_a_perfect_score_is_not_certain() -> None:
    curve = risk_coverage(*_answers(_drawn(60, 10)[0], np.zeros(60, int)))
    assert curve.aurc.value == curve.aurc.low == 0 and curve.excess_aurc.value == 0
    assert curve.aurc.high == pytest.approx(float(wilson(0, 60)[1]))
    wrong = risk_coverage(*_answers(_drawn(60, 10)[0], np.ones(60, int)))
    assert wrong.aurc.value == 1 and wrong.excess_aurc.value == 0


@pytest.mark.parametrize("n", [0, 1])
def test_no_picture_and_one(n: int) -> None:
    curve = risk_coverage(*_answers([0.8] * n, [0] * n))
    assert (curve.n, len(curve.points)) == (n, n)
    assert curve.aurc.value == (0 if n else None)
    json.dumps(curve.to_json(), allow_nan=False)


def test_unknown_classes_are_left_out() -> None:
    targets, table = _answers(*_drawn(80, 11))
    some = np.where(np.arange(80) < 30, -1, targets)
    assert risk_coverage(some, table) == risk_coverage(targets[30:], table[30:])


def test_refusals_say_what_came_and_what_to_do() -> None:
    targets, table = _answers(*_drawn(6, 12))
    with pytest.raises(EighteenError, match=r"rows of 6 pictures.*targets have shape \(5,\).*same pictures"):
        risk_coverage(targets[:5], table * 2)
    with pytest.raises(EighteenError, match=r"1 groups were given for 6 pictures"):
        risk_coverage(targets, table, ["a"])
