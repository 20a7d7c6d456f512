"""Which changes a training picture may get, and how strong.

A value with everything off by default: what is not asked for is not done. Limits are data, so that one table
feeds the check and its message, and all problems are told at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from eighteen.augmenting.blurring import SMALLEST_SIGMA_PX
from eighteen.core.errors import RecipeError

Crop = Literal["none", "pad", "resized"]
Fill = Literal["reflect", "background"]
Policy = Literal["none", "trivial", "rand", "augmix"]

SMALLEST_ERASED_FRACTION = 0.02
"""Smallest area that random erasing takes (Zhong et al. 2017)."""

LIMITS: dict[str, tuple[float, float]] = {
    "crop_scale_min": (0.05, 1.0),
    "crop_aspect_max": (1.0, 3.0),
    "pad_fraction": (0.0, 0.5),
    "horizontal_flip": (0.0, 1.0),
    "vertical_flip": (0.0, 1.0),
    "rotation_degrees": (0.0, 180.0),
    "zoom_fraction": (0.0, 0.5),
    "translate_fraction": (0.0, 0.5),
    "shear_degrees": (0.0, 45.0),
    "perspective": (0.0, 0.9),
    "brightness": (0.0, 1.0),
    "contrast": (0.0, 1.0),
    "saturation": (0.0, 1.0),
    "hue": (0.0, 0.5),
    "grey": (0.0, 1.0),
    "blur": (0.0, 1.0),
    "blur_sigma_px": (SMALLEST_SIGMA_PX, 10.0),
    "erasing": (0.0, 1.0),
    "erasing_area_max": (SMALLEST_ERASED_FRACTION, 0.6),
    "cutout": (0.0, 1.0),
    "policy_operations": (1, 5),
    "policy_magnitude": (0, 30),
}
"""Smallest and largest value of each number, both allowed: those of the recipe's section `augment`."""

_CHOICES: dict[str, tuple[str, ...]] = {
    "crop": ("none", "pad", "resized"),
    "fill": ("reflect", "background"),
    "policy": ("none", "trivial", "rand", "augmix"),
}


@dataclass(frozen=True)
class AugmentSettings:
    """What may happen to a training picture; every default means "leave it alone".

    Attributes:
        crop: `none` keeps the view of validation; `pad` shifts that view by whole pixels; `resized` takes a
            random part of the original picture and resizes it (random resized crop).
        crop_scale_min: smallest share of the original's area that `resized` takes; the largest is 1.
        crop_aspect_max: the part's width / height, in original pixels, lies in 1/this .. this (`resized`).
        pad_fraction: largest shift, as a share of the view's side (`pad`).
        horizontal_flip: probability of swapping left and right.
        vertical_flip: probability of swapping top and bottom.
        rotation_degrees: turns by up to this much either way, about the view's middle.
        zoom_fraction: enlarges by a factor in 1 - this .. 1 + this (`none` and `pad`).
        flip_alternates: whether the draw of the left-right flip swings from turn to turn of a picture, so
            that at 0.5 it is mirrored in every second one (Jordan 2024).
        translate_fraction: shifts by up to this share of the side, in x and y.
        shear_degrees: slants by up to this much either way, in x and y.
        perspective: moves each corner inwards by up to this share of half the side.
        brightness: strength; the factor lies in 1 - this .. 1 + this.
        contrast: strength, about the picture's mean grey.
        saturation: strength, about each pixel's grey.
        hue: largest turn of the colour circle, as a share of a full turn.
        grey: probability that all colour is taken out.
        blur: probability of a Gaussian blur.
        blur_sigma_px: its largest standard deviation, pixels of the network's input; the smallest is 0.1.
        erasing: probability that a rectangle is erased.
        erasing_area_max: largest share of the view that is erased; the smallest is 0.02.
        cutout: side of the square that every picture loses, as a share of the view's side; its middle lies
            anywhere in the view (DeVries and Taylor 2017).
        policy: see `policies`.
        policy_operations: how many operations `rand` does.
        policy_magnitude: strength of `rand` in steps up to 30; a third of it is the severity of `augmix`.
        fill: what lies outside the picture: its mirror image (good for photographs) or the background colour
            (good for signs and digits on an even ground).

    Raises:
        RecipeError: values outside their limits; all of them are named.

    >>> AugmentSettings(hue=2.0)
    Traceback (most recent call last):
        ...
    eighteen.core.errors.RecipeError: augmentation: hue is 2.0, expected 0.0 to 0.5; change it
    """

    crop: Crop = "none"
    crop_scale_min: float = 0.35
    crop_aspect_max: float = 4 / 3
    pad_fraction: float = 0.125
    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0
    rotation_degrees: float = 0.0
    flip_alternates: bool = False
    zoom_fraction: float = 0.0
    translate_fraction: float = 0.0
    shear_degrees: float = 0.0
    perspective: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    grey: float = 0.0
    blur: float = 0.0
    blur_sigma_px: float = 2.0
    erasing: float = 0.0
    erasing_area_max: float = 0.25
    cutout: float = 0.0
    policy: Policy = "none"
    policy_operations: int = 2
    policy_magnitude: int = 9
    fill: Fill = "reflect"

    def __post_init__(self) -> None:
        problems = [*self._outside_limits(), *self._contradictions()]
        if problems:
            raise RecipeError("augmentation: " + "; ".join(problems))

    @property
    def jitters_colour(self) -> bool:
        return max(self.brightness, self.contrast, self.saturation, self.hue, self.grey) > 0

    @property
    def bends_geometry(self) -> bool:
        """Whether pixels land between the pixels of the plain view, so that resampling is needed."""
        return self.crop == "resized" or self.moves_view

    @property
    def moves_view(self) -> bool:
        """Whether the view is turned, shifted, slanted, tilted or zoomed after the crop."""
        moves = (self.translate_fraction, self.shear_degrees, self.perspective)
        return max(self.rotation_degrees, self.zoom_fraction, *moves) > 0 or self.policy != "none"

    def _outside_limits(self) -> list[str]:
        numbers = {name: getattr(self, name) for name in LIMITS}
        wrong = [
            f"{name} is {value!r}, expected {LIMITS[name][0]} to {LIMITS[name][1]}; change it"
            for name, value in numbers.items()
            if not isinstance(value, int | float) or not LIMITS[name][0] <= value <= LIMITS[name][1]
        ]
        return wrong + [
            f"{name} is {getattr(self, name)!r}, expected one of {', '.join(choices)}; change it"
            for name, choices in _CHOICES.items()
            if getattr(self, name) not in choices
        ]

    def _contradictions(self) -> list[str]:
        if self.flip_alternates and self.horizontal_flip == 0:
            return [
                "flip_alternates is on beside horizontal_flip 0, which leaves nothing to alternate; set "
                "horizontal_flip to 0.5, or flip_alternates to false"
            ]
        if self.crop == "resized" and self.zoom_fraction != 0:
            return [
                f"zoom_fraction is {self.zoom_fraction!r} beside crop 'resized', which scales already; "
                "set zoom_fraction to 0, or crop to 'none' or 'pad'"
            ]
        return []
