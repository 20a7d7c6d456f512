"""Crops are torchvision's, maps are right in the original's geometry, views are those of `InputSpec`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import v2

from eighteen.augmenting.draws import DRAW_COUNT, Draw, uniforms
from eighteen.augmenting.geometry import (
    Boxes,
    plain_views,
    random_crops,
    random_flips,
    source_maps,
    whole_shifts,
)
from eighteen.augmenting.settings import AugmentSettings


def draws_for(count: int, epoch: int = 0) -> np.ndarray:
    return uniforms(11, epoch, np.arange(count, dtype=np.uint64), DRAW_COUNT)


@pytest.mark.parametrize(("width_px", "height_px"), [(1000, 1000), (1600, 900), (600, 1500), (4000, 400)])
def test_random_crops_are_distributed_as_torchvisions(width_px: int, height_px: int) -> None:
    count, ratio = 3000, 4 / 3
    aspect = width_px / height_px
    boxes = random_crops(np.full(count, aspect), draws_for(count), 0.35, ratio)
    centre = (boxes.centre + np.array([aspect / 2, 0.5])) * height_px
    size = 2 * boxes.half * height_px
    ours = np.concatenate([centre, size], axis=1)

    torch.manual_seed(0)
    crop = v2.RandomResizedCrop(10, scale=(0.35, 1.0), ratio=(1 / ratio, ratio))
    blank = torch.empty(1, height_px, width_px, device="meta")
    params = [crop.make_params([blank]) for _ in range(count)]
    theirs = np.array(
        [(d["left"] + d["width"] / 2, d["top"] + d["height"] / 2, d["width"], d["height"]) for d in params]
    )

    area, their_area = size.prod(1), theirs[:, 2] * theirs[:, 3]
    # Where no drawn part fits, torchvision takes the middle and we take any place, see below.
    largest = min(width_px, height_px * ratio) * min(height_px, width_px * ratio)
    drawn, their_drawn = area < 0.999 * largest, their_area < 0.999 * largest
    assert abs(drawn.mean() - their_drawn.mean()) < 0.05
    pairs = {
        "centre x": (ours[drawn, 0], theirs[their_drawn, 0]),
        "centre y": (ours[drawn, 1], theirs[their_drawn, 1]),
        "area": (area, their_area),
        "log aspect": (np.log(size[:, 0] / size[:, 1]), np.log(theirs[:, 2] / theirs[:, 3])),
    }
    for name, (left, right) in pairs.items():
        if len(right) == 0:  # all are the largest part
            continue
        if np.ptp(right) == 0:
            # No part fits, so the largest is taken: equal up to torchvision's rounding to pixels.
            assert np.allclose(left, right, rtol=3e-3), name
        else:
            # Jitter of a pixel: torchvision rounds to whole pixels, and the test knows no ties.
            width = 1.0 if name.startswith("centre") else 0.0
            noise = np.random.default_rng(0).uniform(-width / 2, width / 2, count)
            shaken = (left + noise[: len(left)], right + noise[: len(right)])
            assert stats.ks_2samp(*shaken).pvalue > 1e-3, name


def test_random_crops_stay_inside_and_keep_their_limits() -> None:
    aspects = np.geomspace(1 / 5, 5, 2000)
    boxes = random_crops(aspects, draws_for(2000), 0.5, 1.5)
    extent = np.stack([aspects, np.ones(2000)], axis=1) / 2
    assert (np.abs(boxes.centre) + boxes.half <= extent + 1e-12).all()
    ratio = boxes.half[:, 0] / boxes.half[:, 1]
    assert (ratio >= 1 / 1.5 - 1e-9).all() and (ratio <= 1.5 + 1e-9).all()
    area = 4 * boxes.half.prod(1) / aspects
    moderate = (aspects > 0.7) & (aspects < 1.4)
    assert (area[moderate] >= 0.5 - 1e-9).all()


def test_the_place_of_a_crop_is_uniform_in_the_room_it_has() -> None:
    boxes = random_crops(np.ones(3000), draws_for(3000), 0.3, 4 / 3)
    room = 1.0 - 2 * boxes.half
    small = 4 * boxes.half.prod(1) < 0.5
    assert small.sum() > 500
    place = boxes.centre[small] / room[small] + 0.5
    for axis in (0, 1):
        assert stats.kstest(place[:, axis], "uniform").pvalue > 1e-3


@pytest.mark.parametrize("along", [0, 1])
def test_where_no_crop_fits_the_largest_part_lies_anywhere_along_the_picture(along: int) -> None:
    boxes = random_crops(np.full(3000, (10.0, 0.1)[along]), draws_for(3000), 0.9, 4 / 3)
    assert np.allclose(2 * boxes.half, ([4 / 3, 1.0], [0.1, 0.1 * 4 / 3])[along])
    room = ((10.0, 1.0)[along] - 2 * boxes.half[:, along]) / 2
    assert stats.kstest(boxes.centre[:, along] / room / 2 + 0.5, "uniform").pvalue > 1e-3
    assert np.allclose(boxes.centre[:, 1 - along], 0.0)


def test_shifts_reach_evenly_to_both_sides() -> None:
    shifts = whole_shifts(draws_for(9000), 4 / 32, 32)
    for axis in (0, 1):
        values, counts = np.unique(shifts[:, axis], return_counts=True)
        assert values.tolist() == list(range(-4, 5))
        assert stats.chisquare(counts).pvalue > 1e-4


def test_flips_come_as_often_as_asked() -> None:
    flips = random_flips(draws_for(4000), AugmentSettings(horizontal_flip=0.5, vertical_flip=0.1))
    assert stats.binomtest(int(flips[:, 0].sum()), 4000, 0.5).pvalue > 1e-4
    assert stats.binomtest(int(flips[:, 1].sum()), 4000, 0.1).pvalue > 1e-4


def test_a_turn_keeps_lengths_and_angles_of_the_original() -> None:
    # A picture of 3:1, stored as a square; a square part of it turned by 30 degrees.
    aspect = np.array([3.0])
    maps = source_maps(Boxes(np.zeros((1, 2)), np.full((1, 2), 0.4)), aspect, np.array([30.0]))
    original = maps[0, :, :2] * np.array([[3.0 / 2], [1.0 / 2]])  # undo the squash
    assert np.allclose(original.T @ original, 0.4**2 * np.eye(2))
    # Counter-clockwise: what is at the right of the part comes to the upper right.
    assert np.allclose(original @ [np.cos(np.pi / 6), -np.sin(np.pi / 6)], [0.4, 0.0])


@pytest.mark.parametrize("aspect", [0.4, 1.0, 1.7])
def test_the_whole_picture_is_the_identity(aspect: float) -> None:
    aspects = np.array([aspect])
    maps = source_maps(plain_views(aspects, 32, "squash", 0.5), aspects)
    assert np.allclose(maps, np.eye(2, 3), atol=1e-12)


def test_plain_views_lie_where_the_fit_says() -> None:
    aspects = np.array([2.0])
    crop = plain_views(aspects, 224, "crop", 0.875)  # short side 256, middle 224
    assert np.allclose(crop.half, 224 / 256 / 2) and np.allclose(crop.centre, 0)
    letterbox = plain_views(aspects, 32, "letterbox", 1.0)
    assert np.allclose(letterbox.half, 1.0)  # a square of the long side
    # 33 pixels hold 16 rows (16.5 rounds to even) and 17 of margin, 8 above and 9 below: half a row off.
    odd = plain_views(aspects, 33, "letterbox", 1.0)
    assert np.allclose(odd.centre[0] / odd.half[0] * 33 / 2, [0.0, 0.5])
    long = plain_views(np.array([500.0]), 32, "crop", 1.0)
    assert np.allclose(2 * long.half[0] / [500.0, 1.0], [1 / 64, 1.0])


def test_the_crop_attempts_are_the_last_draws() -> None:
    draws = draws_for(5)
    changed = draws.copy()
    changed[:, : Draw.LEFT] = 0.5
    aspects = np.ones(5)
    assert np.array_equal(
        random_crops(aspects, draws, 0.3, 1.3).half, random_crops(aspects, changed, 0.3, 1.3).half
    )
