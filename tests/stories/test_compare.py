"""Comparing: two runs by what they said, or two recipes that are trained for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eighteen import Recipe, Run
from eighteen.api import compare_recipes, resume_compare
from eighteen.cli.compare import _recipes
from eighteen.core.errors import RecipeError
from eighteen.core.study import Study

RELIED_ON = {"verdict", "difference", "n", "images_needed", "seeds", "method"}


@pytest.fixture(scope="module")
def photos(paint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint(tmp_path_factory.mktemp("compare") / "photos", {"blue": 60, "red": 60})


@pytest.fixture(scope="module")
def study(small: Callable[..., Recipe], photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A recipe that learns against one whose rate is next to nothing."""
    out = tmp_path_factory.mktemp("compared") / "study"
    good, bad = small(**{"training.epochs": 3}), small(**{"training.epochs": 3, "optimizer.lr": 1e-7})
    compare_recipes(photos, out, bad, good, names=("idle", "learning"), seeds=2, folds=2)
    return Study.open(out)


def test_the_recipe_that_learns_is_ahead(study: Study) -> None:
    found = study.comparison
    assert found["difference"]["low"] <= found["difference"]["value"] <= found["difference"]["high"]
    assert found["difference"]["value"] > 0.1
    assert found["seeds"] == 2
    assert found["seed_sd"] is not None
    assert "learning" in found["sentence"] and "idle" in found["sentence"]
    page = (study.path / "report.html").read_text(encoding="utf-8")
    assert found["verdict"].capitalize() in page
    assert all(run.path.name in page for run in study.runs)


def test_one_training_each_of_a_model_that_learned_and_one_that_did_not(
    small: Callable[..., Recipe], photos: Path, tmp_path: Path
) -> None:
    good, bad = small(**{"training.epochs": 8}), small(**{"training.epochs": 1, "optimizer.lr": 1e-7})
    found = compare_recipes(photos, tmp_path / "study", bad, good, seeds=1, folds=2)
    assert found.verdict == "helps"
    assert found.seed_sd is None
    assert found.mcnemar_p is not None and found.mcnemar_p < 0.05


def test_both_were_scored_on_the_same_pictures_outside_the_test_split(study: Study) -> None:
    dataset = study.dataset
    outside = set(dataset.table.filter(dataset.table["split"] != "test")["id"])
    by_recipe: dict[str, set[str]] = {"a": set(), "b": set()}
    for run in study.runs:
        by_recipe[run.path.name[0]] |= set(run.predictions("held_out").rows["id"])
        assert not run.test_openings
    assert by_recipe == {"a": outside, "b": outside}
    assert study.comparison["n"] == len(outside)


def test_a_finished_study_is_read_and_not_trained_again(study: Study) -> None:
    before = {run.path: run.weights_path.stat().st_mtime_ns for run in study.runs}
    assert resume_compare(study.path).to_json() == study.comparison
    assert {run.path: run.weights_path.stat().st_mtime_ns for run in study.runs} == before


def test_two_runs_by_the_command(
    eighteen: Callable[..., Any], small: Callable[..., Recipe], pictures: Path, trained: Run, tmp_path: Path
) -> None:
    from eighteen import train

    other = train(pictures, tmp_path / "other", small(**{"seed": 1}))
    said = eighteen("compare", trained.path, other.path, "--json")
    assert said.code == 0, said.err
    assert set(said.json) >= RELIED_ON
    assert said.json["n"] == trained.dataset.split_counts["val"]
    assert said.json["verdict"] in ("helps", "hurts", "no difference that matters", "cannot tell")
    turned = eighteen("compare", other.path, trained.path, "--json")
    assert turned.json["difference"]["value"] == pytest.approx(-said.json["difference"]["value"])


def test_a_split_that_was_not_scored_is_named_with_the_way_to_score_it(
    eighteen: Callable[..., Any], trained: Run
) -> None:
    said = eighteen("compare", trained.path, trained.path, "--split", "test")
    assert said.code == 1
    assert f"eighteen evaluate {trained.path} --split test" in said.err


def test_what_cannot_be_compared_is_said_at_once(eighteen: Callable[..., Any], trained: Run) -> None:
    said = eighteen("compare", trained.path, trained.path)
    assert said.code == 1 and "would be compared with itself" in said.err
    said = eighteen("compare", trained.path, trained.path, "--split", "foo")
    assert said.code == 1 and "'foo'; expected one of train, val, test" in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["DATA"],
        ["RUN", "RUN", "--change", "seed=1"],
        ["RUN", "RUN", "--seeds", "3"],
        ["RUN", "RUN", "--folds", "5"],
        ["DATA", "--out", "OUT"],
        ["DATA", "--out", "OUT", "--change", "seed=1", "--split", "val"],
        ["DATA", "--out", "OUT", "--models", "resnet18,resnet34", "--split", "val"],
        ["RUN", "RUN", "RUN"],
        [
            "DATA",
            "--out",
            "OUT",
            "--recipe",
            "demo",
            "--recipe",
            "few-pictures",
            "--recipe",
            "small-pictures",
        ],
    ],
    ids=" ".join,
)
def test_command_lines_that_mean_nothing_are_usage_errors(
    arguments: list[str], eighteen: Callable[..., Any], photos: Path, trained: Run, tmp_path: Path
) -> None:
    words = {"DATA": photos, "RUN": trained.path, "OUT": tmp_path / "out"}
    said = eighteen("compare", *(words.get(each, each) for each in arguments))
    assert said.code == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("how", [("--change", "seed=1"), ("--models", "resnet18,resnet34")], ids=" ".join)
def test_a_margin_in_points_is_refused_before_anything_is_trained(
    how: tuple[str, str], eighteen: Callable[..., Any], photos: Path, tmp_path: Path
) -> None:
    weights = "--set", "model.weights=none"
    said = eighteen("compare", photos, "--out", tmp_path / "out", "--margin", "1", *how, *weights)
    assert said.code == 1 and "the margin is 1; expected a difference in accuracy above 0" in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("named", "change", "names", "widths"),
    [
        (
            ["few-pictures"],
            ["loss.label_smoothing=0"],
            ("few-pictures", "loss.label_smoothing=0"),
            (0.25, 0.25),
        ),
        (["few-pictures"], [], ("few-pictures", "default"), (0.25, 1.0)),
        ([], ["model.width=0.5"], ("default", "model.width=0.5"), (1.0, 0.5)),
        (
            ["demo", "few-pictures"],
            ["model.width=0.5"],
            ("demo", "few-pictures with model.width=0.5"),
            (1.0, 0.5),
        ),
    ],
)
def test_a_change_is_made_to_the_recipe_that_is_named(
    named: list[str], change: list[str], names: tuple[str, str], widths: tuple[float, float]
) -> None:
    found, recipes = _recipes(named, [], change, {}, {})
    assert found == names
    assert (recipes[0].model.width, recipes[1].model.width) == widths


def test_recipes_that_read_the_data_differently_are_refused(
    small: Callable[..., Recipe], photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="data sections"):
        compare_recipes(photos, tmp_path / "out", small(), small(**{"data.val_fraction": 0.3}))
