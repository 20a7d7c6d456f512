"""compare --models: rows that other programs may rely on, both tracks, resuming, and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eighteen import Run
from eighteen.api import compare_models
from eighteen.core.errors import EighteenError, Interrupted
from eighteen.evaluating.relatives import front
from eighteen.reporting.models_page import pareto_figure

KEYS = {"accuracy", "parameters", "macs", "peak_memory_mb", "latency_ms", "train_minutes"}
MODELS = "test_resnet,test_efficientnet"


def test_no_point_of_the_front_is_beaten() -> None:
    assert front([1, 1, 2, 3], [0.5, 0.6, 0.6, 0.7]) == [False, True, False, True]
    assert front([2, 2], [0.5, 0.5]) == [True, True]


@pytest.fixture(scope="module")
def study(pictures: Path, small_flags: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Flags and folder of a comparison that is not made yet."""
    flags = [*small_flags({"training.epochs": 1}), "--seeds", 1, "--folds", 1]
    return flags, tmp_path_factory.mktemp("study") / "study"


def test_each_network_has_its_row_and_a_stopped_study_goes_on(
    study: Any, pictures: Path, eighteen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eighteen.evaluating import heldout

    flags, out = study
    plain, calls = heldout.held_out_predictions, iter(range(9))

    def stopping(*args: Any) -> Any:
        if next(calls) == 1:
            raise Interrupted("stopped")
        return plain(*args)

    monkeypatch.setattr(heldout, "held_out_predictions", stopping)
    said = eighteen("compare", pictures, "--models", MODELS, "--out", out, *flags)
    assert (said.code, f"eighteen compare --resume {out}" in said.err) == (130, True)
    made = Run.open(next((out / "runs").iterdir())).info["created"]
    said = eighteen("compare", "--resume", out, "--json")
    assert said.code == 0
    assert Run.open(sorted((out / "runs").iterdir())[1]).info["created"] == made, "it is not made again"
    first, second = said.json["models"]
    assert (first["model"], second["model"]) == tuple(MODELS.split(","))
    for row in (first, second):
        assert set(row) >= KEYS
        assert row["accuracy"]["low"] <= row["accuracy"]["value"] <= row["accuracy"]["high"]
        assert row["accuracy"]["n"] == 12
        assert min(row[key] for key in KEYS - {"accuracy"}) > 0
    assert first["difference"] is None
    assert second["difference"]["low"] <= second["difference"]["value"] <= second["difference"]["high"]
    assert first["parameters"] != second["parameters"]
    page = (out / "report.html").read_text("utf-8")
    assert page.count("<circle") == 2
    assert all(name in page for name in MODELS.split(","))


def test_equal_time_gives_each_training_the_budget(pictures: Path, small: Any, tmp_path: Path) -> None:
    recipe = small(**{"training.budget_minutes": 0.02})
    compare_models(pictures, tmp_path / "s", MODELS.split(","), recipe, track="time", seeds=1, folds=1)
    for path in sorted((tmp_path / "s" / "runs").iterdir()):
        run = Run.open(path)
        assert run.recipe.training.budget_minutes == 0.02
        assert "minutes in all" in run.reasons["training.epochs"]


def test_settings_that_contradict_are_told_together(pictures: Path, small: Any, tmp_path: Path) -> None:
    with pytest.raises(EighteenError, match=r"two or more different names; equal time needs a budget"):
        compare_models(pictures, tmp_path / "s", ["resnet18"], small(), track="time")
    with pytest.raises(EighteenError, match="there is no network in 'resnet81'"):
        compare_models(pictures, tmp_path / "s", ["resnet18", "resnet81"], small())
    assert not list(tmp_path.iterdir())


def test_usage(eighteen: Any, pictures: Path) -> None:
    assert eighteen("compare", pictures, "--models", MODELS).code == 2
    assert eighteen("compare", pictures, "--track", "time", "--out", "s").code == 2
    assert eighteen("compare", pictures, "--models", MODELS, "--out", "s", "--track", "steps").code == 2


def test_the_front_is_drawn_through_the_best() -> None:
    accuracy = {"value": 0.9, "low": 0.85, "high": 0.93}
    row = {"model": "a<b", "latency_ms": 10.0, "accuracy": accuracy, "on_front": True}
    figure = pareto_figure([row, {**row, "model": "c", "latency_ms": 30.0, "on_front": False}])
    assert "a&lt;b" in figure
    assert figure.split('<polyline class="front" points="')[1].split('"')[0].count(",") == 1
