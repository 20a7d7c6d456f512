"""Calibration: known answers, what is chosen and why, invariances, small and odd sets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from eighteen.core.calibration import Calibration, Method
from eighteen.core.errors import EighteenError
from eighteen.core.predictions import softmax
from eighteen.measuring.calibration import (
    choose_calibration,
    cross_fitted,
    debiased_ece,
    fit_bent,
    fit_temperature,
    fit_vector,
    reliability,
)
from eighteen.measuring.metrics import ece, nll
from synthetic import honest_logits

Ints = npt.NDArray[np.int64]
Logits = npt.NDArray[np.float32]


def _distorted(n: int, seed: int) -> tuple[Logits, Ints]:
    """Classes that are each over- or underconfident in their own way."""
    logits, targets = honest_logits(n, 4, seed)
    scales, biases = np.array([3.0, 1.0, 0.6, 2.0]), np.array([0.0, 2.0, -1.0, -1.0])
    return (logits * scales + biases).astype(np.float32), targets


def _smoothed(n: int, k: int, seed: int, scale: float = 0.6, bend: float = 0.2) -> tuple[Logits, Ints]:
    """Small probabilities are held up; the bend and scale given are those that put them right."""
    generator = np.random.default_rng(seed)
    logits = (generator.normal(size=(n, k)) * 2).astype(np.float32)
    right = Calibration("bent", (scale,) * k, (0.0,) * k, bend=bend).apply(logits)
    reached = softmax(right).cumsum(axis=1) > generator.random((n, 1))
    return logits, reached.argmax(axis=1)


def _loss(calibration: Calibration, logits: Logits, targets: Ints) -> float:
    value = nll(targets, softmax(calibration.apply(logits)))
    assert value is not None
    return value


def _error(logits: Logits, targets: Ints) -> float:
    value = ece(targets, softmax(logits))
    assert value is not None
    return value


# Temperature ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 3, 10])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.7, 6.0])
def test_temperature_finds_the_one_that_made_the_logits(k: int, temperature: float) -> None:
    logits, targets = honest_logits(4000, k, seed=k)
    fitted = fit_temperature(logits * np.float32(temperature), targets)
    assert fitted.method == "temperature" and fitted.n == 4000
    assert set(fitted.bias) == {0.0} and len(set(fitted.scale)) == 1 and len(fitted.scale) == k
    assert 1 / fitted.scale[0] == pytest.approx(temperature, rel=0.08)
    assert f"{1 / fitted.scale[0]:.3g}" in fitted.reason


def test_temperature_changes_no_answer() -> None:
    logits, targets = honest_logits(500, 6, seed=1)
    logits[:200] = logits[:200].round()  # ties
    for scale in (0.02, 1.0, 30.0):
        shown = logits * np.float32(scale)
        fitted = fit_temperature(shown, targets).apply(shown)
        np.testing.assert_array_equal(fitted.argmax(axis=1), shown.argmax(axis=1))


def test_temperature_at_least_halves_the_error_of_an_overconfident_model() -> None:
    logits, targets = honest_logits(4000, 10, seed=2)
    shown = logits * np.float32(3)
    fitted = fit_temperature(shown[:2000], targets[:2000])
    before, after = _error(shown[2000:], targets[2000:]), _error(fitted.apply(shown[2000:]), targets[2000:])
    assert before > 0.1 and after < before / 2


def test_a_weight_is_that_many_pictures() -> None:
    logits, targets = honest_logits(80, 3, seed=3)
    copies = np.random.default_rng(3).integers(0, 4, 80)
    weighted = fit_temperature(logits * 2, targets, copies.astype(np.float64))
    repeated = fit_temperature(np.repeat(logits * 2, copies, axis=0), np.repeat(targets, copies))
    assert weighted.scale[0] == pytest.approx(repeated.scale[0], rel=1e-7)


def test_all_right_or_all_wrong_stays_within_reason() -> None:
    for n in (1, 5, 60, 5000):
        logits = np.tile(np.array([[3.0, 0.0, 0.0]], np.float32), (n, 1))
        right = fit_temperature(logits, np.zeros(n, np.int64)).scale[0]
        wrong = fit_temperature(logits, np.ones(n, np.int64)).scale[0]
        assert 1 <= right < 5 and 1 / 20 <= wrong < 1
    # More pictures that are all right allow more confidence, one picture hardly any.
    scales = [
        fit_temperature(np.tile(np.array([[3.0, 0.0]], np.float32), (n, 1)), np.zeros(n, np.int64)).scale[0]
        for n in (1, 10, 100, 1000)
    ]
    assert scales == sorted(scales) and scales[0] < 1.1 and scales[-1] > 1.5


def test_temperature_stops_at_its_limits() -> None:
    logits = np.tile(np.array([[1e5, 0.0]], np.float32), (50, 1))
    assert fit_temperature(logits, np.ones(50, np.int64)).scale[0] == pytest.approx(1 / 20)
    logits, many = np.array([[1e-3, 0.0]], np.float32), np.array([1e6])
    assert fit_temperature(logits, np.zeros(1, np.int64), many).scale[0] == pytest.approx(20)


# Vector scaling -------------------------------------------------------------------------------------


def test_vector_beats_temperature_where_classes_differ() -> None:
    logits, targets = _distorted(4000, seed=4)
    seen, new = slice(0, 2000), slice(2000, 4000)
    temperature = fit_temperature(logits[seen], targets[seen])
    vector = fit_vector(logits[seen], targets[seen])
    assert vector.method == "vector" and vector.n == 2000
    honest, _ = honest_logits(4000, 4, seed=4)
    best = nll(targets[new], softmax(honest[new]))
    assert best is not None
    assert _loss(temperature, logits[new], targets[new]) > best + 0.1
    assert _loss(vector, logits[new], targets[new]) < best + 0.02


def test_vector_of_few_pictures_is_near_the_temperature() -> None:
    logits, targets = _distorted(4, seed=6)
    vector, common = fit_vector(logits, targets), fit_temperature(logits, targets).scale[0]
    np.testing.assert_allclose(vector.scale, common, rtol=0.5)
    assert np.abs(vector.bias).max() < 1


# Bent -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [3, 10])
@pytest.mark.parametrize(("scale", "bend"), [(0.6, 0.2), (1.0, 0.1), (1.5, 0.4)])
def test_bent_finds_the_bend_that_made_the_logits(k: int, scale: float, bend: float) -> None:
    logits, targets = _smoothed(20_000, k, 1, scale, bend)
    fitted = fit_bent(logits, targets)
    assert fitted.method == "bent" and set(fitted.bias) == {0.0} and len(set(fitted.scale)) == 1
    assert fitted.scale[0] == pytest.approx(scale, abs=0.1)
    assert fitted.bend == pytest.approx(bend, abs=0.06)


def test_bent_is_a_temperature_where_nothing_is_bent_or_it_would_go_up() -> None:
    logits, targets = honest_logits(4000, 5, seed=2)
    assert fit_bent(logits, targets).bend < 0.02
    # Probabilities that are too small would need a bend below 0, which could turn the order of classes round.
    sharp = logits - np.float32(0.2) * (logits - logits.max(axis=1, keepdims=True)) ** 2
    assert fit_bent(sharp, targets).bend == 0
    assert fit_bent(sharp, targets).scale == pytest.approx(fit_temperature(sharp, targets).scale, rel=1e-6)


def test_bent_changes_no_answer_and_halves_the_error_that_a_temperature_leaves() -> None:
    logits, targets = _smoothed(4000, 10, 3)
    fitted = fit_bent(logits, targets)
    np.testing.assert_array_equal(fitted.apply(logits).argsort(axis=1), logits.argsort(axis=1))
    new, labels = _smoothed(20_000, 10, 4)
    left = _error(fit_temperature(logits, targets).apply(new), labels)
    assert _error(fitted.apply(new), labels) < left / 2


# Folds and the choice -------------------------------------------------------------------------------


def _choose(logits: Logits, targets: Ints, n_folds: int = 5) -> Calibration:
    return choose_calibration(logits, targets, np.arange(len(targets)) % n_folds)


@pytest.mark.parametrize("seed", range(3))
def test_choice_follows_what_is_wrong(seed: int) -> None:
    logits, targets = honest_logits(1500, 4, seed)
    assert _choose(logits, targets).method == "none"
    assert _choose(logits * np.float32(2.5), targets).method == "temperature"
    assert _choose(*_smoothed(1500, 4, seed)).method == "bent"
    assert _choose(*_distorted(1500, seed)).method == "vector"


def test_no_bend_is_chosen_where_it_could_not_be_shipped() -> None:
    logits, targets = _smoothed(1500, 4, 0)
    chosen = choose_calibration(logits, targets, np.arange(1500) % 5, bends=False)
    assert chosen.method in ("temperature", "vector") and chosen.bend == 0 and "bent" not in chosen.reason


def test_classes_that_were_balanced_in_training_are_not_brought_back_to_their_shares() -> None:
    """A balanced network names classes by what it sees; a bias a class would add how frequent they are."""
    generator, shares = np.random.default_rng(5), [0.7, 0.2, 0.1]
    targets, folds = generator.choice(3, 1500, p=shares), np.arange(1500) % 5
    # Of features with a spread of 1 about their class, 1.5 is the logit that a balanced network should give.
    balanced = (1.5 * generator.normal(1.5 * np.eye(3)[targets])).astype(np.float32)
    assert choose_calibration(balanced, targets, folds).method == "vector"
    chosen = choose_calibration(balanced, targets, folds, balanced=True)
    np.testing.assert_array_equal(chosen.apply(balanced).argsort(axis=1), balanced.argsort(axis=1))
    assert "vector not tried: rare classes were made to count for more" in chosen.reason


def test_chosen_calibration_is_fitted_on_all_pictures_and_tells_its_figures() -> None:
    logits, targets = honest_logits(600, 3, seed=7)
    logits, folds = logits * np.float32(2), np.arange(600) % 4
    targets[:30] = -1
    chosen, expected = choose_calibration(logits, targets, folds), fit_temperature(logits, targets)
    assert (chosen.scale, chosen.bias, chosen.n) == (expected.scale, expected.bias, 570)
    outside = cross_fitted(logits, targets, folds, "temperature")
    for figure in (nll(targets, softmax(logits)), nll(targets, softmax(outside))):
        assert f"{figure:.4f}" in chosen.reason
    assert f"temperature {1 / chosen.scale[0]:.3g}" in chosen.reason and "570" in chosen.reason


def test_choice_is_never_worse_than_none_outside_the_fit() -> None:
    generator = np.random.default_rng(8)
    for repeat in range(40):
        n, k = int(generator.integers(2, 60)), int(generator.integers(2, 5))
        logits, targets = honest_logits(n, k, repeat)
        logits = logits * np.float32(generator.uniform(0.5, 3))
        folds = np.arange(n) % 3
        method = choose_calibration(logits, targets, folds).method
        outside = nll(targets, softmax(cross_fitted(logits, targets, folds, method)))
        without = nll(targets, softmax(logits))
        assert outside is not None and without is not None and outside <= without


def test_copies_in_groups_are_no_more_evidence() -> None:
    found = set()
    for seed in range(20):
        logits, targets = honest_logits(12, 3, seed)
        shown, named = np.repeat(logits * np.float32(1.6), 40, axis=0), np.repeat(targets, 40)
        folds, groups = np.repeat(np.arange(12) % 3, 40), np.repeat(np.arange(12), 40)
        alone = choose_calibration(shown, named, folds)
        found.add((alone.method, choose_calibration(shown, named, folds, groups).method))
    assert ("temperature", "none") in found and ("none", "temperature") not in found


def test_vector_is_not_tried_on_classes_with_few_pictures() -> None:
    logits, targets = _distorted(1500, seed=9)
    keep = (targets != 2) | (np.cumsum(targets == 2) <= 9)
    chosen = _choose(logits[keep], targets[keep])
    assert chosen.method != "vector" and "fewer than 10 pictures" in chosen.reason


def test_vector_is_not_tried_on_more_logits_than_it_can_be_fitted_to_in_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logits, targets = _distorted(1500, seed=5)
    monkeypatch.setattr("eighteen.measuring._calibration_choice.MOST_NUMBERS", 5999)
    found = _choose(logits, targets)
    assert found.method != "vector"
    assert "vector not tried with more than 5,999 logits" in found.reason
    monkeypatch.setattr("eighteen.measuring._calibration_choice.MOST_NUMBERS", 6000)
    assert _choose(logits, targets).method == "vector"


METHODS: tuple[Method, ...] = ("none", "temperature", "bent", "vector")


@pytest.mark.parametrize("method", METHODS)
def test_no_picture_is_calibrated_by_its_own_class(method: Method) -> None:
    logits, targets = honest_logits(90, 3, seed=10)
    folds = np.arange(90) % 3
    before = cross_fitted(logits, targets, folds, method)
    changed = np.where(folds == 1, (targets + 1) % 3, targets)
    after = cross_fitted(logits, changed, folds, method)
    np.testing.assert_array_equal(before[folds == 1], after[folds == 1])
    assert before.dtype == np.float32 and before.shape == logits.shape
    assert (before[folds != 1] == after[folds != 1]).all() == (method == "none")


def test_out_of_fold_logits_are_more_honest_than_fitted_ones() -> None:
    gaps = []
    for seed in range(10):
        logits, targets = _distorted(80, seed)
        outside = nll(targets, softmax(cross_fitted(logits, targets, np.arange(80) % 5, "vector")))
        inside = nll(targets, softmax(fit_vector(logits, targets).apply(logits)))
        assert outside is not None and inside is not None
        gaps.append(outside - inside)
    assert min(gaps) > 0


# Invariances and odd sets ---------------------------------------------------------------------------


def _close(first: Calibration, second: Calibration, order: Ints) -> None:
    assert (first.method, first.n) == (second.method, second.n)
    if first.method != "none":
        np.testing.assert_allclose(np.array(first.scale)[order], second.scale, atol=1e-9)
        np.testing.assert_allclose(np.array(first.bias)[order], second.bias, atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_order_of_rows_and_classes_does_not_show(seed: int) -> None:
    logits, targets = _distorted(300, seed)
    generator = np.random.default_rng(seed)
    rows, order = generator.permutation(300), generator.permutation(4)
    shown, named, folds = logits[rows][:, order], np.argsort(order)[targets[rows]], np.arange(300) % 5
    _close(fit_temperature(logits, targets), fit_temperature(shown, named), order)
    _close(fit_vector(logits, targets), fit_vector(shown, named), order)
    chosen, other = choose_calibration(logits, targets, folds), choose_calibration(shown, named, folds[rows])
    _close(chosen, other, order)
    assert chosen.reason == other.reason
    table, moved = softmax(chosen.apply(logits)), softmax(other.apply(shown))
    assert debiased_ece(targets, table) == pytest.approx(debiased_ece(named, moved), abs=1e-9)
    for one, two in zip(reliability(targets, table), reliability(named, moved), strict=True):
        np.testing.assert_allclose(list(vars(one).values()), list(vars(two).values()), atol=1e-9)


def _odd_sets() -> dict[str, tuple[Logits, Ints]]:
    logits, targets = honest_logits(40, 3, seed=11)
    two, classes = honest_logits(30, 2, seed=12)
    return {
        "one picture": (logits[:1], targets[:1]),
        "two pictures": (logits[:2], targets[:2]),
        "one class": (logits, np.zeros(40, np.int64)),
        "a class is missing": (logits, targets % 2),
        "two classes": (two, classes),
        "ties": (logits.round(), targets),
        "all equal": (np.zeros((40, 3), np.float32), targets),
        "all right": (np.eye(3, dtype=np.float32)[targets] * 9, targets),
        "all wrong": (np.eye(3, dtype=np.float32)[(targets + 1) % 3] * 900, targets),
        "huge": (logits * np.float32(1e6), targets),
        "tiny": (logits * np.float32(1e-6), targets),
    }


@pytest.mark.parametrize("name", _odd_sets())
def test_odd_sets_give_finite_answers(name: str) -> None:
    logits, targets = _odd_sets()[name]
    before = nll(targets, softmax(logits))
    assert before is not None
    for fitted in (fit_temperature(logits, targets), fit_vector(logits, targets)):
        assert np.isfinite([*fitted.scale, *fitted.bias]).all()
        assert _loss(fitted, logits, targets) <= before + 1e-6
    assert 0.05 - 1e-6 <= 1 / fit_temperature(logits, targets).scale[0] <= 20 + 1e-6
    chosen = _choose(logits, targets, 3)
    assert chosen.reason and chosen.n == len(targets)
    assert np.isfinite(chosen.apply(logits)).all()


def test_unknown_classes_are_left_out() -> None:
    logits, targets = honest_logits(60, 3, seed=13)
    some = np.where(np.arange(60) < 20, -1, targets)
    assert fit_temperature(logits, some) == fit_temperature(logits[20:], targets[20:])
    assert fit_vector(logits, some) == fit_vector(logits[20:], targets[20:])
    folds = np.arange(60) % 3
    assert choose_calibration(logits, some, folds) == choose_calibration(logits[20:], some[20:], folds[20:])
    outside = cross_fitted(logits, some, folds, "temperature")
    assert not np.array_equal(outside[:20], logits[:20])  # calibrated like the others, though
    table = softmax(logits)
    assert debiased_ece(some, table) == debiased_ece(targets[20:], table[20:])
    assert reliability(some, table) == reliability(targets[20:], table[20:])


def test_nothing_to_fit_on_changes_nothing() -> None:
    logits, _ = honest_logits(5, 3, seed=14)
    unknown = np.full(5, -1)
    for table, targets in ((logits, unknown), (logits[:0], unknown[:0])):
        folds = np.zeros(len(targets), np.int64)
        for fitted in (
            fit_temperature(table, targets),
            fit_vector(table, targets),
            choose_calibration(table, targets, folds),
        ):
            assert (fitted.method, fitted.n) == ("none", 0) and fitted.reason
        np.testing.assert_array_equal(cross_fitted(table, targets, folds, "vector"), table)
        assert debiased_ece(targets, softmax(table)) is None
        assert reliability(targets, softmax(table)) == []


def test_all_problems_are_named_at_once() -> None:
    logits, targets = honest_logits(6, 3, seed=15)
    with pytest.raises(EighteenError, match=r"\(6, 1\).*at least 2 classes.*targets have shape \(5,\)"):
        fit_temperature(logits[:, :1], targets[:5])
    logits[0, 0] = np.nan
    with pytest.raises(EighteenError, match=r"a target is 7, expected at most 2; 1 logits are not finite"):
        fit_vector(logits, np.array([0, 1, 2, 0, 1, 7]))
    with pytest.raises(EighteenError, match=r"weights are negative"):
        fit_temperature(np.ones((6, 3), np.float32), targets, np.array([1.0, 1, 1, 1, 1, -1]))
    with pytest.raises(EighteenError, match=r"folds have shape \(5,\), expected \(6,\)"):
        choose_calibration(np.ones((6, 3), np.float32), targets, np.arange(5))
