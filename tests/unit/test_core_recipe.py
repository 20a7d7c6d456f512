"""The recipe's limits are real: the values just outside are refused, those on the edge taken."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from eighteen.core.config import fields
from eighteen.core.recipe import Recipe


def numeric_limits() -> list[tuple[str, float, bool]]:
    """Each field's limits, with values on either side: name, value, whether it is allowed."""
    cases = []
    for name, field in fields().items():
        for schema in field["schema"].get("anyOf", [field["schema"]]):
            step = 1 if schema.get("type") == "integer" else 1e-6
            for key, sign in (("minimum", -1), ("maximum", 1)):
                if key in schema:
                    cases += [(name, schema[key], True), (name, schema[key] + sign * step, False)]
            for key, sign in (("exclusiveMinimum", -1), ("exclusiveMaximum", 1)):
                if key in schema:
                    cases += [(name, schema[key], False), (name, schema[key] - sign * step, True)]
    return cases


def made(name: str, value: Any) -> Recipe:
    section, _, key = name.rpartition(".")
    return Recipe.model_validate({section: {key: value}} if section else {key: value})


@pytest.mark.parametrize(("name", "value", "allowed"), numeric_limits())
def test_limits(name: str, value: float, allowed: bool) -> None:
    if allowed:
        made(name, value)
    else:
        with pytest.raises(ValidationError):
            made(name, value)


def test_limits_are_declared() -> None:
    assert len(numeric_limits()) > 100


def test_it_is_frozen_and_changed_gives_another() -> None:
    recipe = Recipe()
    with pytest.raises(ValidationError):
        recipe.seed = 3  # type: ignore[misc]
    with pytest.raises(ValidationError):
        recipe.training.epochs = 3  # type: ignore[misc]
    changed = recipe.changed(training={"epochs": 3}, augment={"crop": "pad"})
    assert recipe.training.epochs == "auto"
    assert (changed.training.epochs, changed.augment.crop) == (3, "pad")
    with pytest.raises(ValidationError):
        recipe.changed(training={"epochs": 0})


def test_autos_are_named() -> None:
    assert "training.epochs" in Recipe().autos()
    assert "training.epochs" not in Recipe().changed(training={"epochs": 3}).autos()


@pytest.mark.parametrize("mean", [(0.5,), (0.5, 0.5, 0.5)])
def test_mean_and_deviation_go_together(mean: tuple[float, ...]) -> None:
    inputs = {"mean": mean, "std": (0.2,) * (4 - len(mean))}
    with pytest.raises(ValidationError, match="give one a channel"):
        Recipe.model_validate({"inputs": inputs})
