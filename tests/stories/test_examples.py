"""The small job in plain PyTorch, Keras and TensorFlow: each script runs, names broken files, and saves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
OTHER = os.environ.get("EIGHTEEN_TENSORFLOW_PYTHON", "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 20 pictures, and a file that is none."""
    root, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name, brightness in (("dark", 0), ("light", 200)):
        (root / name).mkdir()
        for number in range(20):
            pixels = random.integers(brightness, brightness + 55, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    (root / "dark" / "broken.png").write_bytes(b"no picture")
    return root


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "package"), [("pytorch", "torch"), ("keras", "keras"), ("tensorflow", "tensorflow")]
)
def test_the_example_trains_scores_and_saves(
    library: str, package: str, folder: Path, tmp_path: Path
) -> None:
    python = sys.executable if find_spec(package) else OTHER if package == "tensorflow" else ""
    if not python:
        pytest.skip(
            f"{package} is not installed here, and EIGHTEEN_TENSORFLOW_PYTHON names no other interpreter"
        )
    out = tmp_path / {"pytorch": "m.safetensors", "keras": "m.keras", "tensorflow": "m.savedmodel"}[library]
    done = subprocess.run(
        [python, EXAMPLES / library / "train.py", folder, "--epochs", "1", "--out", out],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "left out" in done.stdout and "broken.png" in done.stdout
    found = re.search(r"test: accuracy (\d\.\d+) \[(\d\.\d+), (\d\.\d+)\], n = 6", done.stdout)
    assert found, done.stdout
    accuracy, low, high = map(float, found.groups())
    assert low <= accuracy <= high
    assert out.exists()


def test_the_page_names_every_script() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for script in EXAMPLES.rglob("*.py"):
        assert script.relative_to(EXAMPLES).as_posix() in page
