"""Where in the original picture each output pixel comes from: one affine map per picture.

In come the original aspects and uniform draws; out comes `[B, 2, 3]`, which takes output coordinates (-1..1)
to stored coordinates (-1..1), both with `align_corners=False`. Stored pictures are squares squashed from any
aspect, so crop, turn, flip and zoom are composed in the original's own geometry (in picture heights, origin
in the middle) and only the last step squashes:

    stored = squash @ (centre + rotation @ half_extents @ flip @ output)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eighteen.augmenting.draws import CROP_ATTEMPTS, Draw
from eighteen.augmenting.settings import AugmentSettings
from eighteen.core.inputs import MAX_ASPECT, Fit

Floats = npt.NDArray[np.float64]


class Boxes(NamedTuple):
    """Parts of pictures: middle and half of width and height, in picture heights from the picture's middle.

    Attributes:
        centre: `[B, 2]`, x right, y down.
        half: `[B, 2]`.
    """

    centre: Floats
    half: Floats


def plain_views(aspects: Floats, size_px: int, fit: Fit, crop_fraction: float) -> Boxes:
    """The part of each picture that validation sees, to the same rounding as `InputSpec.fitted`.

    Args:
        aspects: `[B]`, original width / height.
        size_px: side of the network's input.
        fit: as in `InputSpec`; a letterbox reaches beyond the picture.
        crop_fraction: share of the short side that the middle crop keeps (`crop` only).
    """
    if fit == "squash":
        inner_px = np.full((len(aspects), 2), float(size_px))
    elif fit == "letterbox":
        shares = np.stack([np.minimum(aspects, 1.0), np.minimum(1.0 / aspects, 1.0)], axis=1)
        inner_px = np.maximum(1.0, np.round(size_px * shares))
    else:
        short_px = max(size_px, round(size_px / crop_fraction))
        ratios = np.minimum(np.stack([aspects, 1.0 / aspects], axis=1), MAX_ASPECT)
        inner_px = np.maximum(short_px, np.round(short_px * ratios))
    # The picture becomes inner_px large; the view is a square of size_px about its middle, on whole pixels.
    start_px = np.where(inner_px >= size_px, (inner_px - size_px) // 2, -((size_px - inner_px) // 2))
    extent = _extents(aspects)
    centre = extent * ((start_px + size_px / 2) / inner_px - 0.5)
    return Boxes(centre, extent * (size_px / inner_px) / 2)


def random_crops(aspects: Floats, draws: Floats, scale_min: float, aspect_max: float) -> Boxes:
    """Random parts of the originals: area share uniform, log aspect uniform, place uniform.

    Up to ten attempts; if no drawn part fits into the picture, the largest part of an allowed aspect is
    taken, at a random place. Source: `torchvision.transforms.v2.RandomResizedCrop`, without its rounding to
    whole pixels, and but for that place: torchvision takes the middle then, so that the ends of a long
    picture, for which no drawn part may ever fit, would never be seen.

    Args:
        aspects: `[B]`, original width / height.
        draws: `[B, DRAW_COUNT]` in [0, 1).
        scale_min: smallest area share; the largest is 1.
        aspect_max: the part's width / height lies in 1/this .. this.
    """
    attempts = draws[:, Draw.CROP_FIRST : Draw.CROP_FIRST + 2 * CROP_ATTEMPTS]
    area = (scale_min + (1.0 - scale_min) * attempts[:, 0::2]) * aspects[:, None]  # [B, attempts]
    part_aspect = np.exp((2.0 * attempts[:, 1::2] - 1.0) * np.log(aspect_max))
    width, height = np.sqrt(area * part_aspect), np.sqrt(area / part_aspect)
    fits = (width <= aspects[:, None]) & (height <= 1.0)
    chosen = (np.arange(len(aspects)), fits.argmax(axis=1))
    size = np.stack([width[chosen], height[chosen]], axis=1)
    allowed = np.clip(aspects, 1.0 / aspect_max, aspect_max)
    largest = np.stack([np.minimum(aspects, allowed), np.minimum(1.0, aspects / allowed)], axis=1)
    size = np.where(fits.any(axis=1)[:, None], size, largest)
    place = draws[:, Draw.LEFT : Draw.TOP + 1] - 0.5
    return Boxes(place * (_extents(aspects) - size), size / 2)


def whole_shifts(draws: Floats, pad_fraction: float, size_px: int) -> npt.NDArray[np.int64]:
    """Shifts of the view in output pixels, x and y: `[B, 2]`, uniform up to `pad_fraction * size_px`."""
    reach_px = round(pad_fraction * size_px)
    places = np.floor(draws[:, Draw.LEFT : Draw.TOP + 1] * (2 * reach_px + 1))
    return places.astype(np.int64) - reach_px


def random_flips(draws: Floats, settings: AugmentSettings) -> npt.NDArray[np.bool_]:
    """Which pictures are mirrored left-right and top-bottom: `[B, 2]`."""
    return draws[:, [Draw.FLIP_HORIZONTAL, Draw.FLIP_VERTICAL]] < [
        settings.horizontal_flip,
        settings.vertical_flip,
    ]


def source_maps(
    boxes: Boxes, aspects: Floats, degrees: Floats | None = None, flips: npt.NDArray[np.bool_] | None = None
) -> Floats:
    """Output coordinates to stored coordinates: `[B, 2, 3]`.

    Args:
        boxes: the part that fills the output.
        aspects: `[B]`, original width / height.
        degrees: `[B]`, turns the picture counter-clockwise about the part's middle.
        flips: `[B, 2]`, left-right and top-bottom.
    """
    signed = boxes.half if flips is None else boxes.half * np.where(flips, -1.0, 1.0)
    maps = np.zeros((len(aspects), 2, 3))
    maps[:, 0, 0], maps[:, 1, 1] = signed[:, 0], signed[:, 1]
    if degrees is not None:
        cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        maps[:, 0, 0], maps[:, 0, 1] = cosine * signed[:, 0], -sine * signed[:, 1]
        maps[:, 1, 0], maps[:, 1, 1] = sine * signed[:, 0], cosine * signed[:, 1]
    maps[:, :, 2] = boxes.centre
    return maps / (_extents(aspects) / 2)[:, :, None]


def _extents(aspects: Floats) -> Floats:
    """Width and height of the originals in picture heights: `[B, 2]`."""
    return np.stack([aspects, np.ones_like(aspects)], axis=1)
