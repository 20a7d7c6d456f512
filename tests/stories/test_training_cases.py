"""The failure cases about numbers, checkpoints, disks and devices, each with a real (tiny) training."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from eighteen import Recipe, Run, evaluate, predict, resume, train
from eighteen.core import store
from eighteen.core.errors import Interrupted, RunError, TrainingError
from eighteen.models import hub
from eighteen.tasks.classification import Classification

CHANGES = {"training.epochs": 2}


def expected_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "case.json").read_text("utf-8"))
    return found["expected"]  # type: ignore[no-any-return]


# Training numerics


@pytest.mark.shared
@pytest.mark.parametrize("batch_size", [16, 8, 17, 1])
def test_c48_every_batch_size_trains_and_evaluates_everything(
    batch_size: int, case_dir: Any, eighteen: Any, small_flags: Any, tmp_path: Path
) -> None:
    expected = expected_of(case_dir("C48"))
    assert batch_size in expected["try_batch"]
    flags = small_flags({"training.batch_size": batch_size})
    said = eighteen("train", case_dir("C48") / "data", "--out", tmp_path / "run", "--json", *flags)
    assert said.code == 0, said.err
    answer = said.json
    assert answer["counts"]["splits"] == {
        "train": expected["n_train"],
        "val": expected["n_val"],
        "test": 0,
    }
    assert answer["counts"]["evaluated"]["val"] == {"expected": 6, "scored": 6, "unreadable": 0}
    run = Run.open(tmp_path / "run")
    assert all(math.isfinite(row["train_loss"]) for row in run.history)
    if batch_size == 1:
        assert run.recipe.training.batch_size == 2
        assert "BatchNorm" in run.reasons["training.batch_size"]


@pytest.mark.shared
def test_c50_pictures_without_numbers_are_left_out_and_training_goes_on(
    case_dir: Any, eighteen: Any, small_flags: Any, tmp_path: Path
) -> None:
    expected = expected_of(case_dir("C50"))
    said = eighteen("train", case_dir("C50") / "data", "--out", tmp_path / "run", *small_flags({}))
    assert said.code == 0, said.err
    for words in expected["mention"]:
        assert any(word in said.err for word in words)
    dataset = Run.open(tmp_path / "run").dataset
    assert {row.path for row in dataset.skipped} == set(expected["skipped"])
    assert set(expected["used"]) <= set(dataset.ids)
    assert len(dataset) == expected["n_used"]
    assert all(np.isfinite(list(row.values())).all() for row in Run.open(tmp_path / "run").history)


@pytest.fixture
def turning_nan(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes the loss NaN at a step, counted from 1."""
    plain, steps = Classification.loss, iter(range(1, 10**6))

    def arm(at: int) -> None:
        def loss(task: Classification, *arguments: Any) -> Any:
            value = plain(task, *arguments)
            return value * math.nan if next(steps) == at else value

        monkeypatch.setattr(Classification, "loss", loss)

    return arm


def test_c50_a_loss_that_turns_nan_stops_with_epoch_step_and_files(
    pictures: Path, small: Any, turning_nan: Any, tmp_path: Path
) -> None:
    turning_nan(5)  # three steps an epoch: the second step of the second epoch
    recipe = small(**{"training.checkpoint_minutes": 0.0})
    with pytest.raises(TrainingError) as stopped:
        train(pictures, tmp_path / "run", recipe)
    message = str(stopped.value)
    assert "epoch 2, step 2" in message
    assert message.count(".png") == 8, "the files of the batch, all eight of them"
    peak = Run.open(tmp_path / "run").recipe.optimizer.lr
    assert isinstance(peak, float)
    assert f"peak {peak:g}" in message
    assert f"--set optimizer.lr={peak / 10:.2g}" in message
    assert stopped.value.exit_code == 1
    run = Run.open(tmp_path / "run")
    assert run.info["state"] == "failed"
    assert message in run.info["events"]
    assert not run.weights_path.exists()
    best = best_of(run)
    assert best
    assert all(bool(value.isfinite().all()) for value in best.values())


