"""Prediction sets: the promise is kept, peers agree, ties and orders do not show, small sets are honest."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from eighteen.core.errors import EighteenError
from eighteen.core.predictions import softmax
from eighteen.measuring._set_scores import Method
from eighteen.measuring.conformal import SetRule, expected_coverage_interval, fit_sets, sets
from synthetic import honest, tied

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

METHODS: tuple[Method, ...] = ("lac", "aps", "raps")


def _some(ids: list[str], rows: npt.NDArray[Any]) -> list[str]:
    return [ids[row] for row in rows]


# The promise ----------------------------------------------------------------------------------------

HALVES = 200


def _covered(
    data: tuple[Floats, Ints, list[str]], coverage: float, *, allow_empty: bool = True, **settings: Any
) -> tuple[float, SetRule, int]:
    """Mean coverage of many random halves by sets that were fitted on the other halves."""
    table, targets, ids = data
    generator, found = np.random.default_rng(8), []
    for _ in range(HALVES):
        order = generator.permutation(len(targets))
        seen, new = order[: len(order) // 2], order[len(order) // 2 :]
        rule = fit_sets(table[seen], targets[seen], coverage, ids=_some(ids, seen), **settings)
        inside = sets(rule, table[new], _some(ids, new), allow_empty=allow_empty)
        found.append(inside[np.arange(len(new)), targets[new]].mean())
    return float(np.mean(found)), rule, len(new)


@pytest.mark.parametrize("coverage", [0.9, 0.95])
@pytest.mark.parametrize(
    "settings",
    [
        {"method": "lac"},
        {"method": "aps"},
        {"method": "aps", "randomised": True},
        {"method": "raps"},
        {"method": "raps", "randomised": True},
        {"method": "raps", "randomised": True, "penalty": 0.1, "kreg": 2},
    ],
    ids=str,
)
def test_mean_coverage_of_random_halves_is_beta_binomial(settings: dict[str, Any], coverage: float) -> None:
    data = honest(600 if coverage == 0.9 else 900, 8, seed=1)
    mean, rule, n_test = _covered(data, coverage, **settings)
    low, high = expected_coverage_interval(rule.n, n_test, coverage, 0.999, repeats=HALVES)
    assert high - low < 0.012  # narrow enough to notice a place that is off by two
    assert low <= mean <= high


def test_mean_coverage_where_raps_is_tuned() -> None:
    mean, rule, n_test = _covered(honest(1100, 8, seed=2), 0.9, method="raps", randomised=True)
    assert rule.n == 440 and "chosen on 110 others" in rule.reason
    low, high = expected_coverage_interval(rule.n, n_test, 0.9, 0.999, repeats=HALVES)
    assert low <= mean <= high


@pytest.mark.parametrize("method", METHODS)
def test_sets_that_are_never_empty_cover_about_as_often_as_a_better_model_is_right(method: Method) -> None:
    table, targets, ids = honest(600, 5, seed=3, spread=20)
    accuracy = float((table.argmax(axis=1) == targets).mean())
    assert accuracy > 0.93
    mean, _, _ = _covered((table, targets, ids), 0.9, method=method, allow_empty=False)
    assert accuracy - 0.005 <= mean <= accuracy + 0.02
    exact = "lac" if method == "lac" else method
    mean, rule, n_test = _covered((table, targets, ids), 0.9, method=exact, randomised=method != "lac")
    low, high = expected_coverage_interval(rule.n, n_test, 0.9, 0.999, repeats=HALVES)
    assert low <= mean <= high < accuracy


def test_ties_never_cost_coverage() -> None:
    table, targets = tied(600, 6, seed=4)
    ids = [str(row) for row in range(600)]
    for settings in ({"method": "lac"}, {"method": "aps"}, {"method": "aps", "randomised": True}):
        mean, rule, n_test = _covered((table, targets, ids), 0.9, **settings)
        assert mean >= expected_coverage_interval(rule.n, n_test, 0.9, 0.999, repeats=HALVES)[0]


def test_by_class_each_class_is_covered() -> None:
    generator = np.random.default_rng(5)
    targets = np.repeat([0, 1, 2], [700, 200, 100])
    logits = generator.normal(size=(1000, 3)) + np.array([2.0, 0.0, -1.0])
    logits[np.arange(1000), targets] += 2.5
    table = softmax(logits.astype(np.float32))
    shares: dict[bool, list[Floats]] = {True: [], False: []}
    for _ in range(100):
        order = generator.permutation(1000)
        seen, new = order[:500], order[500:]
        for by_class, found in shares.items():
            rule = fit_sets(table[seen], targets[seen], 0.9, by_class=by_class)
            assert len(rule.thresholds) == (3 if by_class else 1)
            hit = sets(rule, table[new], allow_empty=True)[np.arange(500), targets[new]]
            found.append(np.array([hit[targets[new] == k].mean() for k in range(3)]))
    assert np.mean(shares[False], axis=0)[2] < 0.7
    np.testing.assert_allclose(np.mean(shares[True], axis=0), 0.905, atol=0.015)


# Thresholds and small sets ----------------------------------------------------------------------------


def test_threshold_is_the_score_at_its_place() -> None:
    table = np.column_stack([np.arange(1, 20) / 20, 1 - np.arange(1, 20) / 20])
    assert fit_sets(table, np.zeros(19, int), 0.95).thresholds == (0.95,)
    assert fit_sets(table, np.zeros(19, int), 0.9).thresholds == (0.9,)  # place ceil(20 · 0.9) = 18
    assert fit_sets(table, np.zeros(19, int), 0.91).thresholds == (0.95,)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [0, 1, 18])
def test_too_few_pictures_give_all_classes_and_a_sentence(method: Method, n: int) -> None:
    table, targets, ids = honest(30, 4, seed=9)
    rule = fit_sets(table[:n], targets[:n], 0.95, method, ids=ids[:n])
    assert rule.thresholds == (None,) and rule.n == n
    assert "takes 19 or more" in rule.reason and "every set holds all classes" in rule.reason
    assert sets(rule, table, ids).all()
    assert sets(rule, table[:0]).shape == (0, 4)
    enough = fit_sets(table[:19], targets[:19], 0.95, method, ids=ids[:19])
    assert enough.thresholds != (None,)


def test_classes_with_too_few_pictures_are_in_every_set() -> None:
    table, targets, _ = honest(400, 3, seed=10)
    targets = np.where((targets == 1) & (np.cumsum(targets == 1) > 8), 0, targets)
    targets[targets == 2] = 0
    rule = fit_sets(table, targets, 0.9, by_class=True)
    assert [limit is None for limit in rule.thresholds] == [False, True, True]
    assert "2 of 3 classes have fewer than the 9 pictures" in rule.reason
    inside = sets(rule, table)
    assert inside[:, 1:].all() and not inside[:, 0].all()


def test_one_class_and_unknown_classes() -> None:
    assert sets(fit_sets(np.ones((30, 1)), np.zeros(30, int), 0.9), np.ones((2, 1))).tolist() == [[True]] * 2
    table, targets, ids = honest(80, 3, seed=11)
    some = np.where(np.arange(80) < 30, -1, targets)
    for method, randomised in (("lac", False), ("aps", True), ("raps", True)):
        settings: dict[str, Any] = {"method": method, "randomised": randomised}
        whole = fit_sets(table, some, 0.9, ids=ids, **settings)
        assert whole == fit_sets(table[30:], targets[30:], 0.9, ids=ids[30:], **settings)
    alone = fit_sets(table, np.zeros(80, int), 0.9)  # the other classes are missing
    assert alone.n == 80 and sets(alone, table).any(axis=1).all()


# Orders, names and files --------------------------------------------------------------------------------

SETTINGS: tuple[dict[str, Any], ...] = (
    {"method": "lac"},
    {"method": "lac", "by_class": True},
    {"method": "aps"},
    {"method": "aps", "randomised": True},
    {"method": "raps"},
    {"method": "raps", "randomised": True, "by_class": True},
)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("ties", [False, True])
def test_order_of_rows_and_classes_does_not_show(settings: dict[str, Any], ties: bool) -> None:
    table, targets = tied(700, 4, seed=17) if ties else honest(700, 4, seed=17)[:2]
    ids, generator = [f"{row}.png" for row in range(700)], np.random.default_rng(17)
    rows, order = generator.permutation(700), generator.permutation(4)
    moved, named = table[rows][:, order], np.argsort(order)[targets[rows]]
    rule = fit_sets(table, targets, 0.85, ids=ids, **settings)
    other = fit_sets(moved, named, 0.85, ids=_some(ids, rows), **settings)
    limits = np.array(rule.thresholds)
    np.testing.assert_array_equal(limits[order] if settings.get("by_class") else limits, other.thresholds)
    assert (rule.reason, rule.penalty, rule.kreg, rule.n) == (
        other.reason,
        other.penalty,
        other.kreg,
        other.n,
    )
    inside = sets(rule, table, ids)
    np.testing.assert_array_equal(inside[rows][:, order], sets(other, moved, _some(ids, rows)))


def test_a_picture_gets_the_same_set_alone_and_by_every_process() -> None:
    table, targets, ids = honest(200, 6, seed=18)
    rule = fit_sets(table, targets, 0.9, "aps", ids=ids, randomised=True)
    whole = sets(rule, table, ids)
    alone = np.vstack([sets(rule, table[row : row + 1], [ids[row]]) for row in range(200)])
    np.testing.assert_array_equal(whole, alone)
    other = fit_sets(table, targets, 0.9, "aps", ids=ids, randomised=True, seed=1)
    assert (sets(other, table, ids) != whole).any()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_filled_sets_hold_the_empty_ones_and_their_best_class(settings: dict[str, Any]) -> None:
    table, targets, ids = honest(700, 5, seed=19, spread=4)
    rule = fit_sets(table, targets, 0.7, ids=ids, **settings)
    open_sets, filled = sets(rule, table, ids, allow_empty=True), sets(rule, table, ids)
    empty = ~open_sets.any(axis=1)
    np.testing.assert_array_equal(filled[~empty], open_sets[~empty])
    np.testing.assert_array_equal(filled[empty], np.eye(5, dtype=bool)[table[empty].argmax(axis=1)])
    never = settings["method"] != "lac" and not settings.get("randomised")
    assert empty.any() == (not never)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_rule_survives_its_file(settings: dict[str, Any]) -> None:
    table, targets, ids = honest(700, 4, seed=20)
    targets[targets == 3] = 0  # a class without pictures has no threshold of its own
    rule = fit_sets(table, targets, 0.9, ids=ids, **settings)
    stored = json.loads(json.dumps(rule.to_json(), allow_nan=False))
    assert SetRule.from_json(stored) == rule


# Expected coverage --------------------------------------------------------------------------------------


def test_expected_coverage_is_that_of_counting() -> None:
    generator, counts = np.random.default_rng(21), []
    for _ in range(4000):
        scores = generator.random(99)
        counts.append((scores[40:] <= np.sort(scores[:40])[36]).mean())  # place ceil(41 · 0.9) = 37
    low, high = expected_coverage_interval(40, 59, 0.9, 0.9)
    assert np.mean(np.array(counts) < low) <= 0.055 and np.mean(np.array(counts) > high) <= 0.055
    assert np.mean(np.array(counts) < low + 0.04) > 0.055 and np.mean(np.array(counts) > high - 0.04) > 0.055


def test_expected_coverage_of_repeats_narrows_as_a_mean_does() -> None:
    once, often = (expected_coverage_interval(500, 500, 0.9, repeats=repeats) for repeats in (1, 25))
    assert (once[1] - once[0]) / (often[1] - often[0]) == pytest.approx(5, rel=0.05)
    assert sum(often) / 2 == pytest.approx(451 / 501, abs=1e-3)


def test_expected_coverage_without_pictures() -> None:
    assert expected_coverage_interval(8, 100, 0.9) == (1.0, 1.0)
    assert expected_coverage_interval(100, 0, 0.9) == (0.0, 1.0)


# Refusals -----------------------------------------------------------------------------------------------


def test_all_problems_are_named_at_once() -> None:
    table, targets, ids = honest(6, 3, seed=22)
    with pytest.raises(EighteenError, match=r"shape \(5,\), expected \(6,\); the coverage is 1.5, expected"):
        fit_sets(table, targets[:5], 1.5)
    with pytest.raises(EighteenError, match=r"rows of 6 pictures .*row 0, row 1, row 2 and 3 more.*'top'"):
        fit_sets(table * 3, targets, 0.9, "top")  # type: ignore[arg-type]
    with pytest.raises(EighteenError, match=r"lac was asked to be randomised.*Pass probabilities"):
        fit_sets(table, targets, 0.9, ids=ids, randomised=True)
    with pytest.raises(EighteenError, match=r"a penalty or kreg was given with aps.*penalty is 0.1 and kreg"):
        fit_sets(table, targets, 0.9, "aps", penalty=0.1)
    with pytest.raises(EighteenError, match=r"penalty is -1 and kreg 2, expected both, 0 or more"):
        fit_sets(table, targets, 0.9, "raps", penalty=-1, kreg=2)
    with pytest.raises(EighteenError, match=r"0 ids were given for 6 pictures, expected one each"):
        fit_sets(table, targets, 0.9, "raps")
    table[0, 0] = np.nan
    with pytest.raises(EighteenError, match=r"rows of 1 pictures.*a target is 9, expected at most 2"):
        fit_sets(table, np.full(6, 9), 0.9)


def test_sets_of_other_classes_are_refused() -> None:
    table, targets, ids = honest(60, 3, seed=23)
    rule = fit_sets(table, targets, 0.9, "aps", ids=ids, randomised=True)
    with pytest.raises(EighteenError, match=r"shape \(60, 2\), expected \(pictures, 3\).*the model that"):
        sets(rule, table[:, :2], ids)
    with pytest.raises(EighteenError, match=r"0 ids were given for 60 pictures"):
        sets(rule, table)
