"""What an evaluation says beyond accuracy, and what is stored with the model for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from eighteen import Predictor, Recipe, Run, evaluate, predict, train
from eighteen.core import store
from eighteen.core.calibration import Calibration
from eighteen.core.errors import DatasetError, RunError
from eighteen.core.predictions import softmax
from eighteen.inference.scoring import Scorer

RELIED_ON = {
    "ece", "ece_uncalibrated", "nll", "brier",
    "coverage_90", "set_size_90", "coverage_95", "set_size_95",
}  # fmt: skip


@pytest.fixture(scope="module")
def photos(paint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    counts = {f"{split}/{name}": 60 for split in ("train", "val", "test") for name in ("blue", "red")}
    return paint(tmp_path_factory.mktemp("evidence") / "photos", counts)


@pytest.fixture(scope="module")
def run(small: Callable[..., Recipe], photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("evaluated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        made = train(photos, home / "run", small(**{"training.epochs": 4}))
        evaluate(made, "test")
        return made


def test_the_measures_that_other_programs_rely_on_are_there(run: Run) -> None:
    for split in ("val", "test"):
        measures = run.measures[split]
        assert set(measures) >= RELIED_ON
        assert all(measures[name].value is not None for name in RELIED_ON)
        assert 1 <= measures["set_size_90"].value <= measures["set_size_95"].value <= 2


def test_predictions_are_calibrated_and_keep_what_the_network_said(run: Run) -> None:
    calibration = run.calibration
    assert run.is_calibrated
    assert calibration.reason
    stored = run.predictions("test")
    np.testing.assert_array_equal(calibration.apply(stored.uncalibrated), stored.logits)
    best = stored.probabilities.max(axis=1)
    np.testing.assert_allclose(stored.rows["score"].to_numpy(), best)


def test_a_predictor_applies_what_the_run_holds(run: Run, photos: Path) -> None:
    picture = photos / "val" / "red" / "000.png"
    as_made = Predictor.open(run.path)
    logits = as_made.forward(as_made.inputs.read(picture)[None])
    (raw,), (shipped,) = softmax(logits), as_made.predict([picture])
    expected = softmax(run.calibration.apply(logits))[0]
    np.testing.assert_allclose(shipped.probabilities, expected, atol=1e-6)
    hotter = Calibration("temperature", (0.1, 0.1), (0.0, 0.0))
    (flat,) = Predictor(as_made.forward, as_made.inputs, as_made.class_names, calibration=hotter).predict(
        [picture]
    )
    assert abs(flat.score - 0.5) < abs(raw.max() - 0.5)


def test_a_run_from_before_calibration_answers_as_its_network_does(
    run: Run, tmp_path: Path, photos: Path
) -> None:
    old = Path(shutil.copytree(run.path, tmp_path / "old"))
    (old / "calibration.json").unlink()
    assert Run.open(old).calibration == Calibration()
    (answer,) = Predictor.open(old).predict([photos / "val" / "red" / "000.png"])
    assert sum(answer.probabilities) == pytest.approx(1)


def test_sets_are_lists_in_json_and_nothing_readable_is_a_failure(
    run: Run, photos: Path, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    said = eighteen("predict", run.path, photos / "test" / "red", "--coverage", "0.95", "--json")
    for row in json.loads(said.out)["predictions"]:
        assert row["set"][0] == row["label"]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    said = eighteen("predict", run.path, broken)
    assert said.code == 1 and "1 picture; 1 could not be read" in said.err
    assert said.out.split("\t")[1:3] == ["", ""]
    assert eighteen("predict", run.path, broken, "--json").code == 1
    assert eighteen("predict", run.path, broken, photos / "test" / "red").code == 0


def test_a_calibration_of_other_classes_is_a_clear_error(
    run: Run, photos: Path, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    other = Path(shutil.copytree(run.path, tmp_path / "other"))
    row = {"method": "temperature", "scale": [0.5] * 9, "bias": [0.0] * 9, "reason": "x", "n": 60}
    (other / "calibration.json").write_text(json.dumps(row))
    said = eighteen("predict", other, photos / "test" / "red")
    assert said.code == 1 and "is for 9 classes, and the run has 2" in said.err


def test_sets_hold_the_answer_and_are_in_the_table(
    run: Run, photos: Path, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    table = tmp_path / "sets.csv"
    said = eighteen("predict", run.path, photos / "test" / "red", "--coverage", "0.95", "--out", table)
    assert said.code == 0, said.err
    rows = pl.read_csv(table)
    for label, text in rows.select("label", "set").iter_rows():
        assert json.loads(text)[0] == label
    assert "set" not in predict(run.path, [photos / "test" / "red"]).to_table().columns


def test_sets_need_validation(run: Run, tmp_path: Path) -> None:
    import shutil

    bare = Path(shutil.copytree(run.path, tmp_path / "bare"))
    for path in (bare / "predictions").glob("val.*"):
        path.unlink()
    with pytest.raises(RunError, match="eighteen evaluate"):
        Predictor.open(bare, coverage=0.9)


def test_details_hold_diagrams_sets_and_slices(run: Run) -> None:
    details = run.details["test"]
    for which in ("before", "after"):
        bins = details["calibration"][which]["bins"]
        assert sum(row["n"] for row in bins) == 120
        assert all(row["low"] <= row["accuracy"] <= row["high"] for row in bins)
    assert set(details["sets"]) == {"90", "95"}
    assert {row["column"] for row in details["slices"]} >= {"class", "brightness"}
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "How far to trust its percentages" in page
    assert "Where it is worse" in page


def test_unknown_pictures_are_measured_and_must_exist(
    run: Run, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    random = np.random.default_rng(0)
    folder = tmp_path / "other"
    folder.mkdir()
    for number in range(12):
        pixels = random.integers(0, 255, (16, 16, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    said = eighteen("evaluate", run.path, "--unknown", folder, "--json")
    assert said.code == 0, said.err
    for name in ("auroc_unknown", "auroc_unknown_distance"):
        found = said.json["measures"]["val"][name]
        assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1
        assert found["n"] == 120 + 12
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DatasetError, match="no pictures in"):
        evaluate(run, unknown=tmp_path / "nothing")


def test_known_pictures_are_not_scored_again_for_the_unknown_ones(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[int] = []

    class Counting(Scorer):
        def __call__(self, pixels: Any) -> Any:
            scored.append(len(pixels))
            return super().__call__(pixels)

    monkeypatch.setattr("eighteen.evaluating.unknown.Scorer", Counting)
    found = evaluate(run, unknown=photos / "train" / "red")
    assert sum(scored) == 60
    assert found.measures["auroc_unknown"].n == 120 + 60


def test_cost_is_measured_where_asked_for(run: Run, eighteen: Callable[..., Any]) -> None:
    said = eighteen("evaluate", run.path, "--cost", "--json")
    assert said.code == 0, said.err
    cost = said.json["cost"]
    tensors = store.read_tensors(run.weights_path)
    counted = sum(value.numel() for name, value in tensors.items() if not _is_statistic(name))
    assert cost["parameters"] == counted
    assert cost["macs"] > 0
    assert all(row["p50_ms"] <= row["p95_ms"] for row in cost["timings"])


def _is_statistic(name: str) -> bool:
    return name.endswith(("running_mean", "running_var", "num_batches_tracked"))