@pytest.mark.parametrize("at", [2, 5])
def test_c50_the_best_weights_of_a_failure_start_the_next_training(
    at: int, pictures: Path, small: Any, turning_nan: Any, tmp_path: Path
) -> None:
    """At the default cadence of saved states, no state of a short training is saved on the way."""
    turning_nan(at)
    with pytest.raises(TrainingError) as stopped:
        train(pictures, tmp_path / "run", small())
    rescued, said = tmp_path / "run" / "best.safetensors", str(stopped.value)
    if at == 2:
        assert "No epoch ended well, so no weights are kept" in said
        assert not rescued.exists()
        return
    assert "The weights of epoch 1, the best so far, are kept" in said
    assert f"eighteen train DATA --weights {rescued} --out OTHER" in said
    assert not Run.open(tmp_path / "run").weights_path.exists()
    recipe = small(**{"model.weights": str(rescued), "training.epochs": 1})
    again = train(pictures, tmp_path / "again", recipe)
    assert again.info["state"] == "complete"
    assert resume(tmp_path / "run").info["state"] == "complete"
    assert not rescued.exists()


def test_c50_going_on_after_a_failure_keeps_the_best_epoch_and_can_finish(
    pictures: Path, small: Any, turning_nan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turning_nan(5)
    with pytest.raises(TrainingError):
        train(pictures, tmp_path / "run", small(**{"training.checkpoint_minutes": 0.0}))
    before = best_of(Run.open(tmp_path / "run"))
    assert Run.open(tmp_path / "run").history[0]["epoch"] == 1
    run = resume(tmp_path / "run")  # the step that was NaN is now counted as another one
    assert run.info["state"] == "complete"
    assert [row["epoch"] for row in run.history] == [1, 2]
    names = {name.removeprefix("best.") for name in before}
    assert names == store.read_tensors(run.weights_path).keys()


def best_of(run: Run) -> dict[str, torch.Tensor]:
    """The best weights in the newest saved state."""
    name = store.read_json(run.resume_folder / "state.json")["states"][0]["file"]
    tensors = store.read_tensors(run.resume_folder / name)
    return {key: value for key, value in tensors.items() if key.startswith("best.")}


def test_weights_that_are_not_finite_are_never_stored(
    pictures: Path, small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eighteen.training import fitting

    plain = fitting.train_epochs

    def spoiled(moving: Any, position: Any, around: Any) -> Any:
        done = plain(moving, position, around)
        next(iter(moving.best.values())).fill_(math.inf)
        return done

    monkeypatch.setattr(fitting, "train_epochs", spoiled)
    with pytest.raises(TrainingError, match="not finite, so none are stored"):
        train(pictures, tmp_path / "run", small())
    run = Run.open(tmp_path / "run")
    assert run.info["state"] == "failed"
    assert not run.weights_path.exists()
    assert not run.measures


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_loss_on_validation_that_is_not_finite_ends_the_training(
    epoch: int, pictures: Path, small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the last step of an epoch can leave it: no batch after it would tell."""
    from eighteen.training.validation import Validation

    look, looks = Validation.__call__, iter(range(1, 100))

    def looking(self: Validation, network: Any) -> Any:
        return look(self, network) | ({"nll": math.nan} if next(looks) == epoch else {})

    monkeypatch.setattr(Validation, "__call__", looking)
    said = rf"validation is not finite after epoch {epoch}, .* --set optimizer\.lr=.*"
    with pytest.raises(TrainingError, match=said + ("--weights" if epoch > 1 else "no weights are kept")):
        train(pictures, tmp_path / "run", small())
    run = Run.open(tmp_path / "run")
    assert run.info["state"] == "failed"
    assert len(run.history) == epoch - 1


@pytest.mark.parametrize("clip_norm", [0.0, 2.0])
@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "rmsprop", "adamw", "muon"])
def test_c51_a_rate_far_too_high_is_told_and_chance_is_no_success(
    optimizer: str, clip_norm: float, paint: Any, eighteen: Any, small_flags: Any, tmp_path: Path
) -> None:
    counts = {f"{split}/{name}": n for split, n in (("train", 16), ("val", 8)) for name in ("x", "y")}
    data = paint(tmp_path / "data", counts)
    changes = {"optimizer.name": optimizer, "optimizer.lr": 10.0, "training.clip_norm": clip_norm}
    changes |= {"schedule.name": "constant", "training.ema_decay": 0.0}
    said = eighteen("train", data, "--out", tmp_path / "run", *small_flags(changes))
    assert "diverges" in said.err or "not finite" in said.err
    assert "rate 10" in said.err or "peak 10" in said.err
    assert "--set optimizer.lr=1" in said.err
    run = Run.open(tmp_path / "run")
    if said.code == 1:
        assert run.info["state"] == "failed"
        assert not run.weights_path.exists()
        return
    accuracy = run.measures["val"]["accuracy"]
    assert accuracy.value is not None
    assert accuracy.low is not None
    at_chance = accuracy.low <= 0.5
    assert at_chance == ("not better than always" in said.err)


def test_c51_the_first_epoch_tells_of_divergence(paint: Any, small: Any, tmp_path: Path) -> None:
    """What the first step lost is the measure, before any update could spoil it."""
    counts = {f"{split}/{name}": n for split, n in (("train", 16), ("val", 4)) for name in ("x", "y")}
    data = paint(tmp_path / "data", counts)
    recipe = small(**{"optimizer.name": "adamw", "optimizer.lr": 10.0, "training.epochs": 1})
    run = train(data, tmp_path / "run", recipe)
    assert [event.split(":")[0] for event in run.info["events"]] == ["training diverges"]
    assert "in epoch 1" in run.info["events"][0]


@pytest.mark.shared
def test_c52_imbalance_is_told_and_accuracy_alone_never_praised(
    case_dir: Any, eighteen: Any, small_flags: Any, tmp_path: Path
) -> None:
    expected = expected_of(case_dir("C52"))
    data = case_dir("C52") / "data"
    said = eighteen("train", data, "--out", tmp_path / "run", "--json", *small_flags({}))
    assert said.code == 0, said.err
    for words in expected["mention"]:
        assert any(word in said.err for word in words)
    assert said.json["counts"]["used"] == expected["n_used"]
    assert "loss.class_weights=balanced" in said.err or "95.2%" in said.err
    val = said.json["measures"]["val"]
    assert {"accuracy", "balanced_accuracy", "majority_baseline"} <= set(val)
    assert 'not better than always "ok"' in said.err
    details = Run.open(tmp_path / "run").details["val"]
    assert [row["name"] for row in details["per_class"]] == ["defect", "ok"]
    assert all("recall" in row for row in details["per_class"])
    assert Run.open(tmp_path / "run").recipe.training.select_by == "balanced_accuracy"
    whole = eighteen("evaluate", tmp_path / "run", "--data", data, "--json").json
    baseline = whole["measures"]["data"]["majority_baseline"]["value"]
    assert baseline == pytest.approx(expected["majority_baseline"], abs=1e-3)
    assert 'not better than always "ok"' in (tmp_path / "run" / "report.html").read_text("utf-8").replace(
        "&#34;", '"'
    ).replace("&quot;", '"')


# Resume and checkpoints


@pytest.fixture
def stopped(pictures: Path, small: Any, acting_at: Any, tmp_path: Path) -> Run:
    """A run that Ctrl-C stopped after its fifth step, with two saved states."""
    recipe = small(**{"training.checkpoint_minutes": 0.0})
    with pytest.raises(Interrupted):
        train(pictures, tmp_path / "stopped", recipe, acting_at(interrupt, 5))
    return Run.open(tmp_path / "stopped")


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.shared
def test_c54_other_classes_are_no_resuming(
    case_dir: Any, eighteen: Any, small: Any, small_flags: Any, acting_at: Any, tmp_path: Path
) -> None:
    folder = case_dir("C54")
    with pytest.raises(Interrupted):
        train(folder / "data_a", tmp_path / "run", small(), acting_at(interrupt, 1))
    said = eighteen("train", folder / "data_b", "--resume", tmp_path / "run")
    assert said.code == 1
    classes = [sorted(path.name for path in (folder / part).iterdir()) for part in ("data_a", "data_b")]
    for names in classes:
        assert f"{len(names)}" in said.err
        assert ", ".join(names) in said.err
    assert "--weights" in said.err
    assert Run.open(tmp_path / "run").info["state"] == "interrupted"
    resume(tmp_path / "run")
    flags = small_flags({"model.weights": str(tmp_path / "run" / "weights.safetensors")})
    fine = eighteen("train", folder / "data_b", "--out", tmp_path / "tuned", *flags)
    assert fine.code == 0, fine.err
    assert "head" in fine.err
    tuned = Run.open(tmp_path / "tuned")
    assert list(tuned.class_names) == classes[1]
    (note,) = [event for event in tuned.info["events"] if "starts anew" in event]
    assert re.match(r"(\d+) of \1 tensors of the backbone loaded; the head starts anew", note)
    assert "size mismatch" not in fine.err


@pytest.mark.shared
@pytest.mark.parametrize("name", ["last.pt", "empty.pt"])
def test_c56_a_cut_checkpoint_is_refused_in_words(
    name: str, case_dir: Any, pictures: Path, eighteen: Any, small_flags: Any, tmp_path: Path
) -> None:
    path = case_dir("C56") / "data" / name
    flags = small_flags({"model.weights": str(path)})
    said = eighteen("train", pictures, "--out", tmp_path / "run", *flags)
    assert said.code == 1
    assert name in said.err
    assert "incomplete" in said.err
    assert not (tmp_path / "run").exists()


@pytest.mark.shared
def test_c58_a_checkpoint_that_runs_code_is_refused_and_does_not_run(
    case_dir: Any, pictures: Path, eighteen: Any, small_flags: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = small_flags({"model.weights": str(case_dir("C58") / "data" / "evil.pt")})
    said = eighteen("train", pictures, "--out", "run", *flags)
    assert said.code == 1
    assert "refused" in said.err
    assert "run code" in said.err
    marker = expected_of(case_dir("C58"))["must_not_exist"]
    assert not list(tmp_path.rglob(marker))
    assert not Path(marker).exists()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "missing", "one byte"])
def test_c56_resume_falls_back_to_the_state_before(
    damage: str, stopped: Run, pictures: Path, small: Any, tmp_path: Path
) -> None:
    states = store.read_json(stopped.resume_folder / "state.json")["states"]
    assert len(states) == 2
    newest = stopped.resume_folder / states[0]["file"]
    content = newest.read_bytes()
    if damage == "missing":
        newest.unlink()
    else:
        flipped = bytes([content[-1] ^ 1])
        newest.write_bytes({"cut": content[:-9], "empty": b"", "one byte": content[:-1] + flipped}[damage])
    warned: list[str] = []
    run = resume(stopped.path, progress=lambda stage, *rest: warned.append(f"{stage} {rest[-1]}"))
    (warning,) = [text for text in warned if text.startswith("warning") and str(newest) in text]
    assert "going on from the state before it" in warning
    plain = train(pictures, tmp_path / "plain", small())
    assert run.weights_path.read_bytes() == plain.weights_path.read_bytes()


def test_c56_nothing_whole_left_is_said(stopped: Run) -> None:
    for path in stopped.resume_folder.glob("*.safetensors"):
        path.write_bytes(b"")
    with pytest.raises(RunError, match=r"cannot be resumed: its newest state is damaged .* start again"):
        resume(stopped.path)


@pytest.mark.parametrize("size", [0, 100, -1])
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_c56_cut_weights_give_a_clear_error(
    size: int, command: str, trained: Run, pictures: Path, eighteen: Any, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(trained.path, tmp_path / "copy"))
    weights = copy / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:size])
    rest = [pictures / "test"] if command == "predict" else []
    said = eighteen(command, copy, *rest)
    assert said.code == 1
    assert str(weights) in said.err
    assert "empty" in said.err if size == 0 else "incomplete or damaged" in said.err


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("source", ["folder", "file"])
def test_c54_a_run_s_weights_go_on_with_the_shape_that_they_have(
    mode: str, source: str, small: Any, tmp_path: Path
) -> None:
    """Stem, channels and inputs are those of the run, so that nothing but the head starts anew."""
    random = np.random.default_rng(0)
    for place in ("train/x", "train/y", "val/x", "val/y"):
        (tmp_path / "data" / place).mkdir(parents=True)
        for number in range(6):
            shape = (16, 16) if mode == "L" else (16, 16, 3)
            picture = Image.fromarray(random.integers(0, 255, shape).astype(np.uint8))
            picture.save(tmp_path / "data" / place / f"{number}.png")
    first = train(tmp_path / "data", tmp_path / "first", small())
    weights = first.path if source == "folder" else first.weights_path
    second = train(tmp_path / "data", tmp_path / "second", small(**{"model.weights": str(weights)}))
    assert second.inputs == first.inputs
    assert second.recipe.model.stem == first.recipe.model.stem == "small"
    assert second.recipe.inputs.channels == (1 if mode == "L" else 3)
    assert not any("left at their start" in event for event in second.info["events"])


# A full disk


def test_c57_a_disk_that_fills_leaves_the_state_before_whole(
    pictures: Path, small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, saves = Path.write_bytes, iter(range(10**6))

    def write_bytes(path: Path, content: bytes) -> int:
        if "state-" in path.name and next(saves) == 2:
            plain(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return plain(path, content)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    recipe = small(**{"training.checkpoint_minutes": 0.0})
    with pytest.raises(RunError) as full:
        train(pictures, tmp_path / "run", recipe)
    message = str(full.value)
    assert str(tmp_path / "run" / "resume") in message
    assert "No space left on device" in message
    assert "needed about" in message
    assert "free" in message
    assert "resume" in message
    run = Run.open(tmp_path / "run")
    assert not list(run.path.rglob("*.part"))
    states = store.read_json(run.resume_folder / "state.json")["states"]
    assert all(store.file_sha256(run.resume_folder / row["file"]) == row["sha256"] for row in states)
    again = resume(run.path)
    assert (
        again.weights_path.read_bytes()
        == train(pictures, tmp_path / "plain", small()).weights_path.read_bytes()
    )


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 5 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=5m", "none", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_c57_too_small_a_disk_is_refused_before_training(
    tiny_disk: Path, pictures: Path, eighteen: Any, small_flags: Any
) -> None:
    said = eighteen("train", pictures, "--out", tiny_disk / "run", *small_flags({}))
    assert said.code == 1
    assert "bytes free" in said.err
    assert str(tiny_disk) in said.err
    assert list(tiny_disk.iterdir()) == []


def test_c57_a_small_disk_that_fills_later(
    tiny_disk: Path, pictures: Path, eighteen: Any, small_flags: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eighteen.training.fitting._check_space", lambda out, network: None)
    flags = small_flags({"training.checkpoint_minutes": 0.0, "training.epochs": 3})
    said = eighteen("train", pictures, "--out", tiny_disk / "run", *flags)
    assert said.code == 1
    assert "No space left on device" in said.err
    assert "needed about" in said.err
    assert not list(tiny_disk.rglob("*.part"))
    subprocess.run(["mount", "-o", "remount,size=60m", str(tiny_disk)], check=True)
    again = eighteen("train", "--resume", tiny_disk / "run")
    assert again.code == 0, again.err
    assert Run.open(tiny_disk / "run").info["state"] == "complete"
    assert [row["epoch"] for row in Run.open(tiny_disk / "run").history] == [1, 2, 3]


# Network, device


def test_c95_without_a_network_there_is_an_error_and_no_start_from_scratch(
    pictures: Path, eighteen: Any, small_flags: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "_cached", lambda published: None)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    began = time.monotonic()
    flags = small_flags({"model.weights": "imagenet", "model.name": "resnet18"})
    said = eighteen("train", pictures, "--out", tmp_path / "run", *flags)
    assert time.monotonic() - began < 20
    assert said.code == 1
    assert "--weights none" in said.err
    assert "--weights FILE" in said.err
    assert not (tmp_path / "run").exists()


def test_c95_a_trained_model_needs_no_network(
    trained: Run, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert len(predict(trained.path, [pictures / "test"]).rows) == 12


def test_c96_a_device_that_is_not_there_is_named_and_the_cpu_used(
    pictures: Path, small: Any, trained: Run, eighteen: Any, small_flags: Any, tmp_path: Path
) -> None:
    missing = f"cuda:{torch.cuda.device_count() + 1}"
    said = eighteen("train", pictures, "--out", tmp_path / "run", *small_flags({"training.device": missing}))
    assert said.code == 0, said.err
    assert f"'{missing}' is not there" in said.err
    run = Run.open(tmp_path / "run")
    assert run.recipe.training.device == "cpu"
    assert missing in run.reasons["training.device"]
    if not torch.cuda.is_available():
        assert run.weights_path.read_bytes() == trained.weights_path.read_bytes()


def test_c96_a_run_from_another_machine_opens_on_the_cpu_with_the_same_scores(
    trained: Run, pictures: Path, tmp_path: Path
) -> None:
    """What a run made on a second GPU says about its device."""
    copy = Run(Path(shutil.copytree(trained.path, tmp_path / "copy")))
    elsewhere: Recipe = copy.recipe.changed(training={"device": "cuda:77"})
    copy.save_recipe(elsewhere, copy.reasons)
    told: list[str] = []
    result = evaluate(copy, "val", progress=lambda stage, *rest: told.append(rest[-1]))
    assert any("'cuda:77' is not there" in note for note in told)
    assert np.allclose(result.predictions.logits, trained.predictions("val").logits, atol=1e-4)
    rows = predict(copy.path, [pictures / "test"], device="cuda:77").rows
    assert all(row.error == "" for row in rows)
