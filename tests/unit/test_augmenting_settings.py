"""Augmentation settings refuse what cannot be done, all problems in one message."""

from __future__ import annotations

import dataclasses

import pytest

from eighteen.augmenting.settings import _CHOICES, LIMITS, AugmentSettings
from eighteen.core.config import fields
from eighteen.core.errors import RecipeError


def test_the_defaults_change_nothing() -> None:
    settings = AugmentSettings()
    assert not settings.jitters_colour and not settings.bends_geometry
    assert settings.crop == "none" and settings.horizontal_flip == settings.erasing == 0


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_each_number_keeps_its_limits(name: str) -> None:
    low, high = LIMITS[name]
    for allowed in (low, high):
        assert getattr(AugmentSettings(**{name: allowed}), name) == allowed
    for wrong in (low - 0.01, high + 0.01, float("nan"), float("inf"), "much"):
        with pytest.raises(RecipeError, match=rf"{name} is {wrong!r}, expected {low} to {high}; change it"):
            AugmentSettings(**{name: wrong})  # type: ignore[arg-type]


def test_every_number_has_limits() -> None:
    numbers = {f.name for f in dataclasses.fields(AugmentSettings) if type(f.default) in (int, float)}
    assert numbers == set(LIMITS)


@pytest.mark.parametrize("name", sorted(field.name for field in dataclasses.fields(AugmentSettings)))
def test_the_recipe_has_the_same_names_limits_and_defaults(name: str) -> None:
    """What the settings refuse is told by the name and within the limits that the user knows."""
    theirs = fields()[f"augment.{name}"]
    kinds = theirs["schema"].get("anyOf", [theirs["schema"]])
    if name in LIMITS:
        assert [(each["minimum"], each["maximum"]) for each in kinds if "maximum" in each] == [LIMITS[name]]
    if name in _CHOICES:
        assert [tuple(each["enum"]) for each in kinds if "enum" in each] == [_CHOICES[name]]
    if theirs["default"] != "auto":
        assert getattr(AugmentSettings(), name) == theirs["default"]


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        AugmentSettings(crop="middle", hue=3.0, erasing=-1.0, fill="black")  # type: ignore[arg-type]
    for word in (
        "crop is 'middle'",
        "hue is 3.0",
        "erasing is -1.0",
        "fill is 'black'",
        "reflect, background",
    ):
        assert word in str(caught.value)


def test_a_zoom_that_would_do_nothing_is_refused() -> None:
    with pytest.raises(
        RecipeError, match=r"zoom_fraction is 0\.2 beside crop 'resized'.*set zoom_fraction to 0"
    ):
        AugmentSettings(crop="resized", zoom_fraction=0.2)
