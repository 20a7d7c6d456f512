"""Facts about near copies in an audit: named, kept together, and a leak across given splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageFilter
from typer.testing import CliRunner

from eighteen import api
from eighteen.auditing import Audit
from eighteen.cli.main import app
from eighteen.core.findings import Finding
from eighteen.core.recipe import Recipe


def scene(seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((160, 120), Image.Resampling.BICUBIC)


def save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def of(audit: Audit, check: str) -> list[Finding]:
    return [finding for finding in audit.findings if finding.check == check]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Thirty pictures of each of two classes, no two alike, without splits."""
    for seed in range(60):
        save(scene(seed), tmp_path / ("cat", "dog")[seed % 2] / f"{seed:02}.png")
    return tmp_path


def test_near_copies_of_one_class_are_worth_knowing(photos: Path) -> None:
    save(scene(4).filter(ImageFilter.GaussianBlur(1)), photos / "cat/blurred.png")
    save(scene(4).crop((8, 0, 160, 114)), photos / "cat/cut.png")
    (finding,) = of(api.audit(photos), "near_duplicates")
    assert finding.severity == "info"
    assert finding.groups == (("cat/04.png", "cat/blurred.png", "cat/cut.png"),)
    assert finding.to_json()["groups"] == [["cat/04.png", "cat/blurred.png", "cat/cut.png"]]


def test_near_copies_under_two_labels_are_a_warning(photos: Path) -> None:
    save(scene(4).resize((80, 60)), photos / "dog/smaller.png")
    (finding,) = of(api.audit(photos), "near_duplicates")
    assert finding.severity == "warning"
    assert "cat/04.png is 'cat' and dog/smaller.png is 'dog'" in finding.message


def test_small_pictures_show_too_little_to_be_called_near_copies(photos: Path) -> None:
    for place in sorted(photos.rglob("*.png")):
        with Image.open(place) as picture:
            small = picture.resize((24, 18))
        small.save(place)
    save(scene(4).resize((24, 18)).filter(ImageFilter.GaussianBlur(0.3)), photos / "cat/blurred.png")
    assert of(api.audit(photos), "near_duplicates") == []


def test_exact_copies_are_no_near_copies(photos: Path) -> None:
    save(scene(4), photos / "cat/again.png")
    audit = api.audit(photos)
    assert of(audit, "near_duplicates") == []
    assert of(audit, "exact_duplicates")[0].groups == (("cat/04.png", "cat/again.png"),)


def test_near_copies_never_straddle_a_split_that_is_made(photos: Path) -> None:
    for seed in range(40):
        save(scene(seed).crop((8, 6, 160, 120)), photos / ("cat", "dog")[seed % 2] / f"{seed:02}-cut.png")
    for split_seed in range(3):
        table = api.audit(photos, Recipe().changed(data={"split_seed": split_seed})).dataset.table
        number = table.with_columns(pl.col("id").str.extract(r"(\d\d)"))
        assert number["split"].n_unique() == 3
        assert number.group_by("id").agg(pl.col("split").n_unique())["split"].max() == 1


def test_near_copies_across_given_splits_leak(tmp_path: Path) -> None:
    for seed in range(30):
        split = ("train", "train", "val", "test")[seed // 2 % 4]
        save(scene(seed), tmp_path / split / ("cat", "dog")[seed % 2] / f"{seed:02}.png")
    save(scene(0).crop((8, 6, 160, 120)), tmp_path / "test/cat/cut.png")
    audit = api.audit(tmp_path)
    (finding,) = of(audit, "leakage")
    assert finding.severity == "warning"
    assert finding.groups == (("test/cat/cut.png", "train/cat/00.png"),)
    assert "test/cat/cut.png (test) ~ train/cat/00.png (train)" in finding.message
    # It is named, not repaired: only a person knows whether these are one picture.
    assert "train/cat/00.png" in audit.dataset.ids


def test_joined_groups_are_a_column_to_split_by(photos: Path) -> None:
    save(scene(4).crop((8, 6, 160, 120)), photos / "cat/cut.png")
    done = CliRunner().invoke(app, ["audit", str(photos), "--groups-out", str(photos / "groups.csv")])
    assert done.exit_code == 0, done.output
    table = pl.read_csv(photos / "groups.csv")
    assert table.columns == ["image", "label", "split", "group"]
    group = dict(table.select("image", "group").iter_rows())
    assert group["cat/cut.png"] == group["cat/04.png"] == "cat/04.png"
    assert table["group"].n_unique() == len(table) - 1
    again = api.read(photos, Recipe().changed(data={"group_column": "group"})).table
    assert dict(again.select("id", "group").iter_rows()) == group


def test_groups_overwrite_only_groups(photos: Path, tmp_path: Path) -> None:
    """A wrong name must not cost the table of the data set."""
    mine, groups = photos / "metadata.csv", photos / "groups.csv"
    mine.write_text("image,patient\ncat/04.png,p1\n")
    refused = CliRunner().invoke(app, ["audit", str(photos), "--groups-out", str(mine)])
    assert refused.exit_code == 1
    assert "holds something else than groups, so it is not overwritten" in str(refused.exception)
    assert mine.read_text() == "image,patient\ncat/04.png,p1\n"
    for _ in range(2):
        done = CliRunner().invoke(app, ["audit", str(photos), "--groups-out", str(groups)])
        assert done.exit_code == 0, done.output


def test_a_near_copy_joins_the_groups_of_two_patients(tmp_path: Path) -> None:
    names = [f"{seed:02}.png" for seed in range(20)]
    for seed, name in enumerate(names):
        save(scene(0).resize((80, 60)) if seed == 1 else scene(seed), tmp_path / name)
    rows = [f"{name},{'ab'[seed // 2 % 2]},p{seed % 10}" for seed, name in enumerate(names)]
    (tmp_path / "t.csv").write_text("image,label,patient\n" + "\n".join(rows) + "\n")
    audit = api.audit(tmp_path, Recipe().changed(data={"group_column": "patient"}))
    api.write_groups(audit, tmp_path / "out.csv")
    group = dict(pl.read_csv(tmp_path / "out.csv").select("image", "group").iter_rows())
    assert {group[name] for name in ("00.png", "01.png", "10.png", "11.png")} == {"p0"}
    assert group["02.png"] == group["12.png"] == "p2"


@pytest.mark.shared
def test_the_shorts_under_two_labels_are_found(shared_data: Callable[[str], Path]) -> None:
    (finding,) = of(api.audit(shared_data("clothing")), "near_duplicates")
    pairs = [sorted(Path(image).name[:8] for image in ids) for ids in finding.groups]
    assert ["6075b4a5", "637a56e4"] in pairs
    assert len(pairs) <= 3


@pytest.mark.shared
def test_the_x_rays_of_two_patients_are_found_and_kept_together(
    shared_data: Callable[[str], Path],
) -> None:
    names = {"image_column": "filename", "label_column": "finding", "group_column": "patientid"}
    audit = api.audit(shared_data("covid-chestxray"), Recipe().changed(data=names))
    (finding,) = of(audit, "near_duplicates")
    assert finding.severity == "warning"
    patient = dict(audit.dataset.table.select("id", "group").iter_rows())
    assert [sorted(patient[image] for image in ids) for ids in finding.groups] == [["178", "97"]] * 4
    both = audit.dataset.table.filter(pl.col("group").is_in(["97", "178"]))
    assert both["split"].n_unique() == 1
