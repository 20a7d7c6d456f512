"""An interrupted run ends with the same weights as one that was never interrupted, bit for bit."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from safetensors.numpy import load_file

from eighteen import Run, resume, train
from eighteen.core import store
from eighteen.core.errors import Interrupted, RunError

VARIANTS: dict[str, dict[str, Any]] = {
    "momentum, average": {"optimizer.name": "momentum", "training.ema_decay": 0.9},
    "nesterov, no average, channels last": {
        "optimizer.name": "nesterov",
        "training.ema_decay": 0.0,
        "training.channels_last": True,
    },
    "adamw, average, channels last": {
        "optimizer.name": "adamw",
        "training.ema_decay": 0.9,
        "training.channels_last": True,
    },
    "adamw, dropout, average": {
        "optimizer.name": "adamw",
        "model.dropout": 0.3,
        "training.ema_decay": 0.9,
    },
    "muon, average": {"optimizer.name": "muon", "training.ema_decay": 0.9},
    "rmsprop, dropout, no average, workers": {
        "optimizer.name": "rmsprop",
        "model.dropout": 0.3,
        "training.ema_decay": 0.0,
        "training.workers": 2,
        "augment.erasing": 0.5,
    },
    "mixing, policy, repeats, flips by turns": {
        "augment.mixup_alpha": 0.4,
        "augment.cutmix_alpha": 1.0,
        "augment.policy": "rand",
        "augment.repeats": 2,
        "augment.horizontal_flip": 0.5,
        "augment.flip_alternates": True,
        "training.workers": 2,
    },
    "sampling, focal loss": {
        "training.sampling": "balanced",
        "loss.name": "focal",
        "loss.class_weights": "balanced",
        "augment.mixup_alpha": 0.4,
    },
    "mean of epochs, sharpness, dropped paths": {
        "training.swa_from": 0.4,
        "optimizer.sam_rho": 0.05,
        "model.drop_path": 0.3,
    },
    "unfreezing": {"training.freeze_until": {"layer1": 2, "conv1": 1}, "optimizer.name": "momentum"},
}
EPOCHS, STEPS = 3, 3
"""24 pictures in batches of 8."""


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def without_seconds(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


def assert_same(run: Run, plain: Run) -> None:
    assert run.weights_path.read_bytes() == plain.weights_path.read_bytes()
    assert without_seconds(run.history) == without_seconds(plain.history)
    for name in ("predictions/val.safetensors", "dataset.parquet", "inputs.json", "recipe.json"):
        assert (run.path / name).read_bytes() == (plain.path / name).read_bytes(), name
    assert run.predictions("val").rows.equals(plain.predictions("val").rows)
    assert run.measures == plain.measures
    assert run.info["state"] == plain.info["state"] == "complete"
    assert list(run.resume_folder.iterdir()) == []


@pytest.fixture(scope="module")
def plain(pictures: Path, small: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """The uninterrupted run of each variant."""
    made: dict[str, Run] = {}

    def of(variant: str) -> Run:
        if variant not in made:
            recipe = small(**{"training.epochs": EPOCHS, **VARIANTS[variant]})
            made[variant] = train(pictures, tmp_path_factory.mktemp("plain") / "run", recipe)
        return made[variant]

    return of


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("steps", [(1,), (3, 4, 5), (2, 8), (9,)], ids=str)
def test_ctrl_c_at_any_step(
    steps: tuple[int, ...],
    variant: str,
    plain: Any,
    pictures: Path,
    small: Any,
    acting_at: Any,
    tmp_path: Path,
) -> None:
    """Also in the last step of an epoch and of the training, and again and again."""
    recipe = small(**{"training.epochs": EPOCHS, **VARIANTS[variant]})
    with pytest.raises(Interrupted) as stopped:
        train(pictures, tmp_path / "run", recipe, acting_at(interrupt, steps[0]))
    assert stopped.value.exit_code == 130
    assert f"eighteen train --resume {tmp_path / 'run'}" in str(stopped.value)
    for step in steps[1:]:
        assert Run.open(tmp_path / "run").info["state"] == "interrupted"
        with pytest.raises(Interrupted):
            resume(tmp_path / "run", progress=acting_at(interrupt, step))
    assert_same(resume(tmp_path / "run"), plain(variant))


@pytest.mark.parametrize("epoch", [1, EPOCHS])
def test_ctrl_c_during_validation(
    epoch: int, plain: Any, pictures: Path, small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even after the last epoch the wish to stop is heard, and nothing is lost."""
    from eighteen.training.validation import Validation

    look, looks = Validation.__call__, iter(range(1, 100))

    def looking(self: Validation, network: Any) -> Any:
        if next(looks) == epoch:
            interrupt()
        return look(self, network)

    monkeypatch.setattr(Validation, "__call__", looking)
    variant = "momentum, average"
    recipe = small(**{"training.epochs": EPOCHS, **VARIANTS[variant]})
    with pytest.raises(Interrupted):
        train(pictures, tmp_path / "run", recipe)
    assert_same(resume(tmp_path / "run"), plain(variant))


