"""Weights of a run must not know what a training from them is measured by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eighteen import api
from eighteen.core.dataset import Dataset
from eighteen.core.errors import RecipeError
from eighteen.core.inputs import InputSpec
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.training import planning
from eighteen.training.unseen import check_weights, check_weights_of_study, learned_by
from tabular import dataset_of

NAMES = tuple("abcdefgh")


def made(path: Path, dataset: Dataset, weights: str = "none") -> Run:
    """A run as far as its weights are asked about."""
    with Run.creating(path, dataset.task) as staging:
        staging.save_recipe(from_weights(weights), {})
        staging.save_dataset(dataset)
        staging.save_inputs(InputSpec(size=8))
        (staging.path / "weights.safetensors").write_bytes(b"weights")
    return Run.open(path)


def from_weights(weights: object) -> Recipe:
    return Recipe().changed(model={"weights": str(weights)})


def pictures(splits: str, names: tuple[str, ...] = NAMES) -> Dataset:
    """One picture a letter: t rain, v al or T est."""
    split = [{"t": "train", "v": "val", "T": "test"}[letter] for letter in splits]
    return dataset_of([("cat", "dog")[row % 2] for row in range(len(splits))], split, names=names)


@pytest.mark.parametrize("named", ["folder", "file"])
@pytest.mark.parametrize("splits", ["ttttvvtt", "ttttTTtt"])
def test_weights_that_know_validation_or_test_are_refused(named: str, splits: str, tmp_path: Path) -> None:
    run = made(tmp_path / "run", pictures("ttttttvT"))
    weights = from_weights(run.path if named == "folder" else run.weights_path)
    with pytest.raises(RecipeError) as refused:
        planning.plan(weights, pictures(splits))
    said = str(refused.value)
    assert "have learned from 2 pictures that are validation or test here (e, f)" in said
    assert f"--splits-from {run.path}" in said


def test_weights_that_know_training_pictures_alone_are_taken(tmp_path: Path) -> None:
    run = made(tmp_path / "run", pictures("ttttttvT"))
    check_weights(from_weights(run.path), pictures("ttttttvT"))
    check_weights(from_weights(run.path), pictures("ttvT", ("a", "b", "new", "other")))
    (tmp_path / "elsewhere.safetensors").write_bytes(b"weights")
    check_weights(from_weights(tmp_path / "elsewhere.safetensors"), pictures("vvvvTTTT"))
    check_weights(from_weights("none"), pictures("vvvvTTTT"))


def test_what_earlier_runs_have_learned_counts_too(tmp_path: Path) -> None:
    first = made(tmp_path / "first", pictures("tttvvTTT"))
    second = made(tmp_path / "second", pictures("tt", ("x", "y")), str(first.weights_path))
    assert learned_by(second) == {"a", "b", "c", "x", "y"}
    with pytest.raises(RecipeError, match=r"learned from 1 pictures that are validation or test here \(c\)"):
        check_weights(from_weights(second.path), pictures("ttvttttt"))


def test_a_run_that_took_the_place_of_its_own_beginning_is_looked_at_once(tmp_path: Path) -> None:
    run = made(tmp_path / "run", pictures("ttttttvT"), str(tmp_path / "run"))
    assert learned_by(run) == set("abcdef")


def test_a_study_refuses_weights_that_know_what_it_holds_out(tmp_path: Path) -> None:
    run = made(tmp_path / "run", pictures("ttttttvT"))
    check_weights_of_study(from_weights(run.path), pictures("ttTT", ("x", "y", "a", "b")))
    with pytest.raises(RecipeError, match=r"from 1 of the pictures that are to be held out here \(a\)"):
        check_weights_of_study(from_weights(run.path), pictures("ttTT", ("x", "a", "y", "b")))


@pytest.mark.parametrize("command", ["crossval", "compare", "compare_models", "tune", "climb", "clean"])
def test_studies_look_before_they_are_there(command: str, tmp_path: Path) -> None:
    data = drawn(tmp_path / "data")
    known = api.audit(data).dataset
    recipe, out = from_weights(made(tmp_path / "run", known).path), tmp_path / "study"
    corrections = tmp_path / "corrections.csv"
    calls = {
        "crossval": lambda: api.crossval(data, out, recipe, folds=2),
        "compare": lambda: api.compare_recipes(data, out, Recipe(), recipe),
        "compare_models": lambda: api.compare_models(data, out, ["resnet18", "resnet34"], recipe),
        "tune": lambda: api.tune(data, out, recipe, trials=2),
        "climb": lambda: api.climb(data, out, recipe),
        "clean": lambda: api.clean(data, corrections, out, recipe),
    }
    corrections.write_text("path,action\ncat/0.png,drop\n")
    with pytest.raises(RecipeError, match="that are to be held out here"):
        calls[command]()
    assert not out.exists()


def drawn(folder: Path) -> Path:
    """Eight pictures of noise in each of two classes."""
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(8):
            pixels = random.integers(0, 255, (16, 16, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder
