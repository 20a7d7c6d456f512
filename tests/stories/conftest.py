"""What the stories share: small pictures, the command line in this process or in one of its own, a small run.

Every training here takes about a second: pictures of 16 pixels and timm's smallest ResNet.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eighteen import Recipe, Run, train
from eighteen.cli.main import run as run_command_line
from eighteen.core.progress import Progress, silent

REPOSITORY = Path(__file__).resolve().parents[2]

SETTINGS: Mapping[str, Any] = {
    "model.name": "test_resnet",
    "model.weights": "none",
    "training.precision": "fp32",
    "training.channels_last": False,
    "training.epochs": 2,
    "training.batch_size": 8,
    "evaluation.resamples": 100,
}
"""What makes a training small enough for a test."""


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on standard output."""
        return json.loads(self.out)

    @property
    def text(self) -> str:
        return self.out + self.err


def _flags(changes: Mapping[str, Any]) -> list[str]:
    values = {**SETTINGS, **changes}
    return [part for key, value in values.items() for part in ("--set", f"{key}={json.dumps(value)}")]


def _recipe(**changes: Any) -> Recipe:
    sections: dict[str, Any] = {}
    for key, value in {**SETTINGS, **changes}.items():
        section, _, name = key.partition(".")
        if name:
            sections.setdefault(section, {})[name] = value
        else:
            sections[section] = value
    return Recipe.model_validate(sections)


def _paint(folder: Path, counts: Mapping[str, int], size_px: int = 16, seed: int = 0) -> Path:
    """Writes `counts["train/a"]` pictures into `folder/train/a`; classes differ in colour."""
    random = np.random.default_rng(seed)
    classes = sorted({place.rsplit("/", 1)[-1] for place in counts})
    for place, count in counts.items():
        (folder / place).mkdir(parents=True, exist_ok=True)
        channel = classes.index(place.rsplit("/", 1)[-1])
        for number in range(count):
            pixels = random.integers(0, 90, (size_px, size_px, 3))
            pixels[:, :, channel % 3] += 100 if channel < 3 else 0
            picture = Image.fromarray(pixels.astype(np.uint8))
            picture.save(folder / place / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="session")
def paint() -> Callable[..., Path]:
    """Makes a data set: `paint(folder, {"train/a": 5, …}, size_px=16, seed=0)`."""
    return _paint


@pytest.fixture(scope="session")
def small() -> Callable[..., Recipe]:
    """Makes a recipe that trains in a second: `small(**{"training.epochs": 3})`."""
    return _recipe


@pytest.fixture(scope="session")
def small_flags() -> Callable[[Mapping[str, Any]], list[str]]:
    """The same as `--set` options of the command line."""
    return _flags


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 8 training, 4 validation and 4 test pictures."""
    counts = {
        f"{split}/{name}": count
        for split, count in (("train", 8), ("val", 4), ("test", 4))
        for name in ("red", "green", "blue")
    }
    return _paint(tmp_path_factory.mktemp("pictures") / "pictures", counts)


@pytest.fixture(scope="session")
def trained(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on `pictures`; read it, write nothing into it."""
    home = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        return train(pictures, home / "run", _recipe())


@pytest.fixture
def eighteen(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Runs a command line in this process, all of it but the start of the interpreter."""

    def command(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["eighteen", *map(str, arguments)])
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            run_command_line()
        code = ended.value.code
        said = Said(code if isinstance(code, int) else int(code is not None), out.getvalue(), err.getvalue())
        assert "Traceback" not in said.text
        return said

    return command


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `python ARGUMENTS` in a process of its own; what is left of it is killed after the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=cwd or tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "OMP_NUM_THREADS": "1", **environment},
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


class SignalAt:
    """A progress that acts once a stage has done so many units, such as steps of training."""

    def __init__(self, act: Callable[[], None], done: int, stage: str = "train") -> None:
        self.act, self.done, self.stage, self.acted = act, done, stage, False

    def __call__(self, stage: str, done: int, total: int, note: str) -> None:
        if not self.acted and stage == self.stage and done >= self.done:
            self.acted = True
            self.act()


@pytest.fixture(scope="session")
def acting_at() -> Callable[..., Progress]:
    """`acting_at(act, done, stage="train")`: a progress that calls `act()` once, at that unit."""
    return SignalAt


@pytest.fixture(scope="session")
def quiet() -> Progress:
    return silent
