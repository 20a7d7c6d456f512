"""A model that can learn does, and one that has nothing to learn stays at chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from eighteen import evaluate, train

STILL = {
    "augment.crop": "none",
    "augment.horizontal_flip": 0.0,
    "augment.rotation_degrees": 0.0,
    "augment.zoom_fraction": 0.0,
    "augment.brightness": 0.0,
    "augment.contrast": 0.0,
    "augment.saturation": 0.0,
    "augment.erasing": 0.0,
    "loss.label_smoothing": 0.0,
    "training.ema_decay": 0.0,
    "training.select_by": "last",
}


def write_noise(folder: Path, count: int, labels: list[str], splits: list[str]) -> Path:
    """Pictures of noise, which differ and say nothing about their labels."""
    random = np.random.default_rng(1)
    (folder / "images").mkdir(parents=True)
    names = [f"images/{number:03d}.png" for number in range(count)]
    for name in names:
        Image.fromarray(random.integers(0, 255, (16, 16, 3)).astype(np.uint8)).save(folder / name)
    pl.DataFrame({"image": names, "label": labels, "split": splits}).write_csv(folder / "labels.csv")
    return folder / "labels.csv"


def test_sixteen_pictures_are_learned_by_heart(small: Any, tmp_path: Path) -> None:
    """Noise with labels that only memory can know."""
    labels = ["abcd"[number % 4] for number in range(16)] + list("abcd")
    table = write_noise(tmp_path / "data", 20, labels, ["train"] * 16 + ["val"] * 4)
    changes = {**STILL, "training.epochs": 40, "training.batch_size": 16, "optimizer.name": "adamw"}
    run = train(table, tmp_path / "run", small(**changes, **{"optimizer.lr": 0.01}))
    assert evaluate(run, "train").measures["accuracy"].value == 1.0
    assert run.history[-1]["train_loss"] < 0.1 < run.history[0]["train_loss"]


def test_shuffled_labels_stay_at_chance(small: Any, tmp_path: Path) -> None:
    """Nothing leaks from validation into training, and the summary does not boast."""
    labels = np.random.default_rng(2).permutation(["x", "y"] * 80).tolist()
    table = write_noise(tmp_path / "data", 160, labels, ["train"] * 60 + ["val"] * 100)
    run = train(table, tmp_path / "run", small(**{"training.epochs": 4}))
    accuracy = run.measures["val"]["accuracy"]
    assert accuracy.low is not None
    assert accuracy.high is not None
    assert accuracy.low <= 0.5 <= accuracy.high
    assert run.details["val"]["not_better_than_majority"].startswith("not better than always")


def test_colours_are_told_apart(paint: Any, small: Any, tmp_path: Path) -> None:
    counts = {f"{split}/{name}": 16 for split in ("train", "val") for name in ("red", "green", "blue")}
    run = train(paint(tmp_path / "data", counts), tmp_path / "run", small(**{"training.epochs": 6}))
    assert run.measures["val"]["accuracy"].value == 1.0
    assert run.details["val"]["not_better_than_majority"] == ""
