"""The cheapest answers: by brute force, with ties, abstaining, and matrices that make no sense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from eighteen.core.errors import EighteenError
from eighteen.measuring.costs import cheapest_answer, expected_cost, measured_cost
from eighteen.measuring.intervals import wilson

Floats = npt.NDArray[np.float64]


def _problem(seed: int, n: int = 60, k: int = 4) -> tuple[Floats, Floats]:
    generator = np.random.default_rng(seed)
    costs = generator.uniform(1, 10, (k, k)) * (1 - np.eye(k))
    return generator.dirichlet(np.ones(k), n), costs


@pytest.mark.parametrize("seed", range(4))
def test_answers_are_those_of_brute_force(seed: int) -> None:
    table, costs = _problem(seed)
    answers = cheapest_answer(table, costs)
    sometimes = cheapest_answer(table, costs, abstain_cost=2.0)
    for n, row in enumerate(table):
        each = [sum(row[true] * costs[true, answer] for true in range(4)) for answer in range(4)]
        np.testing.assert_allclose(expected_cost(table, costs)[n], each, atol=1e-12)
        assert answers[n] == int(np.argmin(each))
        assert sometimes[n] == (answers[n] if min(each) <= 2.0 else -1)
    assert 0 < (sometimes == -1).mean() < 1


def test_equal_costs_give_the_most_probable_class() -> None:
    table, _ = _problem(5)
    np.testing.assert_array_equal(cheapest_answer(table, 1 - np.eye(4)), table.argmax(axis=1))


def test_of_equally_cheap_answers_the_more_probable_is_taken_whatever_the_order() -> None:
    costs = np.array([[0, 1, 9], [1, 0, 9], [6, 3, 0]])
    for nudged in (np.nextafter(0.3, 0), 0.3, np.nextafter(0.3, 1)):
        row = np.array([[0.6, nudged, 0.1]])  # the first two cost 0.9 each, but for the last bits
        np.testing.assert_allclose(expected_cost(row, costs), [[0.9, 0.9, 8.1]])
        for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
            moved = cheapest_answer(row[:, order], costs[np.ix_(order, order)])
            assert order[moved[0]] == 0
    assert cheapest_answer(np.array([[0.5, 0.5]]), 1 - np.eye(2), abstain_cost=0.5).tolist() == [0]


@pytest.mark.parametrize("seed", range(3))
def test_order_of_rows_and_classes_does_not_show(seed: int) -> None:
    table, costs = _problem(seed)
    generator = np.random.default_rng(seed)
    rows, order = generator.permutation(60), generator.permutation(4)
    moved = cheapest_answer(table[rows][:, order], costs[np.ix_(order, order)], abstain_cost=2.0)
    expected = cheapest_answer(table, costs, abstain_cost=2.0)[rows]
    np.testing.assert_array_equal(np.where(moved < 0, -1, order[moved]), expected)


def test_cheapest_answers_cost_less_than_the_most_probable_ones() -> None:
    generator = np.random.default_rng(6)
    table, costs = generator.dirichlet(np.ones(3), 3000), np.array([[0, 1, 1], [20, 0, 1], [1, 5, 0]])
    targets = np.minimum((table.cumsum(axis=1) < generator.random((3000, 1))).sum(axis=1), 2)
    answers = cheapest_answer(table, costs)
    plain, cheap = (measured_cost(targets, named, costs) for named in (table.argmax(axis=1), answers))
    assert plain.low is not None and cheap.high is not None and cheap.high < plain.low
    # Calibrated probabilities know what answers will cost.
    foreseen = float(expected_cost(table, costs)[np.arange(3000), answers].mean())
    assert cheap.low is not None and cheap.low <= foreseen <= cheap.high
    with_none = cheapest_answer(table, costs, abstain_cost=0.3)
    least = measured_cost(targets, with_none, costs, abstain_cost=0.3)
    assert least.high is not None and least.high < cheap.low


def test_measured_cost_is_a_mean_with_its_t_interval() -> None:
    generator = np.random.default_rng(7)
    targets, answers = generator.integers(0, 3, 200), generator.integers(-1, 3, 200)
    costs = np.array([[0, 1, 2], [3, 0, 4], [5, 6, 1]])
    paid = [0.5 if answer < 0 else costs[true, answer] for true, answer in zip(targets, answers, strict=True)]
    found = measured_cost(targets, answers, costs, 0.5, split="test")
    assert found.value == pytest.approx(np.mean(paid)) and found.n == 200 and found.split == "test"
    half = 1.97196 * np.std(paid, ddof=1) / np.sqrt(200)
    assert (found.low, found.high) == (
        pytest.approx(np.mean(paid) - half, abs=1e-4),
        pytest.approx(np.mean(paid) + half, abs=1e-4),
    )
    grouped = measured_cost(
        np.repeat(targets, 4),
        np.repeat(answers, 4),
        costs,
        0.5,
        np.repeat(np.arange(200), 4).astype(str).tolist(),
    )
    assert (grouped.low, grouped.high) == (pytest.approx(found.low), pytest.approx(found.high))


def test_without_a_dear_mistake_one_is_still_possible() -> None:
    found = measured_cost([0] * 50, [0] * 50, [[0, 1], [10, 0]])
    assert (found.value, found.low) == (0, 0) and found.high == pytest.approx(10 * float(wilson(0, 50)[1]))
    assert "not yet seen" in found.method


@pytest.mark.parametrize("n", [0, 1])
def test_no_picture_and_one(n: int) -> None:
    assert cheapest_answer(np.ones((n, 1)), [[0.0]]).tolist() == [0] * n
    found = measured_cost([0] * n, [0] * n, [[0, 1], [1, 0]])
    assert found.n == n and found.value == (0 if n else None)
    unknown = measured_cost([-1, 0, 1], [0, 0, 0], [[0, 1], [1, 0]])
    assert unknown.n == 2 and unknown.value == 0.5


SQUARE = [[0.0, 1.0], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cheapest_answer([[0.5, 0.5]], [[0, 1]]), r"shape \(1, 2\), expected one row and one column"),
        (lambda: cheapest_answer([[1.0]], SQUARE), r"shape \(2, 2\), expected \(1, 1\) for these classes"),
        (
            lambda: cheapest_answer([[0.5, 0.5]], [[0, -1], [1, 0]]),
            r"row 0, column 1 is -1.0, expected finite",
        ),
        (
            lambda: expected_cost([[0.5, 0.5]], [[0, np.nan], [1, 0]]),
            r"row 0, column 1 is nan.*Give a row for",
        ),
        (
            lambda: expected_cost([[0.5, 0.5]], [[0, 1], [1, 2]]),
            r"row 1 the right answer costs 2 and a wrong",
        ),
        (lambda: cheapest_answer([[5, 1]], SQUARE, -1), r"rows of 1 pictures.*abstaining costs -1, expected"),
        (lambda: measured_cost([0, 1], [0], SQUARE), r"targets have shape \(2,\) and answers \(1,\)"),
        (
            lambda: measured_cost([0, 7], [0, 9], SQUARE),
            r"a target is 7.*answers are 0 to 9, expected 0 to 1",
        ),
        (lambda: measured_cost([0], [-1], SQUARE), r"answers are -1 to -1.*without a cost of abstaining"),
    ],
)
def test_refusals_say_what_came_and_what_to_do(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(EighteenError, match=message):
        call()
