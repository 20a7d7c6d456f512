"""Searching and climbing through the command line, on pictures for which the truth is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eighteen import Run
from eighteen.core.study import Study
from eighteen.evaluating.heldout import outside_test

LEARNS = {
    "training.epochs": 8,
    "optimizer.name": "adamw",
    "optimizer.lr": 0.01,
    "augment.crop": "none",
}


@pytest.fixture
def sided(tmp_path: Path) -> Path:
    """Two classes that are each other's mirror images, under names that do not tell."""
    random = np.random.default_rng(0)
    for name, left in (("sloop", (200, 60, 60)), ("ketch", (60, 60, 200))):
        folder = tmp_path / "sided" / name
        folder.mkdir(parents=True)
        for number in range(40):
            pixels = np.empty((16, 16, 3))
            pixels[:, :8], pixels[:, 8:] = left, left[::-1]
            pixels += random.normal(0, 15, pixels.shape)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "sided"


@pytest.mark.slow
def test_a_climb_finds_that_mirror_images_lie(
    sided: Path, tmp_path: Path, eighteen: Callable[..., Any], small_flags: Callable[..., list[str]]
) -> None:
    """The textbook and the default recipe both mirror these pictures, which makes the classes the same."""
    out = tmp_path / "climb"
    offered = ["--only", "mirrored", "--only", "label_smoothing", "--only", "clipping"]
    said = eighteen(
        "climb", sided, "--out", out, "--folds", 2, "--seeds", 1, *offered, *small_flags(LEARNS), "--json"
    )
    assert said.code == 0, said.err
    found = said.json
    kept = {row["name"]: row["kept"] for row in found["rungs"]}
    assert kept == {"mirrored": True, "label_smoothing": False, "clipping": False}
    mirrored = next(row for row in found["rungs"] if row["name"] == "mirrored")
    assert (
        0 < mirrored["difference"]["low"] <= mirrored["difference"]["value"] <= mirrored["difference"]["high"]
    )
    assert mirrored["minutes"] > 0
    assert found["changes"] == {"augment.horizontal_flip": 0.0}
    assert found["best"]["confirmed"]["value"] > 0.9
    assert found["default"]["confirmed"]["value"] < 0.7
    assert found["comparison"]["verdict"] == "helps"
    assert "mirror images in training, or none" in found["sentence"]
    assert Run.open(found["best"]["run"]).weights_path.exists()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert 'class="waterfall"' in page and "corrected for 3 practices" in page
    again = eighteen("climb", "--resume", out, "--json").json
    assert again["rungs"] == found["rungs"] and again["best"]["confirmed"] == found["best"]["confirmed"]


@pytest.mark.slow
def test_a_search_confirms_its_winner_beside_the_default(
    paint: Callable[..., Path],
    tmp_path: Path,
    eighteen: Callable[..., Any],
    small_flags: Callable[..., list[str]],
) -> None:
    data = paint(tmp_path / "data", {"red": 30, "green": 30})
    out = tmp_path / "tune"
    space = ["--space", "none", "--space", "optimizer.lr=0.00001,0.02"]
    said = eighteen(
        "tune",
        data,
        "--out",
        out,
        *("--method", "grid", "--trials", 3, "--folds", 2, "--seeds", 1, "--metric", "nll"),
        *space,
        *small_flags({"training.epochs": 1}),
        "--json",
    )
    assert said.code == 0, said.err
    found = said.json
    assert found["trials"] == 3
    for side in ("default", "best"):
        assert set(found[side]) == {"search", "confirmed", "recipe", "run"}
        assert found[side]["confirmed"]["n"] == len(outside_test(Study.open(out).dataset)) < 60
    assert Run.open(found["default"]["run"]).weights_path.exists()
    assert (out / "report.html").stat().st_size > 5_000
    assert eighteen("tune", "--resume", out, "--json").json["best"]["confirmed"] == found["best"]["confirmed"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--trials", 3, "--space", "optimizer.lr=0.1..20"], "optimizer.lr = 20"),
        (["--trials", 3, "--method", "best"], "there is no method 'best'"),
        ([], "give --trials N, or --budget"),
    ],
)
def test_what_cannot_be_searched_is_told_before_anything_is_made(
    paint: Callable[..., Path], tmp_path: Path, eighteen: Callable[..., Any], arguments: list[Any], told: str
) -> None:
    data = paint(tmp_path / "data", {"red": 6, "green": 6})
    said = eighteen("tune", data, "--out", tmp_path / "tune", "--set", "model.weights=none", *arguments)
    assert said.code == 1 and told in said.err
    assert not (tmp_path / "tune").exists()


def test_an_unknown_rung_or_metric_is_told(
    paint: Callable[..., Path], tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    data = paint(tmp_path / "data", {"red": 6, "green": 6})
    said = eighteen("climb", data, "--out", tmp_path / "climb", "--only", "flips")
    assert said.code == 1 and "there is no rung flips" in said.err and "mirrored" in said.err
    said = eighteen("climb", data, "--out", tmp_path / "climb", "--metric", "auroc")
    assert said.code == 1 and "expected one of accuracy, balanced_accuracy, macro_f1, nll" in said.err
