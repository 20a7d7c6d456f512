"""Slices: the bad one is found, luck is not taken for one, and every column is accounted for."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from scipy.stats import binom, binomtest

from eighteen.core.errors import EighteenError
from eighteen.core.predictions import Predictions
from eighteen.measuring.slices import Slice, find_slices, skipped_columns

CLASSES = ("ant", "bee", "cow", "dog")
SIMULATIONS = 200
MOST_FALSE_ALARMS = int(binom.ppf(0.99, SIMULATIONS, 0.05))


def predictions_of(right: npt.ArrayLike, seed: int = 0, groups: npt.ArrayLike | None = None) -> Predictions:
    """Predictions of random classes that are right where asked."""
    generator, correct = np.random.default_rng(seed), np.asarray(right, bool)
    n = len(correct)
    targets = generator.integers(0, 4, n)
    answers = np.where(correct, targets, (targets + generator.integers(1, 4, n)) % 4)
    ids = [f"{row:05d}.png" for row in range(n)]
    rows = pl.DataFrame(
        {
            "id": ids,
            "path": ids,
            "target": [CLASSES[k] for k in targets],
            "predicted": [CLASSES[k] for k in answers],
            "score": [0.0] * n,
            "split": ["test"] * n,
            "group": [""] * n if groups is None else [f"patient {k}" for k in np.asarray(groups)],
            "fold": [-1] * n,
            "seed": [0] * n,
        },
        schema_overrides=dict.fromkeys(("id", "path", "target", "predicted", "group"), pl.String),
    )
    return Predictions(rows, {"logits": np.eye(4, dtype=np.float32)[answers]}, CLASSES, n)


def facts_of(n: int, seed: int = 0, **columns: Any) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    random = {
        "width": generator.integers(50, 500, n),
        "height": generator.integers(50, 500, n),
        "brightness": generator.uniform(0, 255, n),
        "camera": generator.choice(list("ABCDE"), n),
    }
    return pl.DataFrame({"id": [f"{row:05d}.png" for row in range(n)], **random, **columns})


def named(found: list[Slice], column: str, value: str) -> Slice:
    (one,) = [one for one in found if (one.column, one.value) == (column, value)]
    return one


def values_of(found: list[Slice], column: str) -> set[str]:
    return {one.value for one in found if one.column == column}


def test_a_bad_slice_is_found_first() -> None:
    facts = facts_of(600)
    bad = (facts["camera"] == "C").to_numpy()
    right = np.random.default_rng(1).random(600) < np.where(bad, 0.6, 0.92)
    found = find_slices(predictions_of(right), facts, split="test")
    worst = found[0]
    assert (worst.column, worst.value, worst.worse) == ("camera", "C", True)
    assert worst.p_corrected < 0.05
    assert worst.n == worst.accuracy.n == bad.sum()
    assert worst.rest.n == (~bad).sum()
    assert worst.accuracy.value == pytest.approx(right[bad].mean())
    assert worst.rest.value == pytest.approx(right[~bad].mean())
    assert worst.difference.value == pytest.approx(right[bad].mean() - right[~bad].mean())
    assert worst.difference.high is not None
    assert worst.difference.high < 0
    assert {worst.accuracy.split, worst.rest.split, worst.difference.split} == {"test"}
    assert worst.sentence.startswith("camera: C is worse than the rest: ")
    assert worst.sentence.endswith(f"after a look at {len(found)} slices)")
    assert worst.looks == len(found)


@pytest.mark.parametrize("column", ["class", "group", "area_px", "aspect", "brightness"])
def test_it_is_found_by_class_group_size_shape_and_looks(column: str) -> None:
    n = 800
    groups = np.random.default_rng(3).integers(0, 8, n)
    facts, bare = facts_of(n), predictions_of(np.ones(n), groups=groups)
    area, aspect = facts["width"] * facts["height"], facts["width"] / facts["height"]
    bad = {
        "class": bare.targets == 1,
        "group": groups == 3,
        "area_px": (area <= area.quantile(0.25)).to_numpy(),
        "aspect": (aspect > aspect.quantile(0.75)).to_numpy(),
        "brightness": (facts["brightness"] <= facts["brightness"].quantile(0.25)).to_numpy(),
    }[column]
    right = np.random.default_rng(4).random(n) < np.where(bad, 0.5, 0.92)
    worst = find_slices(predictions_of(right, groups=groups), facts)[0]
    assert (worst.column, worst.worse) == (column, True)
    assert abs(worst.n - bad.sum()) <= 1
    assert worst.accuracy.value == pytest.approx(right[bad].mean(), abs=0.01)


def test_luck_is_seldom_called_worse() -> None:
    alarms = uncorrected = 0
    for seed in range(SIMULATIONS):
        right = np.random.default_rng(seed).random(300) < 0.9
        found = find_slices(predictions_of(right, seed), facts_of(300, seed))
        alarms += any(one.worse for one in found)
        uncorrected += any(one.p <= 0.05 for one in found)
    assert alarms <= MOST_FALSE_ALARMS
    assert uncorrected > 5 * MOST_FALSE_ALARMS / 4  # the correction has something to do


def test_differences_between_groups_are_seldom_called_a_bad_slice() -> None:
    alarms = without_groups = 0
    for seed in range(SIMULATIONS):
        generator = np.random.default_rng(seed)
        groups, skill = generator.integers(0, 40, 300), generator.beta(3.6, 0.4, 40)
        right = generator.random(300) < skill[groups]
        table = facts_of(
            300, seed, site=generator.integers(0, 4, 40)[groups], age=generator.random(40)[groups]
        )
        found = find_slices(predictions_of(right, seed, groups), table)
        alarms += any(one.worse for one in found if one.column != "group")
        without_groups += any(one.worse for one in find_slices(predictions_of(right, seed), table))
    assert alarms <= MOST_FALSE_ALARMS
    assert without_groups > 2 * MOST_FALSE_ALARMS


def test_a_bad_slice_is_found_across_groups() -> None:
    groups = np.random.default_rng(5).integers(0, 60, 900)
    site = np.random.default_rng(6).integers(0, 3, 60)[groups]
    right = np.random.default_rng(7).random(900) < np.where(site == 1, 0.6, 0.93)
    found = find_slices(predictions_of(right, groups=groups), facts_of(900, site=site))
    assert (found[0].column, found[0].value, found[0].worse) == ("site", "1", True)
    assert "by group" in found[0].method
    assert "by group" in found[0].accuracy.method


def test_a_whole_group_is_asked_about_itself() -> None:
    groups = np.repeat(np.arange(12), 25)
    right = np.random.default_rng(8).random(300) < np.where(groups == 4, 0.4, 0.95)
    found = find_slices(predictions_of(right, groups=groups), facts_of(300))
    assert (found[0].column, found[0].value, found[0].worse) == ("group", "patient 4", True)
    assert found[0].method.endswith("pictures of the group taken as independent")
    expected = binomtest(int(right[groups == 4].sum()), 25).proportion_ci(method="wilson")
    assert (found[0].accuracy.low, found[0].accuracy.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("grouped", [False, True])
def test_the_order_of_rows_and_names_of_classes_do_not_show(grouped: bool) -> None:
    generator = np.random.default_rng(10)
    groups = generator.integers(0, 30, 300) if grouped else None
    predictions = predictions_of(generator.random(300) < 0.8, groups=groups)
    facts, order = facts_of(300), generator.permutation(300)
    shuffled = replace(
        predictions, rows=predictions.rows[order], arrays={"logits": predictions.logits[order]}
    )
    found = find_slices(predictions, facts)
    assert find_slices(shuffled, facts[generator.permutation(300)]) == found
    lookup = dict(zip(CLASSES, ("z", "y", "x", "w"), strict=True))
    renamed = replace(
        predictions,
        rows=predictions.rows.with_columns(pl.col("target", "predicted").replace_strict(lookup)),
        class_names=tuple(lookup.values()),
    )
    old_names = {new: old for old, new in lookup.items()}
    for one in find_slices(renamed, facts):
        value = old_names[one.value] if one.column == "class" else one.value
        assert replace(one, value=value) == named(found, one.column, value)


def test_a_picture_scored_several_times_counts_once() -> None:
    facts = facts_of(200)
    once = predictions_of(np.random.default_rng(11).random(200) < np.where(facts["camera"] == "A", 0.6, 0.9))
    rows = pl.concat([once.rows.with_columns(seed=pl.lit(seed, pl.Int64)) for seed in range(5)])
    often = Predictions(rows, {"logits": np.tile(once.logits, (5, 1))}, CLASSES, 1000)
    for one in find_slices(often, facts):
        alone = named(find_slices(once, facts), one.column, one.value)
        assert (one.n, one.rest.n, one.accuracy.value) == (alone.n, alone.rest.n, alone.accuracy.value)
        assert one.p > alone.p / 3


def test_pictures_of_unknown_class_are_left_out() -> None:
    facts = facts_of(200)
    predictions = predictions_of(np.random.default_rng(12).random(200) < 0.8)
    unknown = pl.Series(np.arange(200) % 4 == 0)
    rows = predictions.rows.with_columns(target=pl.when(unknown).then(pl.lit("yak")).otherwise("target"))
    known = Predictions(
        predictions.rows.filter(~unknown), {"logits": predictions.logits[~unknown.to_numpy()]}, CLASSES, 150
    )
    found = find_slices(replace(predictions, rows=rows), facts)
    assert found == find_slices(known, facts)
    assert {one.n + one.rest.n for one in found} == {150}


def test_without_pictures_there_are_no_slices() -> None:
    assert find_slices(predictions_of(np.empty(0)), facts_of(10)) == []


def test_columns_are_cut_by_their_kind() -> None:
    n = 240
    day = [datetime.date(2024, 1, 1) + datetime.timedelta(days=k) for k in range(n)]
    facts = facts_of(
        n,
        year=np.arange(n) % 3 + 2020,
        flash=np.arange(n) % 2 == 0,
        day=day,
        speed=np.where(np.arange(n) % 4 == 0, np.nan, np.arange(n) / 10),
        note=["" if k % 3 else "seen" for k in range(n)],
    ).with_columns(width=pl.lit(100), height=pl.Series(np.arange(n) + 1))
    found = find_slices(predictions_of(np.arange(n) % 5 > 0), facts)
    assert values_of(found, "class") == set(CLASSES)
    assert values_of(found, "year") == {"2020", "2021", "2022"}
    assert values_of(found, "flash") == {"True", "False"}
    assert values_of(found, "note") == {"seen", "(no value)"}
    assert values_of(found, "area_px") == {
        "at most 6,000",
        "above 6,000, at most 12,000",
        "above 12,000, at most 18,000",
        "above 18,000",
    }
    assert {one.n for one in found if one.column in ("area_px", "day")} == {60}
    assert named(found, "speed", "(no value)").n == 60
    assert sum(one.n for one in found if one.column == "speed") == n
    assert f"at most {day[59]}" in values_of(found, "day")


def test_few_pictures_are_no_slice() -> None:
    rare = np.where(np.arange(200) < 19, "rare", np.where(np.arange(200) < 100, "one", "two"))
    found = find_slices(predictions_of(np.ones(200)), facts_of(200, kind=rare))
    assert values_of(found, "kind") == {"one", "two"}
    found = find_slices(predictions_of(np.ones(200)), facts_of(200, kind=rare), least=19)
    assert values_of(found, "kind") == {"rare", "one", "two"}
    assert not any(one.worse for one in found)
    assert {one.p_corrected for one in found} == {1.0}


def test_columns_left_out_have_their_reason() -> None:
    n = 200
    predictions = predictions_of(np.arange(n) % 5 > 0, groups=np.arange(n) // 4)
    facts = facts_of(
        n,
        path=[f"{k}.png" for k in range(n)],
        label=[name.upper() for name in predictions.rows["target"]],
        patient=np.arange(n) // 4,
        site=["north"] * n,
        nothing=pl.Series([None] * n, dtype=pl.String()),
        remark=[f"remark {k}" if k > 30 else "none" for k in range(n)],
        box=[[1, 2]] * n,
        rare=np.arange(n) < 5,
        group=["x"] * n,
    ).rename({"camera": "class"})
    skipped = skipped_columns(predictions, facts)
    assert skipped == {
        "group": "no value or range has 20 pictures, with as many outside",
        "label": "the same as the classes",
        "patient": "the same as the groups",
        "site": "all pictures have the same value",
        "nothing": "no picture has a value",
        "remark": "170 different values, most pictures with one that fewer than 20 have",
        "box": "values of type List(Int64) cannot be cut",
        "rare": "no value or range has 20 pictures, with as many outside",
    }
    columns = {one.column for one in find_slices(predictions, facts)}
    assert columns == {"class", "area_px", "aspect", "brightness", "class (table)"}


def test_sizes_that_are_not_known_are_no_sizes() -> None:
    facts = facts_of(100).with_columns(width=pl.lit(0), height=pl.lit(0))
    predictions = predictions_of(np.arange(100) % 5 > 0)
    assert skipped_columns(predictions, facts)["area_px"] == "no picture has a value"
    assert not values_of(find_slices(predictions, facts), "aspect")


def test_slices_can_be_written_as_json() -> None:
    found = find_slices(predictions_of(np.arange(100) % 5 > 0), facts_of(100))
    row = json.loads(json.dumps(found[0].to_json(), allow_nan=False))
    assert row["accuracy"] == found[0].accuracy.to_json()
    assert row["sentence"] == found[0].sentence
    assert {"column", "value", "n", "rest", "difference", "p", "p_corrected", "looks", "worse"} <= set(row)


def test_all_problems_are_named_at_once() -> None:
    predictions, facts = predictions_of(np.ones(30)), facts_of(30)
    twice = pl.concat([facts[:20], facts[:1]])
    with pytest.raises(EighteenError) as caught:
        find_slices(predictions, twice, confidence=1.0, least=0)
    text = str(caught.value)
    assert "confidence is 1.0" in text
    assert "least is 0" in text
    assert "1 pictures have several rows of facts: 00000.png" in text
    assert "10 pictures have no row of facts: 00020.png" in text
    with pytest.raises(EighteenError, match=r"expected 'id' among them"):
        find_slices(predictions, facts.drop("id"))
