"""Benchmarks that go on where they were stopped, and refuse results of other arguments."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from eighteen.core import store
from eighteen.core.run import Run
from tabular import dataset_of

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module


def begun(path: Path, seconds: float, state: str = "running") -> Run:
    """A run that was killed after so many seconds of training."""
    with Run.creating(path, "classification") as staging:
        staging.save_dataset(dataset_of(["cat", "dog"] * 4))
        staging.add_stage("audit", 2.0)
        staging.set_state(state)
        store.make_folder(staging.resume_folder)
        states = [{"position": {"seconds": seconds}}]
        store.write_json(staging.resume_folder / "state.json", {"version": 1, "states": states})
    return Run.open(path)


def test_results_belong_to_their_arguments(module: Any, tmp_path: Path) -> None:
    check = module("resuming").check_arguments
    record = tmp_path / "out" / "arguments.json"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "fold-0.csv").write_text("made before there was a record")
    check(record, {"model": "resnet18", "weights": Path("a")})
    check(record, {"weights": Path("a"), "model": "resnet18"})
    with pytest.raises(SystemExit, match=r"\(model was resnet18 and is resnet34\); give another --out"):
        check(record, {"model": "resnet34", "weights": Path("a")})


def test_a_run_that_was_begun_goes_on(module: Any, tmp_path: Path) -> None:
    resuming: ModuleType = module("resuming")
    path = tmp_path / "run"
    start = [sys.executable, "-m", "eighteen", "train"]
    assert resuming.train_command(path, ["data", "--test"]) == [*start, "data", "--test", "--out", str(path)]
    assert resuming.spent_s(path) == 0
    run = begun(path, 30.0)
    assert resuming.train_command(path, ["data", "--test"]) == [*start, "--resume", str(path)]
    assert resuming.spent_s(path) == 32
    (run.resume_folder / "state.json").unlink()
    run.add_history({"epoch": 1, "seconds": 50.0})
    run.add_stage("train", 20.0)  # of the last process alone
    run.add_stage("calibrate", 1.0)
    assert resuming.spent_s(path) == 53


def test_a_fold_that_was_killed_is_gone_on_with(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folds, asked = module("folds"), []
    options = argparse.Namespace(out=tmp_path, model="resnet18", weights=Path("weights"))
    monkeypatch.setattr(folds.subprocess, "run", lambda command, check: asked.append(command))
    begun(tmp_path / "eighteen-0", 30.0)
    run, seconds = folds.ours(tmp_path / "fold-0.csv", 0, options)
    assert asked == [[sys.executable, "-m", "eighteen", "train", "--resume", str(run.path)]]
    assert 32 <= seconds < 40
    assert folds.ours(tmp_path / "fold-0.csv", 0, options)[1] == seconds
    begun(tmp_path / "eighteen-1", 30.0, "complete")
    folds.ours(tmp_path / "fold-1.csv", 1, options)
    assert len(asked) == 1


def test_a_seed_that_was_killed_is_gone_on_with(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = module("default_recipe")
    said = {"seconds": 5.0, "measures": {}}

    def answered(command: list[str], **_: Any) -> Any:
        assert command[-3:] == ["--resume", str(tmp_path / "run"), "--json"]
        return argparse.Namespace(stdout=json.dumps(said))

    monkeypatch.setattr(program.subprocess, "run", answered)
    begun(tmp_path / "run", 30.0)
    assert program.trained(tmp_path / "run", ["data"]) == {"seconds": 37.0, "measures": {}}
