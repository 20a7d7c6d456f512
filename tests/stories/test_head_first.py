"""The head on frozen features before fine-tuning, in networks whose last layer is of one kind or another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from eighteen import train
from eighteen.models.family import build
from eighteen.training import probing

FROM_FILE = {"training.epochs": 1, "optimizer.name": "adamw", "optimizer.lr": 1e-5}


def weights_of(name: str, folder: Path) -> str:
    torch.manual_seed(0)
    save_file(build(name, num_classes=3).state_dict(), folder / f"{name}.safetensors")
    return str(folder / f"{name}.safetensors")


def test_a_head_that_is_a_convolution_is_fitted_too(pictures: Path, small: Any, tmp_path: Path) -> None:
    changes = {"model.name": "resnetv2_18d", "model.weights": weights_of("resnetv2_18d", tmp_path)}
    run = train(pictures, tmp_path / "run", small(**FROM_FILE, **changes, **{"inputs.size": 32}))
    said = " ".join(run.info["events"])
    assert "the last layer was fitted on frozen features" in said
    assert "is kept; log loss on validation after calibration" in said
    # Frozen features of any network tell these colours apart; a head that starts at random does not.
    assert run.measures["val"]["accuracy"].value == 1.0


def test_without_a_fitted_head_nothing_is_mixed_into_the_tuned_weights(
    pictures: Path, small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "_is_linear", lambda layer: False)
    changes = {"model.weights": weights_of("test_resnet", tmp_path)}
    run = train(pictures, tmp_path / "run", small(**FROM_FILE, **changes))
    said = " ".join(run.info["events"])
    assert "the last layer (fc) is no linear one: it starts at random" in said
    assert "is kept" not in said
    assert list(run.resume_folder.iterdir()) == []
