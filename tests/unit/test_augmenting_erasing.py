"""Erased rectangles have the shares, shapes and places of the paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from eighteen.augmenting.draws import DRAW_COUNT, uniforms
from eighteen.augmenting.erasing import erase, erasing_boxes
from eighteen.augmenting.settings import AugmentSettings

DRAWS = uniforms(5, 0, np.arange(4000, dtype=np.uint64), DRAW_COUNT)
SIDE_PX = 1000  # so large that rounding to pixels does not show


def test_as_many_pictures_are_erased_as_asked() -> None:
    for share in (0.0, 0.25, 1.0):
        boxes = erasing_boxes(AugmentSettings(erasing=share), DRAWS, SIDE_PX)
        erased = int((boxes[:, 2] > 0).sum())
        assert stats.binomtest(erased, 4000, share).pvalue > 1e-4
        assert not boxes[boxes[:, 2] == 0].any()


def test_area_aspect_and_place_are_distributed_as_stated() -> None:
    boxes = erasing_boxes(AugmentSettings(erasing=1.0, erasing_area_max=0.25), DRAWS, SIDE_PX)
    sides = boxes[:, 2:] - boxes[:, :2]
    assert (boxes >= 0).all() and (boxes <= SIDE_PX).all()
    area = sides.prod(1) / SIDE_PX**2
    assert stats.kstest(area, stats.uniform(0.02, 0.23).cdf).pvalue > 1e-3
    log_aspect = np.log(sides[:, 0] / sides[:, 1])
    # Up to a quarter of the area every aspect of 0.3..1/0.3 fits, so none is cut off.
    span = -2 * np.log(0.3)
    assert stats.kstest(log_aspect, stats.uniform(np.log(0.3), span).cdf).pvalue > 1e-3
    for axis in (0, 1):
        place = (boxes[:, axis] + 0.5) / (SIDE_PX - sides[:, axis] + 1)
        assert stats.kstest(place, "uniform").pvalue > 1e-3


def test_the_largest_area_fits_into_the_picture() -> None:
    boxes = erasing_boxes(AugmentSettings(erasing=1.0, erasing_area_max=0.6), DRAWS, 64)
    sides = boxes[:, 2:] - boxes[:, :2]
    assert (boxes >= 0).all() and (boxes <= 64).all() and (sides >= 1).all()
    assert 0.57 * 64**2 < sides.prod(1).max() < 0.62 * 64**2


@pytest.mark.parametrize("side_px", [8, 9])
def test_small_pictures_lose_at_least_a_pixel(side_px: int) -> None:
    boxes = erasing_boxes(AugmentSettings(erasing=1.0, erasing_area_max=0.02), DRAWS, side_px)
    assert ((boxes[:, 2:] - boxes[:, :2]) >= 1).all()


def test_exactly_the_rectangle_becomes_nought() -> None:
    pictures = torch.ones(3, 2, 6, 6)
    erase(pictures, torch.tensor([[1, 2, 4, 3], [0, 0, 0, 0], [0, 0, 6, 6]]))
    expected = torch.ones(2, 6, 6)
    expected[:, 2:3, 1:4] = 0
    assert torch.equal(pictures[0], expected)
    assert torch.equal(pictures[1], torch.ones(2, 6, 6))
    assert not pictures[2].any()
