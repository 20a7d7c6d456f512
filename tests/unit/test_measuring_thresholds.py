"""Operating points against scikit-learn, on ties, one class and no pictures; what cannot be reached."""

from __future__ import annotations

import json
import math

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import precision_recall_curve, precision_score, recall_score

from eighteen.core.errors import EighteenError
from eighteen.core.measures import Measure
from eighteen.measuring.intervals import wilson
from eighteen.measuring.thresholds import OperatingPoint, operating_point

Scores = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def _pictures(seed: int, n: int = 200, ties: bool = False) -> tuple[Scores, Flags]:
    generator = np.random.default_rng(seed)
    positives = generator.random(n) < 0.3
    scores = generator.normal(size=n) + 1.2 * positives
    return (np.round(scores, 1) if ties else scores), positives


@pytest.mark.parametrize("required", [0.05, 0.5, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_thresholds_are_those_of_scikit_learns_curve(seed: int, ties: bool, required: float) -> None:
    scores, positives = _pictures(seed, ties=ties)
    precision, recall, thresholds = precision_recall_curve(positives, scores)
    precision, recall = precision[:-1], recall[:-1]  # the last point has no threshold
    point = operating_point(scores, positives, recall=required)
    assert point.threshold == thresholds[recall >= required - 1e-12].max()
    point = operating_point(scores, positives, precision=required)
    reaching = thresholds[precision >= required - 1e-12]
    assert point.threshold == (reaching.min() if len(reaching) else None)
    if point.threshold is not None:
        assert point.chosen_on.precision.value == pytest.approx(
            precision[thresholds == point.threshold].item()
        )
    elif required == 1.0:
        assert f"the highest is {precision.max():.3f}" in point.reason


def test_measures_on_another_split_are_scikit_learns_with_wilsons_interval() -> None:
    point = operating_point(*_pictures(1), recall=0.8, split="val")
    scores, positives = _pictures(2, n=300)
    found = point.apply(scores, positives, split="test", confidence=0.9)
    named = point.names(scores)
    assert found.recall.value == pytest.approx(recall_score(positives, named))
    assert found.precision.value == pytest.approx(precision_score(positives, named))
    assert found.named.value == pytest.approx(named.mean())
    assert (found.recall.n, found.precision.n, found.named.n) == (positives.sum(), named.sum(), 300)
    low, high = wilson((named & positives).sum(), positives.sum(), 0.9)
    assert (found.recall.low, found.recall.high) == (pytest.approx(low), pytest.approx(high))
    assert found.recall.split == "test" and point.chosen_on.recall.split == "val"
    assert point.chosen_on.recall.value is not None and point.chosen_on.recall.value >= 0.8


def test_the_recall_chosen_is_about_that_of_new_pictures() -> None:
    found = []
    for seed in range(60):
        point = operating_point(*_pictures(seed, n=600), recall=0.8)
        found.append(point.apply(*_pictures(1000 + seed, n=600)).recall.value)
    assert np.mean(np.array(found, float)) == pytest.approx(0.8, abs=0.015)


def test_groups_widen() -> None:
    scores, positives = np.repeat(_pictures(3)[0], 5), np.repeat(_pictures(3)[1], 5)
    groups = [f"burst {row // 5}" for row in range(1000)]
    alone = operating_point(scores, positives, recall=0.8).chosen_on.recall
    together = operating_point(scores, positives, recall=0.8, groups=groups).chosen_on.recall
    assert alone.value == together.value and _width(together) > 2 * _width(alone)


def _width(measure: Measure) -> float:
    assert measure.low is not None and measure.high is not None
    return measure.high - measure.low


def test_order_of_rows_does_not_show() -> None:
    scores, positives = _pictures(4, ties=True)
    order = np.random.default_rng(4).permutation(200)
    for goal in ({"recall": 0.7}, {"precision": 0.6}):
        first = operating_point(scores, positives, **goal)  # type: ignore[arg-type]
        second = operating_point(scores[order], positives[order], **goal)  # type: ignore[arg-type]
        assert first.to_json() == second.to_json()


def test_what_cannot_be_reached_is_an_answer() -> None:
    scores, positives = np.array([0.9, 0.8, 0.7, 0.6]), np.array([False, True, True, False])
    point = operating_point(scores, positives, precision=0.9)
    assert point.threshold is None
    assert "precision of 0.9 cannot be reached on these 4 pictures: the highest is 0.667" in point.reason
    assert "0.7 or more" in point.reason and "ask for less" in point.reason
    found = point.apply(scores, positives, split="test")
    assert found.recall.value is None and point.reason in found.recall.method
    with pytest.raises(EighteenError, match="no threshold to decide by: a precision of"):
        point.names(scores)


@pytest.mark.parametrize("n", [0, 1, 5])
@pytest.mark.parametrize("goal", ["recall", "precision"])
def test_without_pictures_of_the_class_nothing_can_be_required(n: int, goal: str) -> None:
    point = operating_point(np.linspace(0, 1, n), np.zeros(n, bool), **{goal: 0.9})  # type: ignore[arg-type]
    assert point.threshold is None and f"of {n} pictures of which none is of the class" in point.reason


def test_pictures_of_the_class_alone() -> None:
    for goal, threshold in (({"recall": 1.0}, 0.2), ({"recall": 0.5}, 0.6), ({"precision": 1.0}, 0.2)):
        point = operating_point([0.2, 0.6, 0.9], [True] * 3, **goal)  # type: ignore[arg-type]
        assert point.threshold == threshold and point.chosen_on.precision.value == 1.0
    found = operating_point([0.5], [True], recall=1.0).apply([0.1], [False])
    assert found.recall.value is None and found.precision.value is None and found.named.value == 0.0


def test_a_point_survives_its_file() -> None:
    for required in (0.5, 1.0):
        point = operating_point(*_pictures(5), precision=required)
        assert OperatingPoint.from_json(json.loads(json.dumps(point.to_json(), allow_nan=False))) == point


def test_refusals_say_what_came_and_what_to_do() -> None:
    scores, positives = _pictures(6, n=4)
    for recall, precision in ((None, None), (0.5, 0.5), (0.0, None), (None, 1.2), (math.nan, None)):
        with pytest.raises(EighteenError, match="expected one of the two, above 0 and at most 1"):
            operating_point(scores, positives, recall=recall, precision=precision)
    with pytest.raises(
        EighteenError, match=r"int64 of shape \(4,\); expected bool of shape \(4,\).*targets =="
    ):
        operating_point(scores, positives.astype(np.int64), recall=0.5)
    with pytest.raises(
        EighteenError, match=r"shape \(4, 1\) and 0 values.*Pass the probability of one class"
    ):
        operating_point(scores[:, np.newaxis], positives, recall=0.5)
    with pytest.raises(EighteenError, match=r"shape \(4,\) and 1 values that are not finite"):
        operating_point(np.where(np.arange(4) == 1, np.nan, scores), positives, recall=0.5)
    with pytest.raises(EighteenError, match=r"3 groups were given for 4 pictures"):
        operating_point(scores, positives, recall=0.5, groups=["a"] * 3)
