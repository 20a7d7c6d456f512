"""Variety, geometry, shortcuts, odd pictures and learning curves, where the truth is known."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from eighteen.auditing import backgrounds, enough, geometry, outliers, shortcuts, variety
from eighteen.auditing._facts import COLUMN, NAMES
from eighteen.core.dataset import SCHEMA, Dataset
from eighteen.core.recipe import Recipe
from eighteen.training.resolve import resolve

DAY = 86_400 * 10**9


def looked_at(n: int = 300, classes: int = 3, **facts: np.ndarray) -> Dataset:
    """Scanned pictures with these facts; all others are noise that says nothing."""
    generator = np.random.default_rng(0)
    values = {name: generator.normal(100, 10, n) for name in NAMES}
    values |= {"outside_detail": np.full(n, 0.1), "border_detail": np.full(n, 1.0)}
    values |= {name: array for name, array in facts.items() if name in NAMES}
    names = tuple(f"class {k}" for k in range(classes))
    plain = {
        "id": [f"{row:04}.png" for row in range(n)],
        "path": [f"{row:04}.png" for row in range(n)],
        "index": np.full(n, -1),
        "target": [names[row % classes] for row in range(n)],
        "split": ["train"] * n,
        "group": [""] * n,
        "sha256": [f"{row:064}" for row in range(n)],
        "width": facts.get("width", np.full(n, 300)),
        "height": facts.get("height", np.full(n, 200)),
        "mode": ["RGB"] * n,
    }
    rows = np.stack([values[name] for name in NAMES], axis=1)
    table = pl.DataFrame(
        {
            **{name: pl.Series(name, plain.get(name, [""] * n), dtype) for name, dtype in SCHEMA.items()},
            COLUMN: pl.Series(rows.tolist(), dtype=pl.List(pl.Float32)),
            "scan.size_bytes": pl.Series(facts.get("size_bytes", generator.integers(9_000, 11_000, n))),
            "scan.mtime_ns": pl.Series(facts.get("mtime_ns", np.zeros(n, np.int64))),
            "scan.format": ["JPEG"] * n,
        }
    )
    return Dataset(table, names, Path())


def classes_of(n: int = 300, classes: int = 3) -> np.ndarray:
    return np.arange(n) % classes


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("border", {"border_red": 100 + 40.0 * classes_of()}),
        ("size", {"width": 300 + 10 * classes_of()}),
        ("blur", {"blur": 0.1 + 0.1 * classes_of()}),
        ("compression", {"size_bytes": 9_000 + 3_000 * classes_of()}),
        ("file date", {"mtime_ns": 30 * DAY * classes_of()}),
    ],
)
def test_a_planted_shortcut_is_found_and_no_other(kind: str, facts: dict[str, np.ndarray]) -> None:
    dataset = looked_at(**facts)
    found = {each.kind: each for each in shortcuts.find_shortcuts(dataset) if each.found}
    assert set(found) - {"size", "compression"} <= {kind} and kind in found
    assert found[kind].accuracy > 0.95 and found[kind].share > 0.9
    (finding,) = shortcuts.check(dataset)
    assert finding.severity == "warning" and kind in finding.message and kind in finding.advice


def test_noise_is_no_shortcut_and_colour_is_no_warning() -> None:
    (finding,) = shortcuts.check(looked_at())
    assert finding.severity == "info" and "cannot be told" in finding.message
    (finding,) = shortcuts.check(looked_at(saturation=10.0 * classes_of()))
    assert finding.severity == "info" and "colour" in finding.message


def test_shortcut_intervals_hold_for_all_looks_together() -> None:
    """In most of many data sets of noise nothing at all is found."""
    generator = np.random.default_rng(1)
    found = 0
    for _ in range(4):
        facts = {name: generator.normal(0, 1, 120) for name in ("border_red", "red", "blur", "saturation")}
        found += any(each.found for each in shortcuts.find_shortcuts(looked_at(120, 2, **facts)))
    assert found <= 1


def test_copies_and_dates_of_one_unpacking_say_nothing() -> None:
    kinds = {each.kind for each in shortcuts.find_shortcuts(looked_at(mtime_ns=60 * 10**9 * classes_of()))}
    assert "file date" not in kinds and "border" in kinds
    assert shortcuts.find_shortcuts(looked_at(60)) == []


def test_geometry_advises_by_what_the_crop_loses() -> None:
    (little,) = geometry.check(looked_at())
    assert "300 lying" in little.message and "49 % of the area" in little.message
    assert little.advice == "a centre crop loses little of what is shown"
    (much,) = geometry.check(looked_at(outside_detail=np.full(300, 0.5)))
    assert "inputs.fit=squash" in much.advice
    mixed = np.where(np.arange(300) % 2 == 0, 600, 120)
    (differ,) = geometry.check(looked_at(outside_detail=np.full(300, 0.6), width=mixed))
    assert "inputs.fit=letterbox" in differ.advice


@pytest.mark.parametrize(
    ("width", "fit"),
    [
        ([600], "letterbox"),  # alike, but long
        ([280, 143], "squash"),  # lying and upright, neither long
        ([200], "squash"),
        ([600] * 40 + [200] * 460, "letterbox"),  # of all pictures 8 % are long
        ([600] * 10 + [200] * 490, "squash"),
    ],
)
def test_an_audit_advises_the_fit_that_training_from_scratch_chooses(width: list[int], fit: str) -> None:
    dataset = looked_at(500, outside_detail=np.full(500, 0.6), width=np.resize(width, 500))
    chosen, reasons = resolve(Recipe().changed(model={"weights": "none"}), dataset)
    assert chosen.inputs.fit == fit
    (found,) = geometry.check(dataset)
    assert re.findall(r"inputs\.fit=(\w+)", found.advice) == [fit, fit]
    assert reasons["inputs.fit"] in found.advice


def test_an_audit_looks_at_the_pictures_that_are_learned_from() -> None:
    width = np.where(np.arange(300) < 250, 280, 900)
    dataset = looked_at(outside_detail=np.full(300, 0.8), width=width)
    assert "inputs.fit=letterbox" in geometry.check(dataset)[0].advice
    split = pl.Series("split", ["train"] * 250 + ["test"] * 50)
    halved = dataset.with_table(dataset.table.with_columns(split))
    assert "inputs.fit=squash" in geometry.check(halved)[0].advice


def test_variety_names_black_pictures_and_uniform_classes() -> None:
    brightness, contrast = np.full(300, 120.0), np.full(300, 60.0)
    brightness[7], contrast[7], brightness[8], contrast[8] = 3, 2, 252, 1
    findings = {
        each.check: each for each in variety.check(looked_at(brightness=brightness, contrast=contrast))
    }
    assert findings["hard_to_see"].images == ("0007.png", "0008.png")
    assert "1 nearly black and 1 nearly white" in findings["hard_to_see"].message
    assert "uniform_class" not in findings and "variety" in findings
    generator = np.random.default_rng(0)
    spread = np.where(classes_of() == 1, 0.5, 10.0)
    alike = {name: 100 + spread * generator.normal(0, 1, 300) for name in variety._LOOK}
    (uniform,) = [each for each in variety.check(looked_at(**alike)) if each.check == "uniform_class"]
    assert "class 1 (0.0" in uniform.message and len(uniform.images) == 100


def test_a_class_before_one_background_is_named() -> None:
    ground = np.random.default_rng(0).integers(0, 6, 300) * 40.0
    (even,) = backgrounds.check(looked_at(border_red=ground, border_green=200 - ground))
    assert even.severity == "info" and "class 0" in even.message
    same = np.where(classes_of() == 1, 80.0, ground)
    alike = {name: np.full(300, 10.0) for name in backgrounds._BORDER}
    (named,) = backgrounds.check(looked_at(**alike | {"border_red": same, "border_green": 200 - same}))
    assert named.severity == "warning" and "class 1 far below" in named.message
    assert backgrounds.check(looked_at(**alike)) == []


def test_a_far_picture_is_an_outlier_and_a_small_kind_is_not() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(0, 1, (300, 16)).astype(np.float32) + np.eye(16, dtype=np.float32)[0] * 20
    features[5] = np.eye(16)[3] * -30
    features[20:32] = np.eye(16)[7] * 25 + generator.normal(0, 1, (12, 16))
    (finding,) = outliers.find_outliers(looked_at(), features)
    assert finding.images == ("0005.png",)
    assert outliers.find_outliers(looked_at(), np.delete(features, 5, axis=0)) == []
    red = np.random.default_rng(0).normal(100, 10, 300)
    red[11] = 900
    (odd,) = outliers.check(looked_at(red=red))
    assert odd.images[0] == "0011.png" and odd.severity == "info"


def hits_of(sizes: np.ndarray, floor: float, b: float, c: float, n: int, seed: int) -> np.ndarray:
    """Pictures of different difficulty: each is named right by all models that are good enough for it."""
    hard = np.random.default_rng(seed).uniform(0, 1, n)
    return hard[None] > (floor + b * sizes[:, None] ** -c)


@pytest.mark.parametrize(("floor", "b", "c"), [(0.0, 2.0, 0.4), (0.05, 3.0, 0.5), (0.1, 1.0, 0.3)])
def test_intervals_of_learning_curves_hold_the_truth(floor: float, b: float, c: float) -> None:
    sizes = np.array([200.0, 400.0, 800.0, 1600.0])
    truth = b * 1600.0**-c - b * 3200.0**-c
    held = 0
    for seed in range(40):
        gain = enough.gains_of_more(sizes, hits_of(sizes, floor, b, c, 2000, seed))[2]
        assert gain.low is not None and gain.high is not None and gain.value is not None
        assert gain.low <= gain.value <= gain.high
        held += gain.low <= truth <= gain.high
    assert held >= 36


def test_a_flat_curve_promises_nothing_and_few_pictures_say_nothing() -> None:
    sizes = np.array([200.0, 400.0, 800.0])
    flat = np.tile(np.random.default_rng(0).uniform(0, 1, 500) > 0.2, (3, 1))
    (finding,) = enough.find_need(sizes, flat)
    assert "hardly help" in finding.advice and "+0.000 [+0.000, +0.000]" in finding.message
    rising = hits_of(sizes, 0.0, 4.0, 0.5, 2000, 0)
    assert "more pictures help" in enough.find_need(sizes, rising)[0].advice
    assert enough.find_need(sizes, flat[:, :50]) == []
