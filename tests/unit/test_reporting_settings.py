"""The recipe of a report can be read back, and its command is what the command line takes."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from eighteen.core.config import load_recipe
from eighteen.core.recipe import Recipe
from eighteen.reporting.settings import recipe_toml, settings, train_command


def changed() -> Recipe:
    return load_recipe(
        None,
        [
            'data.label_column="a \\"quoted\\" 猫"',
            'data.accept=["leak", "balance"]',
            "inputs.mean=[0.5, 0.25, 1e-05]",
            "inputs.std=[0.5, 0.25, 0.125]",
            "training.channels_last=true",
            "evaluation.open_test=true",
            "model.name=resnet18d.ra2_in1k",
            "seed=3",
        ],
    )


@pytest.mark.parametrize("recipe", [Recipe(), changed()])
def test_the_recipe_file_gives_the_recipe_back(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_toml(recipe), encoding="utf-8")
    assert load_recipe(path) == recipe


def test_the_recipe_file_has_no_budget(tmp_path: Path) -> None:
    recipe = Recipe().changed(training={"budget_minutes": 10, "epochs": 4})
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_toml(recipe), encoding="utf-8")
    assert load_recipe(path) == recipe.changed(training={"budget_minutes": None})


def test_the_settings_of_the_command_give_the_recipe_back() -> None:
    recipe = changed()
    words = shlex.split(train_command(recipe, {}, "my data"))
    assert words[:5] == ["eighteen", "train", "my data", "--out", "NEW_RUN"]
    given = [words[k + 1] for k, word in enumerate(words) if word == "--set"]
    flags = {word: words[k + 1] for k, word in enumerate(words) if word in ("--model", "--seed")}
    assert flags == {"--model": "resnet18d.ra2_in1k", "--seed": "3"}
    assert "--test" in words
    given += ["evaluation.open_test=true", "model.name=resnet18d.ra2_in1k", "seed=3"]
    assert load_recipe(None, given) == recipe


def test_what_was_chosen_is_not_in_the_command() -> None:
    recipe = Recipe().changed(training={"epochs": 4, "budget_minutes": 2.5})
    command = train_command(recipe, {"training.epochs": "fitted to the budget"}, "data")
    assert command == "eighteen train data --out NEW_RUN --budget 2.5m --seed 0"


def test_every_setting_is_listed_with_its_meaning() -> None:
    rows = settings(Recipe(), {})
    assert len(rows) == len({row.name for row in rows})
    assert all(row.description and row.origin == "default" for row in rows)
