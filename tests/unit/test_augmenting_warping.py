"""Shifts, slants, tilts, blur, cutout, alternating flips: against torchvision, or counted out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as TF

from eighteen.augmenting import warping
from eighteen.augmenting.batch import BatchAugmenter
from eighteen.augmenting.blurring import blurred
from eighteen.augmenting.draws import DRAW_COUNT, Draw, alternating, image_keys, uniforms, view_keys
from eighteen.augmenting.erasing import cutout_boxes
from eighteen.augmenting.geometry import Boxes, source_maps
from eighteen.augmenting.resampling import resampled, shrink_factors
from eighteen.augmenting.settings import AugmentSettings
from eighteen.core.errors import RecipeError

SIDE_PX = 64
KEYS = image_keys([f"{number}.png" for number in range(500)])


def scene() -> Tensor:
    """A smooth picture in which every place has a value of its own, uint8 `[1, 3, S, S]`."""
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX] / SIDE_PX
    planes = [255 * x, 255 * y, 127.5 + 120 * np.sin(4 * x) * np.cos(3 * y)]
    return torch.from_numpy(np.stack(planes).round().astype(np.uint8))[None]


def seen(maps: np.ndarray) -> tuple[Tensor, Tensor]:
    """The scene through a map, and where no ground shows."""
    sent, ground = torch.from_numpy(maps).float(), torch.zeros(3, 1, 1)
    found = resampled(scene(), sent, SIDE_PX, fill="background", background=ground)[0]
    white = resampled(torch.full_like(scene(), 255), sent, SIDE_PX, fill="background", background=ground)[0]
    return found, white > 254.99


def augmented(count: int = 500, epoch: int = 0, **settings: Any) -> Tensor:
    augment = BatchAugmenter(AugmentSettings(**settings), SIDE_PX, [0.0] * 3, [1 / 255.0] * 3)
    pixels = scene().expand(count, -1, -1, -1).contiguous()
    return augment(pixels, torch.ones(count), KEYS[:count], 0, epoch)


def test_a_shift_moves_by_its_share_of_the_side() -> None:
    found, _ = seen(warping.shifted(np.array([0.25]), np.array([-0.5])))  # 8 px right, 16 up
    assert torch.allclose(found[:, :48, 8:], scene()[0, :, 16:, :-8].float(), atol=1e-3)


def test_a_slant_is_torchvisions() -> None:
    ours, inside = seen(warping.slanted(np.tan(np.radians([20.0])), np.zeros(1)))
    theirs = TF.affine(scene(), 0.0, [0, 0], 1.0, [20.0, 0.0], interpolation=InterpolationMode.BILINEAR)
    assert (ours - theirs[0].float()).abs()[inside].max() <= 1.0


def test_a_tilt_is_torchvisions() -> None:
    corners = np.array([[[-0.7, -0.9], [0.8, -0.95], [1.0, 0.6], [-0.85, 0.75]]])
    ours, inside = seen(warping.tilted(corners))
    ends = ((corners[0] + 1) * SIDE_PX / 2).tolist()
    starts = [[0, 0], [SIDE_PX, 0], [SIDE_PX, SIDE_PX], [0, SIDE_PX]]
    theirs = TF.perspective(scene(), starts, ends, interpolation=InterpolationMode.BILINEAR)
    assert inside.float().mean() > 0.5
    assert (ours - theirs[0].float()).abs()[inside].max() <= 1.0


def test_the_middle_of_a_tilted_picture_says_how_much_it_shrinks() -> None:
    half = warping.tilted(np.array([[[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]]))
    assert shrink_factors(half, SIDE_PX, SIDE_PX).tolist() == [[2, 2]]


def test_warps_reach_as_far_as_they_may_and_no_further() -> None:
    draws = uniforms(0, 0, KEYS, DRAW_COUNT)
    settings = AugmentSettings(translate_fraction=0.2, shear_degrees=15, perspective=0.4)
    corners = np.array([[-1.0, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]]).T
    shift_only = warping.warps(AugmentSettings(translate_fraction=0.2), draws)[:, :2, 2]
    assert 0.39 < np.abs(shift_only).max() <= 0.4 and abs(shift_only.mean()) < 0.03
    slants = warping.warps(AugmentSettings(shear_degrees=15), draws)
    assert 14.5 < np.degrees(np.arctan(np.abs(slants[:, 0, 1]))).max() <= 15
    tilts = np.linalg.inv(warping.warps(AugmentSettings(perspective=0.4), draws)) @ corners
    ends = np.abs(tilts[:, :2] / tilts[:, 2:])
    assert 0.6 <= ends.min() < 0.62 and ends.max() <= 1.0 + 1e-9
    assert np.allclose(
        np.linalg.inv(warping.warps(settings, draws)) @ warping.warps(settings, draws), np.eye(3)
    )


def test_warps_come_before_crop_and_flip() -> None:
    box = Boxes(np.array([[0.1, 0.0]]), np.array([[0.3, 0.3]]))
    plain = source_maps(box, np.ones(1), flips=np.array([[True, False]]))
    moved = plain @ warping.shifted(np.array([0.5]), np.zeros(1))
    assert np.allclose(moved @ np.array([0.5, 0, 1]), plain @ np.array([0.0, 0, 1]))


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
def test_a_blur_is_torchvisions(sigma: float) -> None:
    pictures = torch.rand(3, 3, 40, 40) * 255
    ours = blurred(pictures, torch.tensor([sigma] * 3), 2.0)
    theirs = TF.gaussian_blur(pictures, [13, 13], [sigma, sigma])
    assert torch.allclose(ours, theirs, atol=0.01)


def test_a_blur_wider_than_the_picture_is_no_error() -> None:
    assert blurred(torch.rand(2, 1, 8, 8), torch.tensor([9.0, 0.1]), 10.0).shape == (2, 1, 8, 8)


def test_as_many_are_grey_and_blurred_as_asked() -> None:
    plain = augmented()
    grey = augmented(grey=0.3)
    is_grey = (grey.amax(1) - grey.amin(1)).amax((1, 2)) < 1e-2
    assert 0.24 < is_grey.float().mean() < 0.36
    luma = (plain * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)
    assert torch.allclose(grey[is_grey][:, 0], luma[is_grey], atol=0.05)
    is_blurred = (augmented(blur=0.3, blur_sigma_px=4.0) != plain).flatten(1).any(1)
    assert 0.24 < is_blurred.float().mean() < 0.36


def test_cutout_takes_a_square_with_its_middle_in_the_picture() -> None:
    draws = uniforms(0, 0, KEYS, DRAW_COUNT)
    boxes = cutout_boxes(AugmentSettings(cutout=0.25), draws, SIDE_PX)
    assert boxes.min() == 0 and boxes.max() == SIDE_PX
    sides = boxes[:, 2:] - boxes[:, :2]
    assert sides.max() == 16 and sides.min() >= 8
    inside = (boxes > 0).all(1) & (boxes < SIDE_PX).all(1)
    assert (sides[inside] == 16).all()
    lost = (augmented(cutout=0.25) == 0).all(1).sum((1, 2))
    assert torch.equal(lost[:9], torch.from_numpy(sides.prod(1))[:9])


def test_alternating_flips_mirror_each_picture_in_every_second_epoch() -> None:
    flips = np.stack([alternating(3, epoch, KEYS) < 0.5 for epoch in range(4)])
    assert (flips[0] != flips[1]).all() and (flips[0] == flips[2]).all() and (flips[1] == flips[3]).all()
    assert 0.42 < flips[0].mean() < 0.58
    turned = {"horizontal_flip": 0.5, "flip_alternates": True}
    even, odd = augmented(40, epoch=4, **turned), augmented(40, epoch=5, **turned)
    assert torch.equal(even.flip(-1), odd)
    with pytest.raises(RecipeError, match="nothing to alternate"):
        AugmentSettings(flip_alternates=True)


def test_views_of_a_picture_have_draws_of_their_own() -> None:
    first, second, third = (view_keys(KEYS, np.full(500, view)) for view in range(3))
    assert np.array_equal(first, KEYS)
    draws = [uniforms(0, 0, keys, 1)[:, 0] for keys in (first, second, third)]
    correlations = np.corrcoef(draws) - np.eye(3)
    assert np.abs(correlations).max() < 0.2
    assert len(np.unique(np.concatenate([first, second, third]))) == 1500


def test_new_draws_leave_the_old_ones_where_they_were() -> None:
    assert (Draw.ERASING_TOP, Draw.CROP_FIRST, Draw.SHIFT_X) == (14, 15, 35)


EVERYTHING: dict[str, Any] = {
    "translate_fraction": 0.2,
    "shear_degrees": 20.0,
    "perspective": 0.5,
    "grey": 0.3,
    "blur": 0.5,
    "cutout": 0.3,
    "brightness": 0.3,
    "horizontal_flip": 0.5,
}


@pytest.mark.parametrize("policy", ["none", "trivial", "rand", "augmix"])
@pytest.mark.parametrize("crop", ["pad", "resized"])
def test_with_everything_on_a_picture_is_the_same_in_every_batch(policy: str, crop: str) -> None:
    settings = AugmentSettings(policy=policy, crop=crop, **EVERYTHING)  # type: ignore[arg-type]
    augment = BatchAugmenter(settings, 32, [0.5] * 3, [0.2] * 3)
    pixels = torch.randint(0, 256, (40, 3, 40, 40), dtype=torch.uint8)
    aspects = torch.tensor([1.0, 0.5, 2.5])[torch.arange(40) % 3]
    together = augment(pixels, aspects, KEYS[:40], 1, 4)
    assert bool(together.isfinite().all())
    order = torch.from_numpy(np.random.default_rng(0).permutation(40))
    assert torch.equal(augment(pixels[order], aspects[order], KEYS[order.numpy()], 1, 4), together[order])
    for i in (0, 7, 39):
        alone = augment(pixels[i : i + 1], aspects[i : i + 1], KEYS[i : i + 1], 1, 4)
        assert torch.equal(alone[0], together[i])


@pytest.mark.parametrize("policy", ["trivial", "augmix"])
def test_grey_pictures_take_policies_too(policy: str) -> None:
    settings = AugmentSettings(policy=policy)  # type: ignore[arg-type]
    augment = BatchAugmenter(settings, 32, [0.5], [0.2])
    pixels = torch.randint(0, 256, (60, 1, 32, 32), dtype=torch.uint8)
    assert augment(pixels, torch.ones(60), KEYS[:60], 0, 0).shape == (60, 1, 32, 32)
