"""What each setting of augmentation does at its strength: the list of rows of an augmentation sheet.

A row says which setting it shows, and for three strengths which settings and which draws show it: everything
else stands still. Directions alternate between the pictures of a row, so that both can be seen. A setting
that is off is shown at a usual strength and marked as off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from eighteen.augmenting.draws import CROP_ATTEMPTS, Draw
from eighteen.core.recipe import AugmentSection

STRENGTHS = (1 / 3, 2 / 3, 1.0)
ONCE = (1.0,)
SHOWN = 1e-9
"""A draw that lets happen what has any probability at all."""

_LAST = 1.0 - 1e-9
"""The largest draw."""


@dataclass(frozen=True)
class Look:
    """One cell of a row.

    Attributes:
        caption: the strength, in words.
        settings: of `AugmentSettings`; all others are off.
        draws: of the positions that matter; all others stand in the middle.
    """

    caption: str
    settings: Mapping[str, Any]
    draws: Mapping[Draw, float] | Mapping[int, float]


Looks = Callable[[float, AugmentSection, float, float], Look]
"""`looks(value, section, strength, way)`: the setting's value, the recipe's section, how much of the value is
shown (0..1), and which way (-1 or 1)."""


@dataclass(frozen=True)
class Demonstration:
    """A row: a setting, and how to show it.

    Attributes:
        field: of the recipe's section `augment`.
        usual: a value to show where the setting is off.
        unit: how a value is written, a format.
        looks: makes a cell.
        counts: whether the value is a probability; what is shown is then what happens to those pictures.
        strengths: shares of the value that are shown.
    """

    field: str
    usual: float
    unit: str
    looks: Looks
    counts: bool = False
    strengths: tuple[float, ...] = STRENGTHS


def _swing(name: str, position: Draw, unit: str) -> Looks:
    """A setting that goes either way by up to its value."""

    def look(value: float, section: AugmentSection, strength: float, way: float) -> Look:
        draw = min(0.5 + 0.5 * way * strength, _LAST)
        return Look(_signed(way * strength * value, unit), {name: value}, {position: draw})

    return look


def _signed(value: float, unit: str) -> str:
    return ("+" if value > 0 else "-") + unit.format(abs(value))


def _crop(value: float, section: AugmentSection, strength: float, way: float) -> Look:
    """The part that a resized crop takes, from a corner."""
    share = 1.0 - strength * (1.0 - value)
    draws: dict[int, float] = {Draw.CROP_FIRST + 2 * n: 1.0 - strength for n in range(CROP_ATTEMPTS)}
    draws |= {Draw.LEFT: 0.5 - 0.5 * way * strength, Draw.TOP: 0.5 - 0.3 * strength}
    return Look(f"{share:.0%} of the area", {"crop": "resized", "crop_scale_min": value}, draws)


def _aspect(value: float, section: AugmentSection, strength: float, way: float) -> Look:
    ratio = value ** (way * strength)
    aspect = min(0.5 + 0.5 * way * strength, _LAST)
    draws: dict[int, float] = {Draw.CROP_FIRST + 2 * n + 1: aspect for n in range(CROP_ATTEMPTS)}
    settings = {"crop": "resized", "crop_scale_min": 0.5, "crop_aspect_max": value}
    return Look(f"width / height {ratio:.2f}", settings, draws)


def _pad(value: float, section: AugmentSection, strength: float, way: float) -> Look:
    draws = {Draw.LEFT: min(0.5 + 0.5 * way * strength, _LAST), Draw.TOP: 0.5 + 0.25 * way * strength}
    return Look(f"{strength * value:.1%} of the side", {"crop": "pad", "pad_fraction": value}, draws)


def _flip(name: str, position: Draw) -> Looks:
    def look(value: float, section: AugmentSection, strength: float, way: float) -> Look:
        return Look("mirrored", {name: 1.0}, {position: SHOWN})

    return look


def _shift(value: float, section: AugmentSection, strength: float, way: float) -> Look:
    draws = {Draw.SHIFT_X: min(0.5 + 0.5 * way * strength, _LAST), Draw.SHIFT_Y: 0.5 - 0.25 * way * strength}
    return Look(f"{strength * value:.1%} of the side", {"translate_fraction": value}, draws)


def _perspective(value: float, section: AugmentSection, strength: float, way: float) -> Look:
    inwards = (strength, strength, 0.0, 0.0, 0.0, 0.4 * strength, strength, 0.6 * strength)
    corners = inwards if way > 0 else inwards[4:] + inwards[:4]
    draws: dict[int, float] = {Draw.CORNERS + n: min(move, _LAST) for n, move in enumerate(corners)}
    return Look(f"corners by {strength * value:.2f}", {"perspective": value}, draws)


def _grey(value: float, section: AugmentSection, strength: float, way: float) -> Look:
    return Look("grey", {"grey": 1.0}, {Draw.GREY: SHOWN})


def _blur(value: float, section: AugmentSection, strength: float, way: float) -> Look:
    sigma_px = strength * section.blur_sigma_px
    draws = {Draw.BLUR: SHOWN, Draw.BLUR_SIGMA: _LAST}
    return Look(f"deviation {sigma_px:.1f} px", {"blur": 1.0, "blur_sigma_px": max(0.1, sigma_px)}, draws)


def _erasing(value: float, section: AugmentSection, strength: float, way: float) -> Look:
    area = max(0.02, strength * section.erasing_area_max)
    draws = {Draw.ERASING: SHOWN, Draw.ERASING_AREA: _LAST, Draw.ERASING_LEFT: 0.5 + 0.3 * way}
    return Look(f"{area:.0%} of the area", {"erasing": 1.0, "erasing_area_max": area}, draws)


def _cutout(value: float, section: AugmentSection, strength: float, way: float) -> Look:
    draws = {Draw.CUTOUT_LEFT: 0.5 + 0.2 * way, Draw.CUTOUT_TOP: 0.5}
    return Look(f"{strength * value:.0%} of the side", {"cutout": strength * value}, draws)


DEMONSTRATIONS: tuple[Demonstration, ...] = (
    Demonstration("crop_scale_min", 0.35, "{:.2f}", _crop),
    Demonstration("crop_aspect_max", 4 / 3, "{:.2f}", _aspect),
    Demonstration("pad_fraction", 0.125, "{:.3g}", _pad),
    Demonstration(
        "horizontal_flip", 0.5, "{:.0%}", _flip("horizontal_flip", Draw.FLIP_HORIZONTAL), True, ONCE
    ),
    Demonstration("vertical_flip", 0.5, "{:.0%}", _flip("vertical_flip", Draw.FLIP_VERTICAL), True, ONCE),
    Demonstration("rotation_degrees", 15, "{:.0f}°", _swing("rotation_degrees", Draw.ROTATION, "{:.0f}°")),
    Demonstration("zoom_fraction", 0.2, "{:.2f}", _swing("zoom_fraction", Draw.SCALE, "{:.0%}")),
    Demonstration("translate_fraction", 0.1, "{:.2f}", _shift),
    Demonstration("shear_degrees", 15, "{:.0f}°", _swing("shear_degrees", Draw.SHEAR_X, "{:.0f}°")),
    Demonstration("perspective", 0.4, "{:.2f}", _perspective),
    Demonstration("brightness", 0.3, "{:.2f}", _swing("brightness", Draw.BRIGHTNESS, "{:.0%}")),
    Demonstration("contrast", 0.3, "{:.2f}", _swing("contrast", Draw.CONTRAST, "{:.0%}")),
    Demonstration("saturation", 0.3, "{:.2f}", _swing("saturation", Draw.SATURATION, "{:.0%}")),
    Demonstration("hue", 0.1, "{:.2f}", _swing("hue", Draw.HUE, "{:.2f} turns")),
    Demonstration("grey", 0.2, "{:.0%}", _grey, True, ONCE),
    Demonstration("blur", 0.2, "{:.0%}", _blur, True),
    Demonstration("erasing", 0.25, "{:.0%}", _erasing, True),
    Demonstration("cutout", 0.4, "{:.2f}", _cutout),
)

POLICIES = {
    "trivial": "TrivialAugment Wide: one of 14 operations, any strength",
    "rand": "RandAugment: {n} of 14 operations at strength {m} of 30",
    "augmix": "AugMix: up to three chains, mixed with the picture, strength {m} of 30",
}
MIXES = ("mixup_alpha", "cutmix_alpha")


def fits(row: Demonstration, section: AugmentSection, channels: int) -> bool:
    """Whether a setting can act beside the crop and the channels of the recipe."""
    if row.field in ("crop_scale_min", "crop_aspect_max"):
        return section.crop == "resized"
    if row.field == "pad_fraction":
        return section.crop == "pad"
    if row.field == "zoom_fraction":
        return section.crop != "resized"
    return channels == 3 or row.field not in ("saturation", "hue", "grey")


def is_on(row: Demonstration, section: AugmentSection) -> bool:
    value = getattr(section, row.field)
    if row.field in ("crop_scale_min", "crop_aspect_max"):
        return bool(value != 1)
    return bool(value > 0)