def test_a_budget_that_is_used_up_is_heeded_after_a_stop_too(
    pictures: Path, small: Any, acting_at: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eighteen.training import planning

    # As many epochs as are allowed seem to fit into six milliseconds.
    monkeypatch.setattr(planning, "measure_modes", lambda *given: dict.fromkeys(given[-1], 0.0))
    monkeypatch.setattr(planning, "step_seconds", lambda *given: 1e-9)
    recipe = small(**{"training.epochs": EPOCHS, "training.budget_minutes": 1e-4})
    with pytest.raises(Interrupted):
        train(pictures, tmp_path / "run", recipe, acting_at(interrupt, STEPS))
    run = resume(tmp_path / "run")
    assert len(run.history) == 1
    assert run.recipe.training.epochs == 2 * EPOCHS


def test_states_after_each_step_change_nothing(
    plain: Any, pictures: Path, small: Any, tmp_path: Path
) -> None:
    variant = "adamw, dropout, average"
    changes = {"training.epochs": EPOCHS, "training.checkpoint_minutes": 0.0, **VARIANTS[variant]}
    run = train(pictures, tmp_path / "run", small(**changes))
    assert run.weights_path.read_bytes() == plain(variant).weights_path.read_bytes()


def test_pictures_that_have_moved(
    plain: Any, pictures: Path, small: Any, acting_at: Any, tmp_path: Path
) -> None:
    variant = "momentum, average"
    here = Path(shutil.copytree(pictures, tmp_path / "here"))
    with pytest.raises(Interrupted):
        train(
            here,
            tmp_path / "run",
            small(**{"training.epochs": EPOCHS, **VARIANTS[variant]}),
            acting_at(interrupt, 4),
        )
    there = here.rename(tmp_path / "there")
    run = resume(tmp_path / "run", there)
    assert run.weights_path.read_bytes() == plain(variant).weights_path.read_bytes()
    assert run.info["state"] == "complete"


def test_other_pictures_under_the_same_names_are_no_resuming(
    pictures: Path, small: Any, acting_at: Any, tmp_path: Path
) -> None:
    here = Path(shutil.copytree(pictures, tmp_path / "here"))
    with pytest.raises(Interrupted):
        train(here, tmp_path / "run", small(**{"training.epochs": EPOCHS}), acting_at(interrupt, 4))
    there = Path(shutil.copytree(here, tmp_path / "there"))
    first, second, *_ = sorted(there.rglob("*.png"))
    shutil.copy(first, second)
    stored = Run.open(tmp_path / "run").dataset.root
    with pytest.raises(RunError, match=r"^1 of \d+ pictures .* no resuming\. Start a new run"):
        resume(tmp_path / "run", there)
    assert Run.open(tmp_path / "run").dataset.root == stored


def test_an_interruption_tells_the_epochs_that_are_done(
    pictures: Path, small: Any, acting_at: Any, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted) as stopped:
        train(pictures, tmp_path / "run", small(**{"training.epochs": EPOCHS}), acting_at(interrupt, 4))
    done = len(Run.open(tmp_path / "run").history)
    assert done > 0
    assert f"after {done} epochs" in str(stopped.value)


def test_classes_that_were_accepted_as_lost_do_not_stand_in_the_way(
    paint: Any, small: Any, acting_at: Any, tmp_path: Path
) -> None:
    data = paint(tmp_path / "data", {"train/a": 8, "train/b": 8, "val/a": 4, "val/b": 4, "val/c": 2})
    recipe = small(**{"data.accept": ["class_without_training"]})
    with pytest.raises(Interrupted):
        train(data, tmp_path / "run", recipe, acting_at(interrupt, 1))
    assert resume(tmp_path / "run", data).class_names == ("a", "b")


def test_a_complete_run_has_nothing_to_resume(trained: Run, eighteen: Any) -> None:
    said = eighteen("train", "--resume", trained.path)
    assert said.code == 1
    assert "complete already" in said.err


@pytest.mark.parametrize(
    "flag",
    [
        ("--set", "training.epochs=9"),
        ("--seed", "0"),
        ("--recipe", "demo"),
        ("--out", "elsewhere"),
        ("--label-column", "label"),
        ("--accept", "leakage"),
        ("--strict",),
        ("--resplit",),
        ("--test",),
    ],
    ids=lambda flag: flag[0],
)
def test_resume_takes_no_other_options(flag: tuple[str, ...], trained: Run, eighteen: Any) -> None:
    """They would do nothing, so they are refused."""
    said = eighteen("train", "--resume", trained.path, *flag)
    assert said.code == 2
    assert "goes on as it began" in said.err


# kill -9


KILLER = """
import json, os, signal, sys
from pathlib import Path
from eighteen import Recipe, train
from eighteen.core import store

data, out, recipe, moment, count = sys.argv[1:]
left = iter(range(int(count) - 1, -1, -1))

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def progress(stage, done, total, note):
    if moment == "step" and stage == "train" and done == int(count):
        die()

replace, write, append, remove = Path.replace, Path.write_bytes, store.append_line, store.remove

def replacing(self, target):
    before, after = f"before {Path(target).name[:6]}", f"after {Path(target).name[:6]}"
    if moment == before and next(left) == 0:
        die()
    result = replace(self, target)
    if moment == after and next(left) == 0:
        die()
    return result

def writing(self, content):
    if moment == "half a state" and "state-" in self.name and next(left) == 0:
        write(self, content[: len(content) // 2])
        die()
    return write(self, content)

def appending(path, value):
    if moment == "half a line" and next(left) == 0:
        with path.open("a") as file:
            file.write(json.dumps(value)[:20])
            file.flush()
        die()
    append(path, value)

def removing(path):
    if moment == "pruning" and next(left) == 0:
        die()
    remove(path)

Path.replace, Path.write_bytes, store.append_line, store.remove = replacing, writing, appending, removing
train(data, out, Recipe.model_validate(json.loads(recipe)), progress)
"""

MOMENTS = [
    ("step", 1),
    ("step", 5),
    ("before state-", 3),
    ("after state-", 4),
    ("before state.", 6),
    ("half a state", 5),
    ("half a line", 2),
    ("pruning", 2),
    ("before weight", 1),
    ("after weight", 1),
]


@pytest.mark.parametrize(("moment", "count"), MOMENTS, ids=str)
def test_kill_at_any_moment(
    moment: str, count: int, plain: Any, pictures: Path, small: Any, start: Any, tmp_path: Path
) -> None:
    """A state is saved after every step, so that every moment of saving is hit."""
    variant = "adamw, dropout, average"
    changes = {"training.epochs": EPOCHS, "training.checkpoint_minutes": 0.0, **VARIANTS[variant]}
    script = tmp_path / "killer.py"
    script.write_text(KILLER, encoding="utf-8")
    recipe = json.dumps(small(**changes).to_json())
    process = start(script, pictures, tmp_path / "run", recipe, moment, count)
    _, err = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, err
    run = resume(tmp_path / "run")
    uninterrupted = plain(variant)
    assert run.weights_path.read_bytes() == uninterrupted.weights_path.read_bytes()
    assert without_seconds(run.history) == without_seconds(uninterrupted.history)
    assert run.predictions("val").rows.equals(uninterrupted.predictions("val").rows)


# Signals to a real process


@pytest.fixture
def training(start: Any, pictures: Path, small_flags: Any, tmp_path: Path) -> Callable[[int], Any]:
    """A training in its own process that has finished two epochs of many."""

    def begin(workers: int) -> subprocess.Popen[str]:
        flags = small_flags(
            {"training.epochs": 150, "training.workers": workers, "training.checkpoint_minutes": 9}
        )
        process: subprocess.Popen[str] = start(
            "-m", "eighteen", "train", pictures, "--out", tmp_path / "run", *flags
        )
        history = tmp_path / "run" / "history.jsonl"
        for _ in range(2000):
            if history.exists() and len(store.read_lines(history)) >= 2:
                return process
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        raise AssertionError("training never began")

    return begin


@pytest.mark.parametrize(
    ("number", "workers", "code"),
    [(signal.SIGINT, 0, 130), (signal.SIGINT, 2, 130), (signal.SIGTERM, 2, 143)],
)
def test_c59_one_signal_saves_and_says_how_to_go_on(
    number: signal.Signals, workers: int, code: int, training: Any, tmp_path: Path
) -> None:
    process = training(workers)
    helpers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert f"eighteen train --resume {tmp_path / 'run'}" in err
    assert "Traceback" not in err
    assert out == ""
    assert not any(helper.is_running() for helper in helpers)
    run = Run.open(tmp_path / "run")
    assert run.info["state"] == "interrupted"
    done = len(run.history)
    assert 2 <= done < 150
    assert_whole(run)
    position = store.read_json(run.resume_folder / "state.json")["states"][0]["position"]
    assert position["epoch"] == done
    assert position["total_steps"] == done * STEPS + position["step"]


def test_c59_two_signals_stop_at_once_with_files_whole(training: Any, tmp_path: Path, acting_at: Any) -> None:
    process = training(2)
    process.send_signal(signal.SIGINT)
    time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert process.returncode == 130, err
    assert "Traceback" not in err
    run = Run.open(tmp_path / "run")
    assert_whole(run)
    with pytest.raises(Interrupted):
        resume(run.path, progress=acting_at(interrupt, 1))
    epochs = [row["epoch"] for row in run.history]
    assert all(after == before + 1 for before, after in pairwise(epochs))


def assert_whole(run: Run) -> None:
    """No half file, and every file can be read."""
    assert not list(run.path.rglob("*.part"))
    for path in run.path.rglob("*.json"):
        json.loads(path.read_text("utf-8"))
    for path in run.path.rglob("*.safetensors"):
        assert load_file(path)
    store.read_lines(run.path / "history.jsonl")
    store.read_table(run.path / "dataset.parquet")


def test_ctrl_c_before_training_leaves_nothing(
    pictures: Path, small: Any, acting_at: Any, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(pictures, tmp_path / "run", small(), acting_at(interrupt, 1, "scan"))
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_before_training_is_exit_130(
    pictures: Path, eighteen: Any, small_flags: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("eighteen.api.runs.audited", stopping)
    said = eighteen("train", pictures, "--out", tmp_path / "run", *small_flags({}))
    assert said.code == 130
    assert "stopped" in said.err


def test_ctrl_c_while_reading_pictures_leaves_a_run_that_resumes(
    plain: Any, pictures: Path, small: Any, acting_at: Any, tmp_path: Path
) -> None:
    variant = "momentum, average"
    recipe = small(**{"training.epochs": EPOCHS, **VARIANTS[variant]})
    with pytest.raises(Interrupted, match="stopped before the first step; go on with: eighteen tr") as said:
        train(pictures, tmp_path / "run", recipe, acting_at(interrupt, 3, "read"))
    assert said.value.exit_code == 130
    assert Run.open(tmp_path / "run").info["state"] == "interrupted"
    assert_same(resume(tmp_path / "run"), plain(variant))


def test_a_run_without_a_state_says_so(trained: Run, tmp_path: Path) -> None:
    copy = Run(Path(shutil.copytree(trained.path, tmp_path / "copy")))
    copy.set_state("running")
    with pytest.raises(RunError, match="holds no saved state; start again"):
        resume(copy.path)
