"""A run folder of each released version stays readable."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from eighteen import Predictor, Run, report
from eighteen.core import store
from eighteen.core.errors import RecipeError, RunError
from eighteen.formats import native

GOLDEN = Path(__file__).resolve().parent
VERSIONS = sorted(GOLDEN.glob("run-v*"))


@pytest.fixture(params=VERSIONS, ids=lambda path: path.name)
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """A copy, with weights of the right shapes: real ones would be the largest files of the repository."""
    run = Run(Path(shutil.copytree(request.param, tmp_path / "run")))
    torch.manual_seed(0)
    run.save_weights(native.build(run.recipe, len(run.class_names)).state_dict(), {})
    return run


def test_there_is_one_of_version_1() -> None:
    assert "run-v1" in {path.name for path in VERSIONS}


def test_everything_in_it_can_be_read(golden: Run) -> None:
    run = Run.open(golden.path)
    assert run.info["state"] == "complete"
    assert run.class_names == ("blue", "red")
    assert run.dataset.split_counts == run.counts["splits"] == {"train": 8, "val": 6, "test": 6}
    assert run.recipe.autos() == ()
    assert run.reasons["model.stem"]
    assert run.inputs.size == run.recipe.inputs.size == 16
    assert [row["epoch"] for row in run.history] == [1, 2]
    assert {finding.check for finding in run.findings} >= {"few_images"}
    assert run.environment["packages"]["torch"]
    assert len(run.test_openings) == 1
    for split in ("val", "test"):
        predictions = run.predictions(split)
        accuracy = run.measures[split]["accuracy"]
        assert len(predictions) == accuracy.n == 6
        hits = np.mean(predictions.rows["predicted"].to_numpy() == predictions.rows["target"].to_numpy())
        assert accuracy.value == pytest.approx(hits)


def test_its_model_opens_and_answers(golden: Run) -> None:
    (row,) = Predictor.open(golden.path).predict([np.zeros((20, 30, 3), np.uint8)])
    assert row.label in ("blue", "red")
    assert sum(row.probabilities) == pytest.approx(1)


def test_its_report_is_written_anew(golden: Run) -> None:
    """Although the pictures lie nowhere any more."""
    page = report(golden.path).read_text("utf-8")
    assert "accuracy" in page.lower()


def test_a_newer_version_is_refused_with_a_sentence(golden: Run) -> None:
    info = store.read_json(golden.path / "run.json")
    store.write_json(golden.path / "run.json", {**info, "version": 99})
    with pytest.raises(
        RunError, match=r"newer eighteen \(run version 99, this one knows 1\); update eighteen"
    ):
        Run.open(golden.path)


@pytest.mark.parametrize("content", ["{}", "[]", "3", "{", "", '{"format": "other", "version": 1}'])
def test_what_is_no_run_is_refused(content: str, golden: Run) -> None:
    (golden.path / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunError):
        Run.open(golden.path)


def test_a_hand_made_change_of_the_recipe_is_named(golden: Run) -> None:
    stored = json.loads((golden.path / "recipe.json").read_text("utf-8"))
    stored["recipe"]["training"]["epochz"] = 3
    store.write_json(golden.path / "recipe.json", stored)
    with pytest.raises(RecipeError, match=r"did you mean training\.epochs"):
        _ = Run.open(golden.path).recipe
