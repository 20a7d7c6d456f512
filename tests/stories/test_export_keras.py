"""Shipping to Keras and TensorFlow: through the gate, and out into programs that do not know this package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eighteen import Predictor, Recipe, Run, export, train

pytestmark = pytest.mark.skipif(not find_spec("keras"), reason="keras is not installed")

SOURCE = Path(__file__).resolve().parents[2] / "src"
TENSORFLOW = os.environ.get("EIGHTEEN_TENSORFLOW_PYTHON", "")


@pytest.fixture(scope="module")
def run(small: Callable[..., Recipe], pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("shipped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        return train(pictures, home / "run", small(**{"training.epochs": 3}))


def test_a_keras_file_passes_the_gate_and_is_opened_like_a_run(run: Run, pictures: Path) -> None:
    made = export(run, "keras")
    assert made.parity.top1_agreement == 1
    assert made.parity.max_probability_difference < 1e-5
    files = sorted((pictures / "val" / "red").iterdir())[:3]
    expected = Predictor.open(run.path).predict(files)
    for path in (made.artifact.path, made.artifact.model_path):
        found = Predictor.open(path).predict(files)
        assert [each.label for each in found] == [each.label for each in expected]
        np.testing.assert_allclose(
            [each.score for each in found], [each.score for each in expected], atol=1e-5
        )

    said = subprocess.run(
        [sys.executable, "-I", made.artifact.path / "predict.py", *files],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in said.stdout.splitlines()]
    assert [row[1] for row in rows] == [each.label for each in expected]
    np.testing.assert_allclose([float(row[2]) for row in rows], [each.score for each in expected], atol=1e-3)
    assert "eighteen." not in (made.artifact.path / "predict.py").read_text(encoding="utf-8")


def test_a_saved_model_passes_the_gate_where_tensorflow_is(run: Run, pictures: Path, tmp_path: Path) -> None:
    look = "import importlib.util as i; assert i.find_spec('tensorflow') and i.find_spec('torch')"
    if (
        not TENSORFLOW
        or subprocess.run([TENSORFLOW, "-c", look], capture_output=True, check=False).returncode
    ):
        pytest.skip("EIGHTEEN_TENSORFLOW_PYTHON names no interpreter with tensorflow and torch")
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("KERAS_BACKEND", None)

    def asked(*command: Any) -> str:
        done = subprocess.run(
            [TENSORFLOW, *command], capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    out = tmp_path / "shipped"
    said = asked("-m", "eighteen", "export", run.path, "--to", "tensorflow", "--out", out, "--json")
    assert json.loads(said)["parity"]["top1_agreement"] == 1
    assert (out / "model.savedmodel" / "saved_model.pb").exists()
    files = sorted((pictures / "val" / "red").iterdir())[:3]
    expected = Predictor.open(run.path).predict(files)
    rows = [line.split("\t") for line in asked(out / "predict.py", *files).splitlines()]
    assert [row[1] for row in rows] == [each.label for each in expected]
    np.testing.assert_allclose([float(row[2]) for row in rows], [each.score for each in expected], atol=1e-3)
