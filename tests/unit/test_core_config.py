"""Recipes from files, names and settings; all mistakes at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from eighteen.core.config import fields, load_recipe, recipe_from_json, recipe_names
from eighteen.core.errors import RecipeError
from eighteen.core.recipe import Recipe, Section


@pytest.mark.parametrize(
    ("setting", "field", "value"),
    [
        ("training.epochs=3", "training.epochs", 3),
        ("training.epochs = 3", "training.epochs", 3),
        ("optimizer.lr=1e-3", "optimizer.lr", 0.001),
        ("model.shortcut=false", "model.shortcut", False),
        ("model.blocks=[1, 2, 3, 4]", "model.blocks", (1, 2, 3, 4)),
        ("model.weights=none", "model.weights", "none"),
        ("model.weights=/a b/c.pt", "model.weights", "/a b/c.pt"),
        ('model.weights="x"', "model.weights", "x"),
        ("augment.crop=pad", "augment.crop", "pad"),
        ("training.budget_minutes=none", "training.budget_minutes", None),
        ("data.group_column=none", "data.group_column", None),
        ("data.group_column=patient", "data.group_column", "patient"),
        ('data.accept=["leakage"]', "data.accept", ("leakage",)),
        ("seed=4", "seed", 4),
    ],
)
def test_settings(setting: str, field: str, value: object) -> None:
    recipe = load_recipe(None, [setting])
    section, _, key = field.rpartition(".")
    assert getattr(getattr(recipe, section) if section else recipe, key) == value


def test_later_settings_win_over_earlier_and_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[training]\nepochs = 3\nbatch_size = 5\n", encoding="utf-8")
    recipe = load_recipe(path, ["training.epochs=4", "training.epochs=5"])
    assert (recipe.training.epochs, recipe.training.batch_size) == (5, 5)


def test_all_problems_are_told_at_once() -> None:
    settings = [
        "training.epoch=3",
        "optimizer.lr=-1",
        "augment.crop=zoom",
        "x",
        "a.b.c=1",
        "seed.x=1",
        "seeed=1",
    ]
    with pytest.raises(RecipeError) as refused:
        load_recipe(None, settings)
    message = str(refused.value)
    assert message.startswith("7 problems in the recipe: ")
    for words in (
        "training.epoch is no setting (did you mean training.epochs?)",
        "optimizer.lr = -1, but it should be greater than 0",
        "augment.crop = \"zoom\", but it should be 'none', 'pad' or 'resized'",
        "--set x: expected section.key=value",
        "--set a.b.c=1: expected section.key=value",
        "seeed is no setting (did you mean seed?)",
    ):
        assert words in message, message
    assert "\n" not in message


def test_a_key_in_the_wrong_section_is_found() -> None:
    with pytest.raises(RecipeError, match=r"did you mean training\.epochs\?"):
        load_recipe(None, ["model.epochs=3"])


@pytest.mark.parametrize("content", [b"[training\n", b"\xff\xfe\x00"])
def test_files_that_are_no_toml(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match="no TOML file"):
        load_recipe(path)


def test_recipes_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        load_recipe(tmp_path / "none.toml")
    with pytest.raises(RecipeError, match="did you mean 'demo'"):
        load_recipe("dmeo")
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        load_recipe(tmp_path)


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_that_ship_are_valid(name: str) -> None:
    assert isinstance(load_recipe(name), Recipe)


def test_a_stored_recipe_comes_back() -> None:
    recipe = load_recipe("demo", ["model.blocks=[1,1,1,1]", "data.accept=['a']"])
    assert recipe_from_json(recipe.to_json()) == recipe


def test_every_field_is_described() -> None:
    known = fields()
    assert len(known) > 60
    for name, field in known.items():
        assert len(field["description"]) > 5, name
        assert "schema" in field


def test_reading_a_recipe_does_not_wait_for_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **keywords: object) -> None:
        raise AssertionError("a schema was made")

    monkeypatch.setattr(Section, "model_json_schema", classmethod(refuse))
    assert load_recipe(None, ["data.group_column=none"]).data.group_column is None
    with pytest.raises(RecipeError, match=r"did you mean training\.epochs"):
        load_recipe(None, ["training.epoch=3"])


def test_fields_are_found_once_and_stay_as_they_are() -> None:
    known = fields()
    assert fields() is known
    with pytest.raises(TypeError):
        known["training.epochs"]["default"] = 3  # type: ignore[index]
    with pytest.raises(TypeError):
        known["other"] = {}  # type: ignore[index]


def test_settings_that_contradict_each_other_are_told_in_one_sentence() -> None:
    with pytest.raises(RecipeError) as refused:
        load_recipe(None, ["data.resplit=true", "data.splits_from=runs/a"])
    assert str(refused.value) == (
        "the recipe: splits_from takes splits over and resplit makes new ones; give one of them"
    )
