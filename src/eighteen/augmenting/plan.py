"""Decides what happens to each picture of a batch, before any pixel is touched.

In come the settings, the plain view, the original aspects and the draws; out comes a `Plan` of small arrays,
one row per picture. A row depends on its own picture only, which is what makes the result the same in every
batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eighteen.augmenting import blurring, colour, erasing, geometry, policies, resampling, warping
from eighteen.augmenting.draws import DRAW_COUNT, Draw
from eighteen.augmenting.geometry import Floats
from eighteen.augmenting.settings import AugmentSettings
from eighteen.core.inputs import Fit


@dataclass(frozen=True)
class View:
    """What validation sees of a picture, and how it is stored here.

    Attributes:
        size_px: side of the network's input.
        fit, crop_fraction: as in `InputSpec`.
        channels: 1 or 3.
        stored_px: side of the stored square.
    """

    size_px: int
    fit: Fit
    crop_fraction: float
    channels: int
    stored_px: int


@dataclass(frozen=True)
class Version:
    """One look of each picture; there are several only where AugMix mixes them.

    Attributes:
        maps: float32 `[B, 2, 3]` or, with perspective, `[B, 3, 3]`; output to stored coordinates.
        chain: what a policy does to the pixels' values; None without one.
    """

    maps: Tensor
    chain: policies.Chain | None


@dataclass(frozen=True)
class Plan:
    """One row per picture; the tensors lie where the pixels lie.

    Attributes:
        versions: at least one.
        shifts_px: int64 `[B, 2]`, x and y, for pictures that are moved by whole pixels.
        flips: bool `[B, 2]`, left-right and top-bottom.
        linear, grey_gain: float32 `[B, C, C]` and `[B]`, see `colour.colour_maps`.
        blur_px: `[B]`, standard deviation; 0 for pictures that stay sharp.
        erased: int64 `[B, 4]` xyxy pixels.
        is_erased: bool `[B]`.
        cut_out: int64 `[B, 4]` xyxy pixels.
        shrink: int64 `[B, 2]`, see `resampling.shrink_factors`; 0 for pictures moved by whole pixels.
    """

    versions: tuple[Version, ...]
    shifts_px: Tensor
    flips: Tensor
    linear: Tensor
    grey_gain: Tensor
    blur_px: Floats
    erased: Tensor
    is_erased: npt.NDArray[np.bool_]
    cut_out: Tensor
    shrink: npt.NDArray[np.int64]


def make_plan(
    settings: AugmentSettings, view: View, aspects: Floats, draws: Floats, device: torch.device
) -> Plan:
    """Turns draws into decisions.

    Args:
        settings: what may happen.
        view: the plain view and the stored size.
        aspects: `[B]`, original width / height.
        draws: `[B, DRAW_COUNT + policies.draw_count(settings)]` in [0, 1), see `draws.uniforms`.
        device: where the pixels are.
    """
    shifts_px = _shifts(settings, view, draws)
    maps = _maps(settings, view, aspects, draws, shifts_px)
    warps = warping.warps(settings, draws)
    chains = policies.draw_chains(settings, draws[:, DRAW_COUNT:], view.size_px)
    looks = [warps @ chain.homographies(view.size_px) for chain in chains] or [warps]
    views = [_warped(maps, look, settings) for look in looks]
    shrink = resampling.shrink_factors(views[0], view.stored_px, view.size_px)
    shrink[_on_whole_pixels(settings, view, aspects)] = 0
    linear, grey_gain = colour.colour_maps(settings, draws, view.channels)
    erased = erasing.erasing_boxes(settings, draws, view.size_px)

    def sent(rows: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(rows).to(device)

    return Plan(
        versions=tuple(
            Version(sent(found.astype(np.float32)), chain)
            for found, chain in zip(views, chains or (None,), strict=True)
        ),
        shifts_px=sent(shifts_px),
        flips=sent(geometry.random_flips(draws, settings)),
        linear=sent(linear),
        grey_gain=sent(grey_gain),
        blur_px=_blur_px(settings, draws),
        erased=sent(erased),
        is_erased=erased[:, 2] > 0,
        cut_out=sent(erasing.cutout_boxes(settings, draws, view.size_px)),
        shrink=shrink,
    )


def leaves_picture(settings: AugmentSettings, fit: Fit) -> bool:
    """Whether an output pixel may lie outside the picture, so that a fill is needed."""
    boxed = fit == "letterbox" and settings.crop == "none"
    return boxed or settings.crop == "pad" or settings.moves_view


def _warped(maps: Floats, warps: Floats, settings: AugmentSettings) -> Floats:
    """The maps after the warps; the third row is kept where it says something."""
    found = maps @ warps
    return np.concatenate([found, warps[:, 2:]], axis=1) if settings.perspective > 0 else found


def _blur_px(settings: AugmentSettings, draws: Floats) -> Floats:
    smallest = blurring.SMALLEST_SIGMA_PX
    sigmas = smallest + (settings.blur_sigma_px - smallest) * draws[:, Draw.BLUR_SIGMA]
    return np.where(draws[:, Draw.BLUR] < settings.blur, sigmas, 0.0)


def _shifts(settings: AugmentSettings, view: View, draws: Floats) -> npt.NDArray[np.int64]:
    if settings.crop == "pad":
        return geometry.whole_shifts(draws, settings.pad_fraction, view.size_px)
    return np.zeros((len(draws), 2), dtype=np.int64)


def _maps(
    settings: AugmentSettings, view: View, aspects: Floats, draws: Floats, shifts_px: npt.NDArray[np.int64]
) -> Floats:
    """Output to stored coordinates, everything drawn included: `[B, 2, 3]`."""
    if settings.crop == "resized":
        boxes = geometry.random_crops(aspects, draws, settings.crop_scale_min, settings.crop_aspect_max)
    else:
        centre, half = geometry.plain_views(aspects, view.size_px, view.fit, view.crop_fraction)
        zoom = 1.0 + settings.zoom_fraction * (2.0 * draws[:, Draw.SCALE] - 1.0)
        boxes = geometry.Boxes(centre + shifts_px * (2.0 * half / view.size_px), half / zoom[:, None])
    degrees = settings.rotation_degrees * (2.0 * draws[:, Draw.ROTATION] - 1.0)
    return geometry.source_maps(boxes, aspects, degrees, geometry.random_flips(draws, settings))


def _on_whole_pixels(settings: AugmentSettings, view: View, aspects: Floats) -> npt.NDArray[np.bool_]:
    """Which plain views are the stored picture, pixel for pixel, and are only shifted and mirrored: `[B]`."""
    if settings.bends_geometry or view.stored_px != view.size_px:
        return np.zeros(len(aspects), dtype=np.bool_)
    plain = geometry.plain_views(aspects, view.size_px, view.fit, view.crop_fraction)
    distance = np.abs(geometry.source_maps(plain, aspects) - np.eye(2, 3)).max(axis=(1, 2))
    return np.asarray(distance < 1e-9, dtype=np.bool_)
