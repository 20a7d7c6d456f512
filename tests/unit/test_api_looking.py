"""The checks that need a model, composed: what they read, what they leave alone, and what the ledger says."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from eighteen import api
from eighteen.auditing import Audit
from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError, EighteenError, RunError
from eighteen.core.predictions import Predictions
from eighteen.core.recipe import Recipe
from eighteen.core.study import Study
from eighteen.evaluating.ledger import openings

WRONG = "train/a/03.png"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes by colour, one wrong label in train and one in test."""
    generator = np.random.default_rng(0)
    for split, count in (("train", 20), ("val", 6), ("test", 20)):
        for number in range(count):
            for name in "ab":
                red = (name == "a") != (number == 3 and split in ("train", "test") and name == "a")
                colour = (200, 40, 40) if red else (40, 40, 200)
                pixels = np.clip(generator.normal(colour, 20, (16, 16, 3)), 0, 255).astype(np.uint8)
                place = tmp_path / "photos" / split / name / f"{number:02}.png"
                place.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(place)
    return tmp_path / "photos"


def study_of(photos: Path, path: Path, kind: str = "crossval") -> Path:
    """A finished study whose model goes by colour."""
    found = api.audit(photos).dataset
    known = found.with_table(found.table.filter(found.table["split"] != "test"))
    with Study.creating(path, kind, {}) as study:
        study.save_dataset(found)
        if kind == "crossval":
            study.save_predictions(by_colour(known))
    return path


def by_colour(dataset: Dataset) -> Predictions:
    red = [np.asarray(Image.open(dataset.file(path)))[..., 0].mean() > 120 for path in dataset.table["path"]]
    logits = np.where(np.array(red)[:, None], [3.0, 0.0], [0.0, 3.0]).astype(np.float32)
    rows = dataset.table.select("id", "path", "target", "split", "group").with_columns(
        predicted=pl.Series(["ba"[int(each)] for each in red]), score=0.95, fold=0, seed=0
    )
    return Predictions(rows, {"logits": logits}, dataset.class_names, len(rows))


def named(found: Audit) -> list[tuple[str, ...]]:
    return [finding.images for finding in found.findings if finding.check == "label_errors"]


def test_a_study_names_wrong_labels_outside_the_test_split(photos: Path, tmp_path: Path) -> None:
    found = api.audit(photos, labels_from=study_of(photos, tmp_path / "study"))
    assert named(found) == [(WRONG,)]
    assert openings(found.dataset) == []


def test_frozen_looks_tell_the_test_split_only_when_asked(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_at_colours(monkeypatch)
    recipe = Recipe()
    found = api.audit(photos, recipe, frozen=True)
    assert named(found) == [(WRONG,)] and openings(found.dataset) == []
    asked = api.audit(photos, recipe, frozen=True, test_labels=True)
    looked = [finding.message for finding in asked.findings if finding.check == "label_errors"]
    assert len(looked) == 2 and "of 52" in looked[0] and "of 40" in looked[1]
    assert set(named(asked)[1]) <= {"test/a/03.png"}
    (opening,) = openings(asked.dataset)
    assert opening["purpose"] == "audit of its labels"


def look_at_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen features are mean colours, so that no network is needed."""
    from eighteen.training import frozen

    def colours(reader: object, dataset: Dataset, progress: object = None) -> np.ndarray:
        files = [
            np.asarray(Image.open(dataset.file(path))).mean(axis=(0, 1)) for path in dataset.table["path"]
        ]
        return np.asarray(files, np.float32)

    monkeypatch.setattr(frozen, "frozen_reader", lambda *_: None)
    monkeypatch.setattr(frozen, "frozen_features", colours)


def grouped(photos: Path, groups: int) -> Dataset:
    """Pictures of train and val in so many groups, with the wrong label among them; those of test alone."""
    found = api.audit(photos).dataset
    names, seen = [], 0
    for split in found.table["split"]:
        names.append("alone" if split == "test" else f"farm {seen % groups}")
        seen += split != "test"
    return found.with_columns(group=names)


@pytest.mark.parametrize("groups", [2, 3, 4])
def test_frozen_looks_take_as_many_folds_as_there_are_groups(
    groups: int, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_at_colours(monkeypatch)
    monkeypatch.setattr("eighteen.api.looking.LEAST_IMAGES", 50)
    found = api.audit(grouped(photos, groups), frozen=True, test_labels=True)
    assert named(found)[0] == (WRONG,)
    assert "enough" not in {finding.check for finding in found.findings}


def test_frozen_looks_at_one_group_say_what_to_do(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look_at_colours(monkeypatch)
    said = "all 52 pictures to learn from are of one group.*expected 2 groups or more.*--group-column"
    with pytest.raises(DatasetError, match=said):
        api.audit(grouped(photos, 1), frozen=True)


def test_a_class_that_only_one_group_shows_is_not_judged(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_at_colours(monkeypatch)
    found = grouped(photos, 3)
    rows = zip(found.table["target"], found.table["group"], strict=True)
    alone = found.with_columns(group=["farm b" if target == "b" else group for target, group in rows])
    looked = [each for each in api.audit(alone, frozen=True).findings if each.check == "label_errors"]
    assert any("one group" in each.message and each.message.endswith("b") for each in looked)
    assert not any(image.startswith(("train/b", "val/b")) for each in looked for image in each.images)


def test_what_cannot_be_asked_is_said(photos: Path, tmp_path: Path) -> None:
    study = study_of(photos, tmp_path / "study")
    with pytest.raises(DatasetError, match="a model looks at labels: give --labels-from"):
        api.audit(photos, test_labels=True)
    with pytest.raises(RunError, match="is a study, which leaves the test split out"):
        api.audit(photos, labels_from=study, test_labels=True)
    with pytest.raises(RunError, match="is neither a study nor a run"):
        api.audit(photos, labels_from=tmp_path)
    with pytest.raises(RunError, match="was made by eighteen compare"):
        api.audit(photos, labels_from=study_of(photos, tmp_path / "other", "compare"))
    found = api.audit(photos).dataset
    renamed = replace(by_colour(found), class_names=("x", "y"))
    Study(study).save_predictions(renamed)
    with pytest.raises(EighteenError, match="the predictions are of the classes x, y"):
        api.audit(photos, labels_from=study)


def test_no_torch_without_frozen_features(photos: Path, tmp_path: Path) -> None:
    study = study_of(photos, tmp_path / "study")
    code = (
        "import sys; from eighteen import api; "
        f"api.audit({str(photos)!r}); assert 'cleanlab' not in sys.modules; "
        f"api.audit({str(photos)!r}, labels_from={str(study)!r}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
