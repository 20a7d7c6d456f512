"""Distillation: its gradient, what a teacher sees, which ones are refused, and a training that follows."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from eighteen import Run, resume, train
from eighteen.core.errors import EighteenError, Interrupted, RecipeError
from eighteen.core.inputs import InputSpec
from eighteen.training import fitting
from eighteen.training.teaching import distillation, seen_by, taught


def test_its_gradient_is_the_difference_of_the_softened_shares() -> None:
    logits = torch.tensor([[1.0, 2.0, -1.0], [0.0, 0.0, 3.0]], requires_grad=True)
    told = (torch.tensor([[3.0, 0.0, 0.0], [1.0, 2.0, 3.0]]) / 4).softmax(1)
    (gradient,) = torch.autograd.grad(distillation(logits, told, 4.0), logits)
    torch.testing.assert_close(gradient, 4.0 * ((logits / 4).softmax(1) - told).detach() / 2)


def test_a_student_that_says_the_same_has_nothing_to_learn() -> None:
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    assert distillation(logits + 7, (logits / 3).softmax(1), 3.0) == pytest.approx(0, abs=1e-5)


def test_a_teacher_sees_the_pixels_in_its_own_way() -> None:
    mine = InputSpec(size=8, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 3, 8, 8)).astype(np.float32)
    theirs = InputSpec(size=8, mean=(0.4, 0.4, 0.4), std=(0.2, 0.2, 0.2))
    seen = seen_by(torch.from_numpy(mine.normalised(pixels)), mine, theirs)
    np.testing.assert_allclose(seen.numpy(), theirs.normalised(pixels), atol=1e-4)
    grey = InputSpec(size=16, channels=1, mean=(0.0,), std=(1.0,))
    even = np.full((1, 3, 8, 8), 51, np.float32)
    seen = seen_by(torch.from_numpy(mine.normalised(even)), mine, grey)
    np.testing.assert_allclose(seen.numpy(), np.full((1, 1, 16, 16), 0.2), atol=1e-4)


def test_the_loss_mixes_labels_and_the_mean_of_the_teachers(trained: Run, small: Any) -> None:
    """Two teachers, one of them twice as loud, against the formula."""
    inputs, names = trained.inputs, trained.class_names
    recipe = small(**{"training.teacher": [str(trained.path)] * 2, "training.teacher_weight": 0.25})
    images = torch.randn(4, 3, inputs.size, inputs.size, generator=torch.Generator().manual_seed(0))
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    loss = taught(
        lambda network, images, _: network(images).sum(), recipe, names, inputs, torch.device("cpu")
    )
    from eighteen.formats import native

    with torch.no_grad():
        told = (native.open_network(trained)(images) / 2).softmax(1)
    expected = 0.75 * logits.sum() + 0.25 * distillation(logits, told, 2.0)
    assert loss(lambda _: logits, images, torch.zeros(4)) == pytest.approx(float(expected), rel=1e-4)


def test_classes_are_matched_by_name(trained: Run, small: Any) -> None:
    recipe = small(**{"training.teacher": str(trained.path), "training.teacher_weight": 1.0})
    images = torch.randn(4, 3, trained.inputs.size, trained.inputs.size)
    names, logits = trained.class_names, torch.randn(4, 3)
    args = (trained.inputs, torch.device("cpu"))
    straight = taught(lambda network, images, _: network(images).sum(), recipe, names, *args)
    turned = taught(lambda network, images, _: network(images).sum(), recipe, names[::-1], *args)
    a = straight(lambda _: logits, images, torch.zeros(4))
    b = turned(lambda _: logits.flip(1), images, torch.zeros(4))
    torch.testing.assert_close(a, b)


def test_a_larger_teacher_of_another_family_teaches(
    pictures: Path, trained: Run, small: Any, tmp_path: Path
) -> None:
    other = train(pictures, tmp_path / "teacher", small(**{"model.name": "test_vit"} | {"inputs.size": 160}))
    changes = {"training.teacher": [str(other.path), str(trained.path)], "training.epochs": 1}
    run = train(pictures, tmp_path / "run", small(**changes))
    assert run.info["state"] == "complete"
    assert all(Path(path).is_absolute() for path in run.recipe.training.teacher)


def test_teachers_of_other_classes_are_refused(paint: Any, trained: Run, small: Any, tmp_path: Path) -> None:
    counts = {f"{split}/{name}": 6 for split in ("train", "val") for name in ("red", "green", "pink")}
    data = paint(tmp_path / "data", counts)
    said = r"only the teacher knows blue; it does not know pink.*train it on this data"
    with pytest.raises(RecipeError, match=said):
        train(data, tmp_path / "run", small(**{"training.teacher": str(trained.path)}))
    assert not (tmp_path / "run").exists()


def test_teachers_that_know_the_validation_pictures_are_refused(
    pictures: Path, trained: Run, small: Any, tmp_path: Path
) -> None:
    turned = Path(shutil.copytree(pictures, tmp_path / "data"))
    (turned / "train").rename(turned / "other")
    (turned / "val").rename(turned / "train")
    (turned / "other").rename(turned / "val")
    with pytest.raises(RecipeError, match=r"learned from 24 pictures that are validation or test here"):
        train(turned, tmp_path / "run", small(**{"training.teacher": str(trained.path)}))


def test_a_teacher_that_is_no_run_is_refused(pictures: Path, small: Any, tmp_path: Path) -> None:
    with pytest.raises(EighteenError, match="nowhere"):
        train(pictures, tmp_path / "run", small(**{"training.teacher": "nowhere"}))


def test_a_network_is_taught_by_its_like_also_after_a_stop(
    pictures: Path, small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small(**{"training.teacher": "itself"})
    run = train(pictures, tmp_path / "run", recipe)
    teacher = Run.open(run.path / "teacher")
    assert teacher.recipe.seed != run.recipe.seed and not teacher.recipe.training.teacher
    assert len(teacher.history) == len(run.history) and not teacher.weights_path.exists()
    assert [stage["name"] for stage in run.info["stages"]].count("train the teacher") == 1

    def stopped(*arguments: Any) -> None:
        raise Interrupted("stopped", 130)

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "fit", stopped)
        with pytest.raises(Interrupted, match="while the teacher was trained"):
            train(pictures, tmp_path / "again", recipe)
    again = resume(tmp_path / "again")
    assert again.weights_path.read_bytes() == run.weights_path.read_bytes()


def test_what_a_teacher_draws_is_drawn_before_the_state_that_goes_on(
    pictures: Path, trained: Run, small: Any, acting_at: Any, tmp_path: Path
) -> None:
    """Dropout has the same masks after a stop: opening the teacher takes random numbers each time."""
    recipe = small(**{"training.teacher": str(trained.path), "model.dropout": 0.3})
    plain = train(pictures, tmp_path / "plain", recipe)
    with pytest.raises(Interrupted):
        train(pictures, tmp_path / "run", recipe, acting_at(lambda: signal.raise_signal(signal.SIGINT), 2))
    again = resume(tmp_path / "run")
    assert again.weights_path.read_bytes() == plain.weights_path.read_bytes()


def test_labels_are_not_doubted_without_features(pictures: Path, small: Any, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="a network without weights has none"):
        train(pictures, tmp_path / "run", small(**{"training.drop_doubtful": True}))
