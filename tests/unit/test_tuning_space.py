"""The space of a search comes from the recipe's own limits, and refuses what the recipe refuses."""

from __future__ import annotations

import pytest

from eighteen.core.config import fields
from eighteen.core.errors import RecipeError
from eighteen.core.recipe import Recipe
from eighteen.tuning.space import (
    Parameter,
    changed_space,
    check_numbers,
    default_space,
    field_limits,
    point_of,
    value_of,
    with_point,
)

EXPLICIT = Recipe().changed(
    inputs={"channels": 3, "size": 32},
    model={"weights": "none"},
    optimizer={"lr": 0.05, "weight_decay": 5e-4, "layer_decay": 1.0},
    training={"batch_size": 32, "epochs": 10},
    schedule={"warmup_fraction": 0.2},
    augment={
        "crop": "pad",
        "crop_scale_min": 1.0,
        "rotation_degrees": 0.0,
        "zoom_fraction": 0.0,
        "brightness": 0.0,
        "contrast": 0.0,
        "saturation": 0.0,
        "erasing": 0.0,
    },
)
"""What a search is built around: every searched field has a value."""


def test_every_range_lies_within_the_recipes_limits_and_holds_the_default() -> None:
    space = default_space(EXPLICIT)
    assert {"optimizer.lr", "optimizer.weight_decay", "training.batch_size", "loss.label_smoothing"} <= {
        each.name for each in space
    }
    for each in space:
        assert each.name in fields()
        low, high, whole = field_limits(each.name)
        assert low <= each.low < each.high <= high and each.whole == whole, each
        assert each.low <= value_of(EXPLICIT, each.name) <= each.high, each
        for end in (each.low, each.high):
            if not (end == 0 and each.log):
                with_point(EXPLICIT, {each.name: round(end) if whole else end})


def test_rates_are_searched_by_their_logarithm() -> None:
    space = {each.name: each for each in default_space(EXPLICIT)}
    assert space["optimizer.lr"].log and space["optimizer.weight_decay"].log
    assert (space["optimizer.lr"].low, space["optimizer.lr"].high) == (0.005, 0.5)
    assert not space["loss.label_smoothing"].log


def test_what_changes_nothing_is_not_searched() -> None:
    names = {each.name for each in default_space(EXPLICIT)}
    assert "augment.crop_scale_min" not in names and "optimizer.layer_decay" not in names
    grey = EXPLICIT.changed(inputs={"channels": 1}, augment={"crop": "resized"})
    names = {each.name for each in default_space(grey)}
    assert "augment.saturation" not in names and "augment.zoom_fraction" not in names
    assert "augment.crop_scale_min" in names


def test_the_user_narrows_widens_adds_and_leaves_out() -> None:
    space = changed_space(
        default_space(EXPLICIT), ["optimizer.lr=0.001..1", "inputs.fit=squash,crop"], EXPLICIT
    )
    chosen = {each.name: each for each in space}
    assert (chosen["optimizer.lr"].low, chosen["optimizer.lr"].high, chosen["optimizer.lr"].log) == (
        0.001,
        1,
        True,
    )
    assert chosen["inputs.fit"].choices == ("squash", "crop")
    assert "loss.label_smoothing" in chosen
    alone = changed_space(space, ["none", "training.batch_size=8..64"], EXPLICIT)
    assert [str(each) for each in alone] == ["training.batch_size = 8..64"]
    assert alone[0].whole


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("optimizer.lr=0.1..20", "optimizer.lr = 20"),
        ("optimizer.lr=0.1..0.01", "smaller one first"),
        ("optimizer.rate=0.1..1", "did you mean"),
        ("inputs.fit=squash,stretch", "stretch"),
        ("optimizer.lr", "field=low..high or field=a,b,c"),
        ("data.val_fraction=0.1..0.3", "data.val_fraction would change nothing"),
        ("data.split_seed=0,1,2", "before the search.*--set data.split_seed=VALUE"),
        ("none", "the space is empty"),
        ("inputs.mean=[0.5]", "inputs.mean holds a list or a table"),
        ('training.teacher=["itself"]', "training.teacher holds a list or a table"),
        ("training.freeze_until={backbone=1}", "training.freeze_until holds a list or a table"),
    ],
)
def test_what_the_recipe_refuses_is_refused(text: str, told: str) -> None:
    with pytest.raises(RecipeError, match="(?s)" + told.replace("..", r"\.\.").replace("(", r"\(")):
        changed_space(default_space(EXPLICIT), [text], EXPLICIT)


def test_a_range_around_no_number_is_refused_before_the_search() -> None:
    space = changed_space((), ["training.budget_minutes=1..5", "loss.label_smoothing=0..0.2"], EXPLICIT)
    with pytest.raises(RecipeError, match=r"training.budget_minutes is None here"):
        check_numbers(space, EXPLICIT)
    check_numbers(space[1:], EXPLICIT)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(RecipeError, match=r"(?s)lr = 20.*fit = .stretch"):
        changed_space((), ["optimizer.lr=0.1..20", "inputs.fit=squash,stretch"], EXPLICIT)


def test_a_point_goes_into_the_recipe_and_comes_back() -> None:
    space = default_space(EXPLICIT)
    point = {**point_of(EXPLICIT, space), "optimizer.lr": 0.02, "training.batch_size": 16}
    made = with_point(EXPLICIT, point)
    assert (made.optimizer.lr, made.training.batch_size) == (0.02, 16)
    assert point_of(made, space) == point


def test_shares_are_the_inverse_of_values() -> None:
    for parameter in (
        Parameter("a", 0.001, 1.0, log=True),
        Parameter("b", 2.0, 5.0),
        Parameter("c", 8, 128, log=True, whole=True),
    ):
        for share in (0.0, 0.25, 0.5, 1.0):
            value = parameter.at(share)
            assert parameter.low <= float(value) <= parameter.high
            assert parameter.at(parameter.share(value)) == pytest.approx(value)
        assert Parameter.from_json(parameter.to_json()) == parameter


def test_a_grid_takes_choices_whole_and_three_values_of_a_range() -> None:
    assert Parameter("a", 0.01, 1.0, log=True).grid == (0.01, 0.1, 1.0)
    assert Parameter("b", choices=("x", "y")).grid == ("x", "y")
