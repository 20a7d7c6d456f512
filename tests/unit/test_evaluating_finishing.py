"""What happens between the last step and the first measure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from eighteen.core.calibration import Calibration
from eighteen.core.dataset import Dataset
from eighteen.core.predictions import Predictions
from eighteen.core.progress import silent
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.evaluating import evaluate, finishing
from eighteen.evaluating.evaluate import evaluate_once
from eighteen.evaluating.ledger import openings, openings_by, record_opening
from eighteen.training.frozen import as_predictions
from tabular import dataset_of


@pytest.mark.parametrize(
    "asked",
    [{}, {"loss": {"class_weights": "balanced"}}, {"training": {"sampling": "balanced"}}],
    ids=["natural", "weights", "sampling"],
)
def test_a_run_that_balances_classes_is_calibrated_without_changing_answers(
    asked: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(5)
    index = generator.choice(3, 1500, p=[0.7, 0.2, 0.1])
    logits = (1.5 * generator.normal(1.5 * np.eye(3)[index])).astype(np.float32)
    dataset = dataset_of(np.array(["a", "b", "c"])[index].tolist(), "val")
    said = as_predictions(dataset, logits, np.full(len(logits), -1))
    monkeypatch.setattr(finishing, "score_dataset", lambda *args: said)
    found = _calibrated(Recipe().changed(**asked), dataset, tmp_path / "run")
    assert (found.method == "vector") == (not asked)
    if asked:
        np.testing.assert_array_equal(found.apply(logits).argmax(axis=1), logits.argmax(axis=1))
        assert "rare classes" in found.reason


def test_a_kill_between_scores_and_measures_opens_the_test_split_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies after the split was opened, then after its scores were stored, then not at all."""
    dataset = dataset_of(["a", "b"] * 60, "test")
    said = _said(dataset, np.tile(np.array([[2, 0], [0, 2]], np.float32), (60, 1)))
    run = _trained(Recipe(), dataset, tmp_path / "run")
    asked: list[str] = []

    def scored(*args: object) -> Predictions:
        asked.append("scored")
        return said

    def killed(*args: object, **named: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "score_dataset", killed)
        with pytest.raises(SystemExit):
            evaluate_once(run, "test")
        patch.setattr(evaluate, "score_dataset", scored)
        patch.setattr(Run, "save_measures", killed)
        with pytest.raises(SystemExit):
            evaluate_once(run, "test")
    evaluate_once(run, "test")
    evaluate_once(run, "test")
    assert asked == ["scored"] and len(openings(dataset)) == len(run.test_openings) == 1
    assert run.measures["test"]["accuracy"].value == 1.0


def test_another_run_where_one_lay_opens_the_test_split_again(tmp_path: Path) -> None:
    dataset = dataset_of(["a", "b"] * 60, "test")
    record_opening(dataset, tmp_path / "run", "evaluate")
    assert openings_by(dataset, tmp_path / "run", "2020-01-01T00:00:00Z")
    assert not openings_by(dataset, tmp_path / "other", "2020-01-01T00:00:00Z")
    assert not openings_by(dataset, tmp_path / "run", "2999-01-01T00:00:00Z")
    record_opening(dataset, tmp_path / "run", "review")
    assert not openings_by(dataset, tmp_path / "run", "2020-01-01T00:00:00Z"), "somebody has looked"


def test_what_was_said_before_the_calibration_is_said_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = dataset_of(["a", "b"] * 60, "val")
    logits = np.tile(np.array([[2, 0], [0, 2]], np.float32), (60, 1))
    right, wrong = _said(dataset, logits), _said(dataset, -logits)
    run = _trained(Recipe(), dataset, tmp_path / "run")
    monkeypatch.setattr(evaluate, "score_dataset", lambda *args: wrong)
    evaluate_once(run, "val")
    assert run.measures["val"]["accuracy"].value == 0.0
    monkeypatch.setattr(finishing, "score_dataset", lambda *args: right)
    finishing.finish(run, dataset, ["val"], silent)
    assert run.measures["val"]["accuracy"].value == 1.0


def _said(dataset: Dataset, logits: npt.NDArray[np.float32]) -> Predictions:
    """What a model says, of pictures without light."""
    said = as_predictions(dataset, logits, np.full(len(logits), -1))
    light = {name: np.zeros(len(logits), np.float32) for name in ("brightness", "blur")}
    return replace(said, arrays={**said.arrays, **light})


def _calibrated(recipe: Recipe, dataset: Dataset, path: Path) -> Calibration:
    """What `finish` makes of a run that is trained already."""
    run = _trained(recipe, dataset, path)
    finishing.finish(run, dataset, (), silent)
    return run.calibration


def _trained(recipe: Recipe, dataset: Dataset, path: Path) -> Run:
    with Run.creating(path, dataset.task) as staging:
        staging.save_recipe(recipe, {})
        staging.save_dataset(dataset)
        staging.set_state("trained")
    return Run.open(path)
