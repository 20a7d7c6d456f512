"""Cleaning: trained before and after on the same folds, judged by both sets of labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eighteen import Recipe
from eighteen.api import clean, resume_clean, review
from eighteen.core.errors import DatasetError, RecipeError, RunError
from eighteen.core.study import Study
from eighteen.evaluating.cleaning import Cleaning


@pytest.fixture(scope="module")
def photos(paint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two colours, and a quarter of the folder `blue` holds red pictures."""
    folder = paint(tmp_path_factory.mktemp("clean") / "photos", {"blue": 48, "red": 60})
    names = sorted(path.name for path in (folder / "red").iterdir())[:12]
    for number, name in enumerate(names):
        (folder / "red" / name).rename(folder / "blue" / f"wrong-{number}.png")
    return folder


@pytest.fixture(scope="module")
def decisions(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a careful person decides: every wrong label, two right ones looked at in vain, one dropped."""
    path = tmp_path_factory.mktemp("decided") / "corrections.csv"
    wrong = sorted(f"blue/{each.name}" for each in (photos / "blue").glob("wrong-*"))
    right = sorted(f"red/{each.name}" for each in (photos / "red").iterdir())
    lines = [f"{name},relabel,red" for name in wrong[:-1]] + [f"{wrong[-1]},drop,"]
    lines += [f"{name},keep," for name in right[:2]] + [f"{right[2]},unsure,"]
    path.write_text("path,action,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def done(
    small: Callable[..., Recipe], photos: Path, decisions: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Study, Cleaning]:
    out = tmp_path_factory.mktemp("cleaned") / "study"
    recipe = small(**{"training.epochs": 4, "data.test_fraction": 0.0})
    found = clean(photos, decisions, out, recipe, folds=2)
    return Study.open(out, "clean"), found


def test_the_corrected_side_learns_from_other_labels_and_the_same_pictures(
    done: tuple[Study, Cleaning],
) -> None:
    study, _ = done
    labels: dict[str, dict[str, str]] = {"before": {}, "after": {}}
    for run in study.runs:
        table = run.dataset.table
        labels[run.path.name.split("-")[0]] |= dict(table.select("id", "target").iter_rows())
    changed = {name for name, label in labels["after"].items() if labels["before"][name] != label}
    dropped = set(labels["before"]) - set(labels["after"])
    assert len(changed) == 11
    assert all(Path(name).name.startswith("wrong-") for name in changed | dropped)
    assert len(dropped) == 1


def test_each_picture_is_scored_by_trainings_that_never_saw_it(done: tuple[Study, Cleaning]) -> None:
    study, found = done
    for run in study.runs:
        held = set(run.predictions("held_out").rows["id"])
        assert not held & set(run.dataset.ids)
    assert found.uncorrected.n == len(study.dataset)
    assert found.corrected.n == len(study.dataset) - 1  # the dropped one is no truth to be judged by


def test_the_answer_tells_both_sides_and_what_was_worth_looking_at(done: tuple[Study, Cleaning]) -> None:
    study, found = done
    assert found.decisions == {"keep": 2, "relabel": 11, "drop": 1, "unsure": 1}
    assert found.flags is not None
    assert found.flags.value == pytest.approx(12 / 14)
    assert found.flags.n == 14
    difference = found.corrected.difference
    assert difference.value is not None and difference.value >= 0
    stored = study.comparison
    assert stored["difference"]["value"] == difference.value
    assert stored["uncorrected"]["difference"]["n"] == found.uncorrected.n
    page = (study.path / "report.html").read_text(encoding="utf-8")
    assert "Before and after cleaning" in page
    assert "By the labels as they were" in page


def test_a_finished_study_is_read_and_not_trained_again(done: tuple[Study, Cleaning]) -> None:
    study, found = done
    before = {run.path: run.weights_path.stat().st_mtime_ns for run in study.runs}
    assert resume_clean(study.path).to_json() == found.to_json()
    assert {run.path: run.weights_path.stat().st_mtime_ns for run in study.runs} == before


def test_a_review_of_the_study_shows_the_labels_that_its_trainings_contradict(
    done: tuple[Study, Cleaning],
) -> None:
    study, _ = done
    found = review(study.path)
    named = {row["path"] for row in found.suspects.rows() if row["finding"] == "surprising"}
    assert len({name for name in named if "wrong-" in name}) >= 6
    assert found.settings.test_fraction == 0.0, "it is read as the study read it"


def test_decisions_that_change_nothing_are_refused_before_any_training(
    photos: Path, small: Callable[..., Recipe], tmp_path: Path
) -> None:
    name = sorted((photos / "red").iterdir())[0].name
    for action, label in (("keep", ""), ("relabel", "red")):
        table = pl.DataFrame({"path": [f"red/{name}"], "action": [action], "label": [label]})
        table.write_csv(tmp_path / "nothing.csv")
        with pytest.raises(DatasetError, match="changes no label and drops no picture"):
            clean(photos, tmp_path / "nothing.csv", tmp_path / "study", small(), folds=2)
    assert not (tmp_path / "study").exists()


def test_other_corrections_of_the_recipe_are_refused(
    photos: Path, decisions: Path, small: Callable[..., Recipe], tmp_path: Path
) -> None:
    other = small(**{"data.corrections": "other.csv"})
    with pytest.raises(RecipeError, match=r"data\.corrections is other\.csv, .* expected one file: leave"):
        clean(photos, decisions, tmp_path / "study", other, folds=2)
    assert not (tmp_path / "study").exists()


def test_a_changed_copy_of_the_decisions_stops_the_resume(
    done: tuple[Study, Cleaning], tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    study, _ = done
    copy = study.path / "corrections.csv"
    whole = copy.read_bytes()
    try:
        copy.write_bytes(whole + b"red/x.png,drop,\n")
        with pytest.raises(RunError, match="not what the study began with"):
            resume_clean(study.path)
    finally:
        copy.write_bytes(whole)
    said = eighteen("clean", "--resume", study.path, "--json")
    assert said.code == 0, said.err
    assert set(said.json) >= {"verdict", "difference", "uncorrected", "flags", "decisions", "n", "method"}
