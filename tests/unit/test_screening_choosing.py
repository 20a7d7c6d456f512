"""Choosing, off-topic scores and reasons: on simulated vectors, where the right answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from eighteen.screening.choosing import choose, farthest_first, representatives
from eighteen.screening.off_topic import judge_topic
from eighteen.screening.seen import at_length_1
from eighteen.screening.suggesting import suggest, uncertainty


def directions(count: int, each: int, spread: float = 0.02, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """`each` vectors around each of `count` orthogonal directions, and which direction is whose."""
    generator = np.random.default_rng(seed)
    kind = np.repeat(np.arange(count), each)
    rows = np.eye(count, 16)[kind] + generator.normal(size=(len(kind), 16)) * spread
    return at_length_1(rows), kind


def test_farthest_first_takes_one_of_each_kind_that_is_not_labelled() -> None:
    vectors, kind = directions(6, 20)
    labelled, _ = directions(2, 5, seed=1)
    assert sorted(kind[farthest_first(vectors, labelled, 4)]) == [2, 3, 4, 5]
    assert len(set(kind[farthest_first(vectors, vectors[:0], 6)])) == 6


def test_farthest_first_is_the_greedy_k_center_of_its_definition() -> None:
    vectors = at_length_1(np.random.default_rng(3).normal(size=(80, 8)))
    labelled = at_length_1(np.random.default_rng(4).normal(size=(5, 8)))
    chosen: list[int] = []
    for _ in range(10):
        centres = np.concatenate([labelled, vectors[chosen]])
        chosen.append(int((1 - vectors @ centres.T).min(axis=1).argmax()))
    assert farthest_first(vectors, labelled, 10).tolist() == chosen


def test_no_picture_is_chosen_twice_not_even_among_copies() -> None:
    vectors = np.repeat(np.eye(2, 16, dtype=np.float32), 5, axis=0)
    for method in ("varied", "uncertain", "mixed", "random"):
        chosen = choose(method, vectors, vectors[:1], np.linspace(0, 1, 10), 8, 0)  # type: ignore[arg-type]
        assert len(set(chosen.tolist())) == 8, method


def test_all_are_taken_where_there_are_fewer() -> None:
    vectors, _ = directions(2, 3)
    for method in ("varied", "uncertain", "mixed", "random"):
        chosen = choose(method, vectors, vectors[:0], np.linspace(0, 1, 6), 300, 0)  # type: ignore[arg-type]
        assert sorted(chosen) == list(range(6)), method
        assert not len(choose(method, vectors, vectors[:0], np.zeros(6), 0, 0)), method  # type: ignore[arg-type]


def test_representatives_are_of_different_kinds_the_heaviest_first() -> None:
    vectors, kind = directions(4, 10)
    weight = np.where(kind == 2, 1.0, 0.2)
    chosen = representatives(vectors, weight, 4, seed=0)
    assert sorted(kind[chosen]) == [0, 1, 2, 3]
    assert kind[chosen[0]] == 2


def test_mixed_takes_uncertain_pictures_of_different_kinds() -> None:
    vectors, kind = directions(4, 30)
    unsure = np.isin(kind, (0, 1)).astype(float) + np.random.default_rng(0).uniform(0, 1e-3, len(kind))
    assert set(kind[choose("uncertain", vectors, vectors[:0], unsure, 10, 0)]) == {0, 1}
    mixed = choose("mixed", vectors, vectors[:0], unsure, 10, 0)
    assert min(np.bincount(kind[mixed], minlength=4)[:2]) >= 3


def test_uncertainty_is_the_margin_turned_round() -> None:
    values = np.array([[0.2, 0.5, 0.3], [1 / 3, 1 / 3, 1 / 3], [0, 0, 1]])
    assert uncertainty(values) == pytest.approx([0.8, 1.0, 0.0])


def test_suggestions_are_those_of_the_class_nearby() -> None:
    vectors, kind = directions(3, 20, spread=0.1)
    pile, truth = directions(3, 5, spread=0.1, seed=9)
    values = suggest(vectors, kind, np.arange(60) % 5, 3, pile)
    assert (values.argmax(axis=1) == truth).all()
    assert values.sum(axis=1) == pytest.approx(np.ones(15))


def test_the_false_drop_rate_is_kept() -> None:
    """Pictures from where the data set comes from are dropped about as rarely as was asked."""
    generator = np.random.default_rng(0)
    known = generator.normal(size=(2000, 6)).astype(np.float32)
    pile = generator.normal(size=(4000, 6)).astype(np.float32)
    scores, rule = judge_topic(known, np.arange(2000) % 5, pile, 0.05)
    assert rule.n == 2000 and rule.false_drop_fraction == 0.05
    # Whole banks are denser than those with a fold held out, so fewer are dropped.
    assert 0.01 < (scores > 1).mean() < 0.06


def test_what_lies_elsewhere_is_off_topic() -> None:
    known, kind = directions(3, 40)
    other, _ = directions(6, 10, seed=5)
    scores, _ = judge_topic(known, np.arange(len(kind)) % 5, other, 0.01)
    assert (scores[:30] <= 1).mean() > 0.9  # the three kinds of the data set
    assert (scores[30:] > 5).all()  # three others


def test_few_pictures_promise_no_more_than_they_can_tell() -> None:
    known, _ = directions(2, 15)
    _, rule = judge_topic(known, np.arange(30) % 5, known, 0.001)
    assert rule.false_drop_fraction == pytest.approx(1 / 31)
