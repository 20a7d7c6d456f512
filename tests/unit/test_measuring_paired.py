"""Paired comparisons: exact tests, values, few pictures, invariances, and what is refused."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss

from eighteen.core.errors import EighteenError
from eighteen.core.predictions import Predictions
from eighteen.measuring.paired import compare, difference
from eighteen.measuring.verdicts import Comparison

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def predictions_of(
    right: npt.ArrayLike,
    seed: int = 0,
    groups: Ints | None = None,
    k: int = 3,
    fold: Ints | None = None,
) -> Predictions:
    """A model that gives these pictures to their class, and the others to the next one."""
    hits = np.asarray(right, dtype=bool)
    n, classes = len(hits), np.array([f"class {each}" for each in range(k)])
    targets = np.arange(n) % k
    named = np.where(hits, targets, (targets + 1) % k)
    logits = np.random.default_rng(seed).normal(size=(n, k)).astype(np.float32)
    logits[np.arange(n), named] += 4
    rows = pl.DataFrame(
        {
            "id": [f"{position:05d}.png" for position in range(n)],
            "path": [f"{position:05d}.png" for position in range(n)],
            "target": classes[targets].tolist(),
            "predicted": classes[named].tolist(),
            "score": [0.5] * n,
            "split": ["test"] * n,
            "group": [""] * n if groups is None else [f"patient {group}" for group in groups],
            "fold": [-1] * n if fold is None else fold,
            "seed": [seed] * n,
        }
    )
    return Predictions(rows, {"logits": logits}, tuple(classes.tolist()), n)


def test_verdicts_that_are_given_together_ask_for_more_evidence() -> None:
    right = np.arange(200) % 10 != 0
    better = right | (np.arange(200) < 60)
    alone, one_of_nine = (
        compare(predictions_of(right), predictions_of(better), verdicts=verdicts) for verdicts in (1, 9)
    )
    (low, high), (least, most) = (
        (each.difference.low, each.difference.high) for each in (alone, one_of_nine)
    )
    assert least is not None and low is not None and high is not None and most is not None
    assert least < low and high < most and alone.difference.value == one_of_nine.difference.value
    assert (alone.verdict, one_of_nine.verdict) == ("helps", "cannot tell")


# Counts, tests and values ---------------------------------------------------------------------------


def _random(seed: int, n: int = 120, trainings: int = 1, grouped: bool = False) -> list[list[Predictions]]:
    generator = np.random.default_rng(seed)
    unit = generator.integers(0, n // 4, n) if grouped else None
    hardness = generator.random(n) - 0.1
    first, second = (generator.random((trainings, n)) < 0.4 + 0.8 * hardness for _ in range(2))
    return [
        [predictions_of(right, start + position, unit) for position, right in enumerate(side)]
        for start, side in ((0, first), (7, second))
    ]


@pytest.mark.parametrize("seed", range(5))
def test_mcnemar_is_the_exact_binomial_test(seed: int) -> None:
    (first,), (second,) = _random(seed)
    found = compare(first, second)
    right = [(each.rows["target"] == each.rows["predicted"]).to_numpy() for each in (first, second)]
    only_first, only_second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert found.mcnemar_p == binomtest(only_second, only_first + only_second).pvalue
    assert found.difference.value == pytest.approx((only_second - only_first) / 120, abs=1e-12)
    assert (found.n, found.n_units, found.seeds) == (120, 120, 1)


def test_helps_only_where_mcnemar_rejects() -> None:
    seen = set()
    for gain in range(4, 15):
        first, second = np.ones(100, dtype=bool), np.ones(100, dtype=bool)
        first[:gain], second[gain : gain + 2] = False, False
        found = compare(predictions_of(first), predictions_of(second), resamples=400)
        assert found.mcnemar_p is not None
        assert (found.verdict == "helps") == (found.mcnemar_p < 0.05)
        seen.add(found.verdict)
    assert seen == {"helps", "cannot tell"}


def test_mcnemar_is_left_out_where_it_does_not_apply() -> None:
    for trainings, grouped in ((3, False), (1, True)):
        assert compare(*_random(1, trainings=trainings, grouped=grouped)).mcnemar_p is None


def test_other_measures_are_those_of_scikit_learn() -> None:
    sides = _random(2, trainings=3)
    found = compare(*sides).measures
    means = []
    for side in sides:
        rows = [(each.rows["target"], each.rows["predicted"], each) for each in side]
        means.append(
            (
                np.mean([balanced_accuracy_score(true, named) for true, named, _ in rows]),
                np.mean([f1_score(true, named, average="macro") for true, named, _ in rows]),
                np.mean([log_loss(true, each.probabilities) for true, _, each in rows]),
            )
        )
    for name, first, second in zip(("balanced_accuracy", "macro_f1", "nll"), *means, strict=True):
        assert found[name].value == pytest.approx(second - first, abs=1e-9)
        assert found[name].low < found[name].value < found[name].high  # type: ignore[operator]


def test_models_that_agree_are_not_known_to_a_point() -> None:
    same = predictions_of(np.random.default_rng(4).random(200) < 0.9)
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        found = difference(same, same, name, resamples=200)
        assert found.value == 0 and found.low is not None and found.high is not None
        assert found.low < -0.01 and found.high > 0.01


def test_seed_luck_widens_the_interval() -> None:
    right = np.random.default_rng(9).random(600)
    levels = {"calm": (0.8, 0.8, 0.8), "wild": (0.74, 0.8, 0.86)}
    widths = {}
    for name, shares in levels.items():
        first = [predictions_of(right < share, seed) for seed, share in enumerate(shares)]
        second = [predictions_of(right < 0.8, seed) for seed in range(3)]
        found = compare(first, second).difference
        assert found.low is not None and found.high is not None
        widths[name] = found.high - found.low
    assert widths["wild"] > 3 * widths["calm"]


# Few pictures ---------------------------------------------------------------------------------------


def test_equal_answers_on_few_pictures_prove_nothing() -> None:
    verdicts = {}
    for n in (1, 10, 200, 300):
        right = np.arange(n) % 10 > 0
        verdicts[n] = compare(predictions_of(right), predictions_of(right))
    assert {n: found.verdict for n, found in verdicts.items()} == {
        1: "cannot tell",
        10: "cannot tell",
        200: "cannot tell",
        300: "no difference that matters",
    }
    assert {found.mcnemar_p for found in verdicts.values()} == {1.0}
    for n in (1, 10, 200):
        assert (verdicts[n].images_needed or 0) > n
    assert verdicts[300].images_needed is None


def test_five_pictures_in_five_groups_are_not_enough() -> None:
    second = np.ones(200, dtype=bool)
    unit = np.arange(200) // 4
    for changed, verdict in ((5, "cannot tell"), (12, "helps")):
        first = second.copy()
        first[np.arange(changed) * 4] = False
        found = compare(predictions_of(first, groups=unit), predictions_of(second, groups=unit))
        assert found.verdict == verdict and found.n_units == 50


def test_one_group_says_nothing_about_others() -> None:
    right = np.arange(400) % 2 == 0
    unit = np.zeros(400, dtype=np.int64)
    found = compare(predictions_of(right, groups=unit), predictions_of(~right | right, groups=unit))
    assert found.verdict == "cannot tell" and (found.difference.low, found.difference.high) == (-1, 1)
    assert found.image_sd is None and "one group" in found.sentence


def test_a_certain_difference_within_the_margin_does_not_matter() -> None:
    right = np.ones(20_000, dtype=bool)
    less = right.copy()
    less[:60] = False
    found = compare(predictions_of(less), predictions_of(right), resamples=200)
    assert found.difference.low is not None and found.difference.low > 0
    assert found.mcnemar_p is not None and found.mcnemar_p < 1e-9
    assert found.verdict == "no difference that matters"
    assert (
        compare(predictions_of(less), predictions_of(right), margin=0.002, resamples=200).verdict == "helps"
    )


# Invariances ----------------------------------------------------------------------------------------


def _numbers(found: Comparison) -> dict[str, float]:
    rows = {"accuracy": found.difference, **found.measures}
    numbers = {
        f"{name} {end}": getattr(row, end) for name, row in rows.items() for end in ("value", "low", "high")
    }
    numbers |= {"narrow low": found.narrow[0], "narrow high": found.narrow[1]}
    for name in ("image_sd", "seed_sd", "mcnemar_p", "images_needed", "seeds_needed", "n_units"):
        if getattr(found, name) is not None:
            numbers[name] = getattr(found, name)
    return numbers


def _shuffled(table: Predictions, seed: int) -> Predictions:
    order = np.random.default_rng(seed).permutation(len(table))
    return replace(table, rows=table.rows[order], arrays={"logits": table.logits[order]})


def _renamed(table: Predictions) -> Predictions:
    # New names in a new order, and the logits with them
    fresh = {name: f"z{len(table.class_names) - k}" for k, name in enumerate(table.class_names)}
    rows = table.rows.with_columns(pl.col("target", "predicted").replace_strict(fresh))
    names = tuple(fresh[name] for name in reversed(table.class_names))
    return replace(table, rows=rows, class_names=names, arrays={"logits": table.logits[:, ::-1].copy()})


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("trainings", [1, 3])
def test_order_and_names_do_not_show(trainings: int, grouped: bool) -> None:
    first, second = _random(trainings, trainings=trainings, grouped=grouped)
    expected = _numbers(compare(first, second))
    shuffled = [_shuffled(table, seed) for seed, table in enumerate(first[::-1])]
    renamed = [[_renamed(table) for table in side] for side in (first, second)]
    for found in (compare(shuffled, second), compare(*renamed)):
        assert _numbers(found) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("trainings", [1, 3])
def test_the_other_way_round_is_the_opposite(trainings: int) -> None:
    first, second = _random(5, n=400, trainings=trainings)
    there, back = compare(first, second), compare(second, first)
    assert there.difference.low == pytest.approx(-(back.difference.high or 0), abs=1e-4)
    assert there.images_needed == back.images_needed
    assert (there.only_first, there.only_second) == (back.only_second, back.only_first)


def test_folds_in_one_table_or_in_several_are_one_training() -> None:
    (first,), (second,) = _random(6)
    fold = np.arange(120) % 3
    parts = [
        Predictions(
            first.rows.filter(fold == each), {"logits": first.logits[fold == each]}, first.class_names, 40
        )
        for each in range(3)
    ]
    found = compare(parts, second)
    assert found == replace(compare(first, second)) and found.seeds == 1


def test_several_seeds_in_one_table_are_several_trainings() -> None:
    first, second = _random(7, trainings=2)
    rows = pl.concat([table.rows for table in first])
    logits = np.concatenate([table.logits for table in first])
    table = Predictions(rows, {"logits": logits}, first[0].class_names, 240)
    assert compare(table, second) == compare(first, second)
    assert (compare(table, second).first_seeds, compare(table, second).n) == ((0, 1), 120)


def test_ten_thousand_pictures_take_less_than_a_second() -> None:
    generator = np.random.default_rng(10)
    first, second = (predictions_of(generator.random(10_000) < 0.9, k=10) for _ in range(2))
    started = time.process_time()
    compare(first, second)
    assert time.process_time() - started < 1


# What does not belong together ----------------------------------------------------------------------


def _missing(table: Predictions, row: int, reason: str | None) -> Predictions:
    keep = np.arange(len(table)) != row
    gone = () if reason is None else ((table.rows["id"][row], reason),)
    rows, logits = table.rows.filter(keep), {"logits": table.logits[keep]}
    return Predictions(rows, logits, table.class_names, len(rows) + len(gone), gone)


def test_pictures_that_one_lacks_are_named() -> None:
    first, second = predictions_of(np.ones(50)), predictions_of(np.ones(50))
    found = compare(_missing(first, 3, "truncated"), _missing(_missing(second, 8, None), 3, "truncated"))
    assert found.n == 48
    assert found.left_out == (
        ("00003.png", "the first model lacks it (truncated); the second model lacks it (truncated)"),
        ("00008.png", "the second model lacks it (not scored)"),
    )
    assert "2 pictures were not compared: 00003.png, 00008.png." in found.sentence


def test_pictures_of_unknown_class_are_left_out() -> None:
    first, second = predictions_of(np.ones(50)), predictions_of(np.ones(50))
    blank = second.rows.with_columns(
        target=pl.when(pl.col("id") == "00002.png").then(pl.lit("")).otherwise(pl.col("target"))
    )
    found = compare(first, replace(second, rows=blank))
    assert found.n == 49 and found.left_out == (("00002.png", "its class is not known"),)


def _edited(table: Predictions, column: str, value: str) -> Predictions:
    changed = pl.when(pl.col("id") == "00001.png").then(pl.lit(value)).otherwise(pl.col(column))
    return replace(table, rows=table.rows.with_columns(changed.alias(column)))


def test_what_does_not_belong_together_is_refused() -> None:
    unit = np.arange(6)
    table = predictions_of(np.ones(6), groups=unit)
    elsewhere = replace(table, rows=table.rows.with_columns(pl.col("id") + ".copy"))
    other = predictions_of(np.ones(6), groups=unit, k=4)
    bare = replace(table, arrays={})
    cases: dict[str, Predictions | list[Predictions]] = {
        "1 pictures have more than one class: 00001.png (class 0 or class 1)": _edited(
            table, "target", "class 0"
        ),
        "1 pictures have more than one group: 00001.png (patient 1 or patient 9)": _edited(
            table, "group", "patient 9"
        ),
        "no picture of known class was scored in every training": elsewhere,
        "answers more than once with seed 0 for 00000.png": [table, table],
        "the second model has no scored picture": [],
        "table 1 of the second model has no logits": bare,
        "the parts of seed 0 of the second model have different classes": [table, other],
    }
    for expected, second in cases.items():
        with pytest.raises(EighteenError) as refused:
            compare(table, second)
        message = str(refused.value)
        assert expected in message and "Expected the same pictures" in message and "compare again" in message
    with pytest.raises(EighteenError, match=r"first model \(seed 0\) does not know new") as refused:
        compare(*(_edited(each, "target", "new") for each in (table, table)))


@pytest.mark.parametrize("margin", [0.0, -0.01, 1.0, math.nan])
def test_margins_out_of_range_are_refused(margin: float) -> None:
    table = predictions_of(np.ones(6))
    with pytest.raises(EighteenError, match="expected a difference in accuracy above 0 and below 1"):
        compare(table, table, margin=margin)


def test_a_group_that_one_table_names_holds_for_both() -> None:
    unit = np.arange(40) // 4
    named, bare = predictions_of(np.ones(40), groups=unit), predictions_of(np.ones(40))
    assert compare(bare, named).n_units == compare(named, bare).n_units == 10
