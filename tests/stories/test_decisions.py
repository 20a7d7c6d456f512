"""Thresholds for a required recall, and cheapest answers: chosen on validation, measured where asked."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from eighteen import Recipe, Run, evaluate, report, train
from eighteen.core.errors import DatasetError, EighteenError


@pytest.fixture(scope="module")
def photos(paint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    counts = {f"{split}/{name}": 20 for split in ("train", "val", "test") for name in ("blue=1", "red")}
    return paint(tmp_path_factory.mktemp("decisions") / "photos", counts, size_px=8)


@pytest.fixture(scope="module")
def made(small: Callable[..., Recipe], photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("decided")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        return train(photos, home / "run", small(**{"training.epochs": 1}))


@pytest.fixture
def run(made: Run, tmp_path: Path) -> Run:
    """A copy whose answers about validation are known: noisy, and better than chance."""
    copy = Run(Path(shutil.copytree(made.path, tmp_path / "run")))
    known = copy.predictions("val")
    noise = np.random.default_rng(0).normal(0, 1, known.logits.shape)
    logits = (np.eye(2)[known.targets] * 1.5 + noise).astype(np.float32)
    copy.save_predictions(
        "val", type(known)(known.rows, {**known.arrays, "logits": logits}, known.class_names, known.expected)
    )
    return copy


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_threshold_is_chosen_on_validation_and_measured_on_test(
    run: Run, eighteen: Callable[..., Any]
) -> None:
    known = run.predictions("val")
    said = eighteen(
        "evaluate", run.path, "--split", "test", "--recall", "red=0.9", "--recall", "blue=1=0.8", "--json"
    )
    assert said.code == 0, said.err
    rows = {row["class"]: row for row in said.json["operating_points"]}
    assert set(rows) == {"red", "blue=1"}
    threshold = rows["red"]["threshold"]
    k = known.class_names.index("red")
    of_class = known.targets == k
    scores = known.probabilities[:, k]
    assert (scores[of_class] >= threshold).mean() >= 0.9
    assert (scores[of_class] > threshold).mean() < 0.9, "the highest threshold that reaches it"
    test = run.predictions("test")
    named = test.probabilities[:, k] >= threshold
    measures = said.json["measures"]["test"]
    recall, precision = measures["point_recall:red"], measures["point_precision:red"]
    assert recall["value"] == pytest.approx(named[test.targets == k].mean())
    assert recall["low"] <= recall["value"] <= recall["high"]
    assert recall["n"] == 20
    assert precision["n"] == named.sum()
    assert "validation pictures" in said.err
    page = (run.path / "report.html").read_text("utf-8")
    assert "Decisions" in page
    assert "point_recall" not in page


def test_costs_change_answers_and_are_measured(
    run: Run, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    costs = table(tmp_path / "costs.csv", "\ufefftruth;red;blue=1\nblue=1;1;0\nred;0;20\n")
    said = eighteen("evaluate", run.path, "--costs", costs, "--abstain-cost", "0.4", "--json")
    assert said.code == 0, said.err
    predictions = run.predictions("val")
    assert predictions.class_names == ("blue=1", "red")
    prices = np.array([[0, 1], [20, 0]])
    expected = predictions.probabilities @ prices
    answers = np.where(expected.min(axis=1) > 0.4, -1, expected.argmin(axis=1))
    paid = np.where(answers < 0, 0.4, prices[predictions.targets, answers])
    assert said.json["mistake_costs"]["table"] == prices.tolist()
    assert said.json["measures"]["val"]["mean_cost"]["value"] == pytest.approx(paid.mean())
    assert said.json["mistake_costs"]["unanswered"] == (answers < 0).sum()
    plain = prices[predictions.targets, predictions.probabilities.argmax(axis=1)].mean()
    assert said.json["measures"]["val"]["mean_cost_most_probable"]["value"] == pytest.approx(plain)
    assert "cheapest answers cost" in (run.path / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no rows"),
        ("t,red\nred,0\n", "without a row: blue=1"),
        ("t,red,blue=1\nred,0,1\nblue=1,1,0\npink,1,1\n", "no class of the model but a row: pink"),
        ("t,red,blue=1\nred,0,many\nblue=1,1,0\n", "'many' in the row of 'red' is no number"),
        ("t,red,blue=1\nred,0,1\nred,0,1\nblue=1,1,0\n", "more than one row: red"),
        ("t,red,blue=1\nred,0\nblue=1,1,0\n", "the row of 'red' has 1 costs, expected 2"),
        ("t,red,blue=1\nred,0,-1\nblue=1,1,0\n", "expected finite and 0 or more"),
        ("t,red,blue=1\nred,5,1\nblue=1,1,0\n", "expected no wrong answer to be cheaper"),
    ],
)
def test_a_table_that_is_none_is_refused_before_the_test_split_is_opened(
    text: str, words: str, run: Run, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    costs = table(tmp_path / "costs.csv", text)
    said = eighteen("evaluate", run.path, "--split", "test", "--costs", costs)
    assert said.code == 1
    assert words in said.err.replace('"', "'")
    assert "costs.csv" in said.err
    assert not run.test_openings


def test_what_cannot_be_required_is_refused(run: Run, tmp_path: Path, eighteen: Callable[..., Any]) -> None:
    for text in ("red", "red=2", "red=x", "=0.9"):
        assert eighteen("evaluate", run.path, "--recall", text).code == 2
    assert eighteen("evaluate", run.path, "--abstain-cost", "1").code == 2
    with pytest.raises(DatasetError, match="no class of the model"):
        evaluate(run, "test", recall={"pink": 0.9})
    with pytest.raises(EighteenError, match="above 0, at most 1"):
        evaluate(run, "test", recall={"red": 1.5})
    with pytest.raises(DatasetError, match="cannot be read"):
        evaluate(run, costs=tmp_path / "missing.csv")
    for path in (run.path / "predictions").glob("val.*"):
        path.unlink()
    with pytest.raises(DatasetError, match="eighteen evaluate"):
        evaluate(run, "test", recall={"red": 0.9})
    assert not run.test_openings


def test_abstaining_is_measured_in_every_evaluation(run: Run) -> None:
    evaluate(run, "test")
    found = run.predictions("test")
    details, measures = run.details["test"]["risk_coverage"], run.measures["test"]
    points = details["points"]
    assert points[-1]["coverage"] == 1
    wrong = (found.rows["predicted"] != found.rows["target"]).mean()
    assert points[-1]["risk"] == pytest.approx(wrong)
    assert measures["excess_aurc"].value <= measures["aurc"].value
    assert "surest" in details["sentence"]
    report(run)
    assert "If it may also say nothing" in (run.path / "report.html").read_text("utf-8")


def test_the_shares_are_of_the_table(run: Run) -> None:
    rows = pl.DataFrame(run.details["val"]["risk_coverage"]["points"])
    assert (rows["low"] <= rows["risk"]).all() and (rows["risk"] <= rows["high"]).all()
    assert rows["coverage"].is_sorted() and rows["confidence"].is_sorted(descending=True)
