"""Measures of predictions: values, intervals, invariances, and the edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from eighteen.core.errors import EighteenError
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.measuring import metrics
from eighteen.measuring.baseline import majority_class, majority_sentence, not_better_than_majority
from eighteen.measuring.classes import confusion, per_class
from eighteen.measuring.measure import measure
from eighteen.measuring.resolution import resolution_sentence, resolvable_difference


def predictions_of(
    targets: npt.ArrayLike,
    logits: npt.ArrayLike,
    groups: list[str] | None = None,
    names: tuple[str, ...] | None = None,
) -> Predictions:
    true, table = np.asarray(targets), np.asarray(logits, dtype=np.float32)
    n, classes = len(true), names or tuple(f"class {k}" for k in range(table.shape[1]))
    rows = pl.DataFrame(
        {
            "id": [f"{position:05d}.png" for position in range(n)],
            "path": [f"{position:05d}.png" for position in range(n)],
            "target": [classes[k] if k >= 0 else "" for k in true],
            "predicted": [classes[k] for k in table.argmax(axis=1)] if n else [],
            "score": [0.0] * n,
            "split": ["val"] * n,
            "group": groups or [""] * n,
            "fold": [-1] * n,
            "seed": [0] * n,
        },
        schema_overrides={"target": pl.String, "predicted": pl.String, "id": pl.String, "group": pl.String},
    )
    return Predictions(rows, {"logits": table}, classes, n)


def random_predictions(seed: int, n: int, k: int, skill: float = 1.5, grouped: bool = False) -> Predictions:
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, k, n)
    logits = generator.normal(size=(n, k)) * 2
    logits[np.arange(n), targets] += skill
    if seed % 3 == 0:
        logits = np.round(logits)
    groups = (
        [f"patient {g}" if g else "" for g in generator.integers(0, max(2, n // 4), n)] if grouped else None
    )
    return predictions_of(targets, logits, groups)


def assert_equal_measures(first: dict[str, Measure], second: dict[str, Measure]) -> None:
    assert first.keys() == second.keys()
    for name, one in first.items():
        other = second[name]
        assert (one.n, one.method, one.split) == (other.n, other.method, other.split)
        for mine, theirs in ((one.value, other.value), (one.low, other.low), (one.high, other.high)):
            assert mine == pytest.approx(theirs, abs=1e-9), name


def test_values_are_those_of_the_metrics() -> None:
    predictions = random_predictions(1, 200, 8)
    found = measure(predictions, split="val")
    targets, table = predictions.targets, predictions.probabilities
    for name in set(found) - {"majority_baseline"}:
        assert found[name].value == pytest.approx(getattr(metrics, name)(targets, table), abs=1e-12), name
    assert found["majority_baseline"].value == np.bincount(targets).max() / 200
    assert {m.n for m in found.values()} == {200} and {m.split for m in found.values()} == {"val"}


@pytest.mark.parametrize("grouped", [False, True])
def test_every_interval_contains_its_value(grouped: bool) -> None:
    for seed in range(120):
        n, k = 1 + seed * 7 % 60, 2 + seed % 7
        predictions = random_predictions(seed, n, k, skill=[0, 2, 20][seed % 3], grouped=grouped)
        measures = list(measure(predictions, resamples=200).values())
        for row in per_class(predictions, resamples=200):
            measures += [row.precision, row.recall, row.f1]
        for one in measures:
            if one.value is None:
                assert one.low is None and one.high is None and one.method.startswith("not defined")
            else:
                assert one.low is not None and one.high is not None
                assert 0 <= one.low <= one.value <= one.high < np.inf
                assert one.method


def test_a_perfect_score_is_not_certain() -> None:
    targets = np.arange(60) % 3
    found = measure(predictions_of(targets, 5 * np.eye(3)[targets]))
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "auroc"):
        one = found[name]
        assert one.value == one.high == 1
        assert one.low is not None and 0.8 < one.low <= 0.97, name
    assert found["accuracy"].low == pytest.approx(60 / (60 + 1.959964**2), abs=1e-6)
    assert "not yet seen" in found["macro_f1"].method


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_row_order_does_not_show(seed: int, grouped: bool) -> None:
    predictions = random_predictions(seed, 80, 6, grouped=grouped)
    order = np.random.default_rng(9).permutation(80)
    shuffled = replace(
        predictions, rows=predictions.rows[order], arrays={"logits": predictions.logits[order]}
    )
    assert_equal_measures(measure(predictions), measure(shuffled))


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("k", [2, 3, 6])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_class_names_and_their_order_do_not_show(seed: int, k: int, grouped: bool) -> None:
    predictions = random_predictions(seed, 60, k, grouped=grouped)
    order = np.random.default_rng(seed).permutation(k)[::-1]
    new = {name: f"renamed {name[::-1]}" for name in predictions.class_names}
    renamed = Predictions(
        predictions.rows.with_columns(
            pl.col("target").replace_strict(new), pl.col("predicted").replace_strict(new)
        ),
        {"logits": predictions.logits[:, order]},
        tuple(new[predictions.class_names[position]] for position in order),
        60,
    )
    assert_equal_measures(measure(predictions), measure(renamed))
    by_name = {row.name: row for row in per_class(renamed)}
    for row in per_class(predictions):
        other = by_name[new[row.name]]
        assert row.support == other.support
        assert_equal_measures({"f1": row.f1, "r": row.recall}, {"f1": other.f1, "r": other.recall})


def test_correlated_groups_make_intervals_wider() -> None:
    generator = np.random.default_rng(4)
    right = np.repeat(generator.random(20) < 0.7, 10)  # each of 20 patients: all right or all wrong
    targets = generator.integers(0, 2, 200)
    logits = 2.0 * np.eye(2)[np.where(right, targets, 1 - targets)]
    alone = measure(predictions_of(targets, logits))
    together = measure(predictions_of(targets, logits, [f"patient {i // 10}" for i in range(200)]))
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "nll", "brier"):
        one, other = alone[name], together[name]
        assert one.value == other.value
        assert other.high - other.low > 1.8 * (one.high - one.low), name  # type: ignore[operator]
        assert "by group" in other.method and "by group" not in one.method


def test_groups_of_one_image_are_no_groups() -> None:
    predictions = random_predictions(1, 50, 3)
    rows = predictions.rows.with_columns(("g" + pl.col("id")).alias("group"))
    assert_equal_measures(measure(predictions), measure(replace(predictions, rows=rows)))


def test_few_groups_are_called_rough_and_one_says_nothing() -> None:
    targets = np.arange(40) % 2
    logits = 3.0 * np.eye(2)[targets]
    few = measure(predictions_of(targets, logits, [f"p{i % 4}" for i in range(40)]))
    many = measure(predictions_of(targets, logits, [f"p{i % 20}" for i in range(40)]))
    assert "rough: only 4 groups" in few["accuracy"].method and "rough" not in many["accuracy"].method
    assert few["accuracy"].low < many["accuracy"].low < 0.95  # type: ignore[operator]
    single = measure(predictions_of(targets, logits, ["p"] * 40))["accuracy"]
    assert (single.low, single.high) == (0.0, 1.0)


def test_one_image_scored_several_times_is_one_image() -> None:
    predictions = random_predictions(1, 30, 3)
    twice = Predictions(
        pl.concat([predictions.rows, predictions.rows.with_columns(pl.lit(1, pl.Int64).alias("seed"))]),
        {"logits": np.concatenate([predictions.logits] * 2)},
        predictions.class_names,
        60,
    )
    once, both = measure(predictions)["accuracy"], measure(twice)["accuracy"]
    assert both.n == 30 and both.value == once.value
    assert both.high - both.low > 0.9 * (once.high - once.low)  # type: ignore[operator]


@pytest.mark.parametrize(("n", "k", "skill"), [(60, 3, 1.5), (120, 8, 4.0)])
def test_intervals_hold_the_truth_about_as_often_as_they_say(n: int, k: int, skill: float) -> None:
    truth = measure(random_predictions(10_001, 40_000, k, skill), resamples=10)
    found = [measure(random_predictions(1 + 3 * seed, n, k, skill), resamples=200) for seed in range(200)]
    for name in ("balanced_accuracy", "macro_f1", "auroc", "nll", "brier", "ece"):
        held = [one[name].low <= truth[name].value <= one[name].high for one in found]  # type: ignore[operator]
        assert np.mean(held) >= 0.90, name


def test_cluster_bootstrap_holds_the_truth_where_wilson_does_not() -> None:
    generator = np.random.default_rng(8)
    grouped, alone = [], []
    for _ in range(150):
        right = generator.random(120) < np.repeat(generator.beta(1.6, 0.4, 15), 8)  # mean 0.8
        targets = generator.integers(0, 2, 120)
        logits = np.eye(2)[np.where(right, targets, 1 - targets)]
        groups = [f"p{i // 8}" for i in range(120)]
        for held, given in ((grouped, groups), (alone, None)):
            one = measure(predictions_of(targets, logits, given), resamples=200)["accuracy"]
            held.append(one.low <= 0.8 <= one.high)  # type: ignore[operator]
    assert np.mean(grouped) >= 0.90
    assert np.mean(alone) < 0.85


def test_interval_of_ece_reaches_down_to_a_calibrated_model() -> None:
    generator = np.random.default_rng(12)
    reached = 0
    for _ in range(40):
        logits = generator.normal(size=(100, 3)) * 2
        table = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        targets = (generator.random((100, 1)) > table.cumsum(axis=1)[:, :2]).sum(axis=1)  # drawn from table
        one = measure(predictions_of(targets, logits), resamples=200)["ece"]
        assert one.value is not None and one.value > 0.02  # biased upwards: the true error is 0
        assert "debiased inside each resample" in one.method
        reached += one.low < 0.01  # type: ignore[operator]
    assert reached >= 36


def test_unknown_targets_are_not_counted() -> None:
    predictions = random_predictions(1, 40, 3)
    targets = predictions.targets.copy()
    targets[:15] = -1
    found = measure(predictions_of(targets, predictions.logits))
    assert found["accuracy"].n == 25
    expected = (predictions.logits.argmax(axis=1) == predictions.targets)[15:].mean()
    assert found["accuracy"].value == pytest.approx(expected)
    assert confusion(predictions_of(targets, predictions.logits)).sum() == 25


def test_no_image_is_not_defined() -> None:
    empty = predictions_of(np.zeros(0, int), np.zeros((0, 7)))
    unknown = predictions_of(np.full(4, -1), np.zeros((4, 7)))
    for predictions in (empty, unknown):
        found = measure(predictions)
        assert found.keys() == measure(random_predictions(1, 20, 7)).keys()
        assert all(one.value is None and one.n == 0 for one in found.values())
        assert confusion(predictions).tolist() == np.zeros((7, 7), int).tolist()
        assert [row.support for row in per_class(predictions)] == [0] * 7
        assert majority_class(predictions) == ""
        assert not not_better_than_majority(found, 7)


def test_one_class_has_no_auroc_but_the_rest() -> None:
    found = measure(predictions_of(np.zeros(30, int), np.random.default_rng(0).normal(size=(30, 3))))
    assert found["auroc"].value is None and "fewer than two classes" in found["auroc"].method
    assert found["balanced_accuracy"].value == found["accuracy"].value
    assert found["majority_baseline"].value == 1


def test_top5_needs_more_than_five_classes() -> None:
    assert "top5_accuracy" not in measure(random_predictions(1, 30, 5))
    assert "top5_accuracy" in measure(random_predictions(1, 30, 6))


def test_classes_never_seen_or_never_named_are_not_defined() -> None:
    logits = np.eye(3)[[0, 0, 1]]
    never_named, plain, nothing = per_class(predictions_of([2, 1, 1], logits, names=("a", "b", "c")))[::-1]
    assert [row.name for row in (never_named, plain, nothing)] == ["c", "b", "a"]
    assert never_named.precision.value is None and never_named.recall.value == 0 == never_named.f1.value
    assert nothing.recall.value is None and nothing.precision.value == 0
    assert (plain.precision.value, plain.recall.value, plain.recall.n) == (1.0, 0.5, 2)
    assert confusion(predictions_of([2, 1, 1], logits)).tolist() == [[0, 0, 0], [1, 1, 0], [1, 0, 0]]


def test_the_predicted_column_decides_and_falls_back_on_logits() -> None:
    predictions = predictions_of([0, 1], np.eye(2), names=("a", "b"))
    swapped = predictions.rows.with_columns(pl.Series("predicted", ["b", "b"]))
    unnamed = predictions.rows.with_columns(pl.lit("").alias("predicted"))
    assert measure(replace(predictions, rows=swapped))["accuracy"].value == 0.5
    assert measure(replace(predictions, rows=unnamed))["accuracy"].value == 1.0


def test_logits_that_are_not_finite_are_refused_by_name() -> None:
    logits = np.zeros((3, 2))
    logits[1, 0] = np.nan
    with pytest.raises(
        EighteenError, match=r"logits of 1 images are not finite \(00001\.png\).*predict again"
    ):
        measure(predictions_of([0, 1, 1], logits))


def test_a_probability_of_zero_is_allowed() -> None:
    found = measure(predictions_of([0, 1], [[-np.inf, 0], [-np.inf, 0]]))
    assert found["nll"].value == pytest.approx(-np.log(2.0**-52) / 2)


def test_logits_that_do_not_fit_the_classes_are_refused() -> None:
    predictions = replace(random_predictions(1, 4, 3), class_names=("a", "b"))
    with pytest.raises(EighteenError, match=r"shape \(4, 3\); expected \(4, 2\)"):
        measure(predictions)


def test_always_the_same_answer_is_called_so() -> None:
    targets = np.repeat([0, 1], [60, 3])
    always_ok = predictions_of(targets, np.tile([2.0, 0.0], (63, 1)), names=("ok", "defect"))
    found = measure(always_ok)
    assert found["majority_baseline"].value == found["accuracy"].value == 60 / 63
    assert majority_class(always_ok) == "ok"
    assert majority_sentence(found, "ok", 2) == 'not better than always "ok"'
    good = measure(predictions_of(np.arange(60) % 2, 2.0 * np.eye(2)[np.arange(60) % 2]))
    assert majority_sentence(good, "ok", 2) == ""


def test_the_majority_of_training_can_be_given() -> None:
    predictions = predictions_of([0, 0, 1], np.eye(2)[[0, 0, 1]], names=("a", "b"))
    assert measure(predictions, majority="b")["majority_baseline"].value == pytest.approx(1 / 3)
    with pytest.raises(EighteenError, match=r"'c' is none of the classes; expected one of a, b"):
        measure(predictions, majority="c")


def test_what_a_test_set_can_resolve() -> None:
    assert resolvable_difference(60) == pytest.approx(1.959964 * np.sqrt(0.09 / 60), abs=1e-6)
    assert resolvable_difference(0) == 1.0
    assert resolution_sentence(60) == "60 images: differences under 8 points are luck"
    assert resolution_sentence(0) == "0 images: nothing can be said"
