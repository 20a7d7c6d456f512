"""`eighteen augment`: a sheet on which every setting can be seen to act, of one's own pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eighteen import audit
from eighteen.core import config
from eighteen.core.recipe import Recipe
from eighteen.reporting.augment_sheet import LOOKS, collect_sheet
from eighteen.reporting.sheet_png import sheet_png

SHOWN_WITH_OTHERS = {
    "crop", "fill", "flip_alternates", "blur_sigma_px", "erasing_area_max", "policy", "policy_operations",
    "policy_magnitude", "mixing_probability", "repeats",
}  # fmt: skip
"""Settings that have no row of their own: they say how others act."""


@pytest.mark.parametrize("crop", ["pad", "resized"])
def test_every_setting_has_a_row_in_which_it_acts(crop: str, pictures: Path, small: Any) -> None:
    recipe: Recipe = small(**{"augment.crop": crop, "augment.crop_scale_min": 0.3})
    sheet = collect_sheet(audit(pictures, recipe).dataset, recipe)
    names = {row.name.removeprefix("augment.") for row in sheet.settings}
    fields = {name.split(".")[1] for name in config.fields() if name.startswith("augment.")}
    beside = {"zoom_fraction", "pad_fraction"} if crop == "resized" else {"crop_scale_min", "crop_aspect_max"}
    policies = {f"policy = {name}" for name in ("trivial", "rand", "augmix")}
    assert names == fields - SHOWN_WITH_OTHERS - beside | policies
    for row in sheet.settings:
        first, *others = row.cells[0]
        assert any((cell.pixels != first.pixels).any() for cell in others), row.name
    assert [len(row.cells[0]) for row in sheet.whole] == [1 + LOOKS] * 4
    assert f"augment.{'pad_fraction' if crop == 'pad' else 'crop_scale_min'}" in sheet.is_on
    assert sheet_png(sheet) == sheet_png(sheet)


def test_what_is_stronger_differs_more(pictures: Path, small: Any) -> None:
    recipe: Recipe = small(
        **{"augment.brightness": 0.3, "augment.rotation_degrees": 30.0, "augment.cutout": 0.5}
    )
    sheet = collect_sheet(audit(pictures, recipe).dataset, recipe)
    rows = {row.name.removeprefix("augment."): row for row in sheet.settings}
    for name in ("brightness", "rotation_degrees", "cutout"):
        assert rows[name].is_on
        for plain, *cells in rows[name].cells:
            changes = [np.abs(cell.pixels.astype(int) - plain.pixels).mean() for cell in cells]
            assert changes == sorted(changes) and changes[0] < changes[-1], name


def test_the_command_writes_a_picture(pictures: Path, eighteen: Any, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    said = eighteen("augment", pictures, "--out", out, "--set", "augment.mixup_alpha=0.4", "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told["sheet"] == out.as_posix() and "augment.mixup_alpha" in told["on"]
    with Image.open(out) as picture:
        assert picture.format == "PNG" and picture.width > 1200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "sheet.jpg"], "ends in .png"),
        (["--set", "augment.hue=3"], "augment.hue = 3"),
        (
            ["--set", "augment.flip_alternates=true", "--set", "augment.horizontal_flip=0"],
            "nothing to alternate",
        ),
    ],
)
def test_what_cannot_be_is_told(arguments: list[str], words: str, pictures: Path, eighteen: Any) -> None:
    said = eighteen("augment", pictures, *arguments)
    assert said.code == 1 and words in said.err and "Traceback" not in said.err
