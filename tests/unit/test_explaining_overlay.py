"""Overlays: the picture as it is on the left, brighter where the map is higher on the right."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from eighteen.core.errors import EighteenError
from eighteen.explaining.overlay import GAP_PX, overlay, overlay_png


def luma(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).convert("L")).astype(float)


def test_the_picture_stands_on_the_left_unchanged() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 230, 260)).astype(np.float32)
    drawn = overlay(pixels, np.zeros((7, 7), np.float32))
    assert drawn.shape == (230, 2 * 260 + GAP_PX, 3) and drawn.dtype == np.uint8
    np.testing.assert_array_equal(drawn[:, :260], pixels.transpose(1, 2, 0))
    assert (drawn[:, 260 : 260 + GAP_PX] == 255).all()


def test_small_pictures_are_shown_as_squares() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 32, 32)).astype(np.float32)
    drawn = overlay(pixels, np.ones((4, 4), np.float32))
    assert drawn.shape[0] == 224
    np.testing.assert_array_equal(drawn[3:224:7, 3:224:7], pixels.transpose(1, 2, 0))


def test_it_is_the_brighter_the_higher_the_map() -> None:
    ramp = np.linspace(0, 1, 224, dtype=np.float32)[None].repeat(224, 0)
    right = overlay(np.full((1, 224, 224), 128, np.float32), ramp)[:, 224 + GAP_PX :]
    rows = luma(right)[0]
    assert (np.diff(rows) >= -1).all() and rows[-1] > rows[0] + 80  # a step of rounding aside


def test_a_coarse_map_is_made_smooth_and_lies_where_it_should() -> None:
    heat = np.zeros((4, 4), np.float32)
    heat[0, 3] = 1
    right = luma(overlay(np.zeros((3, 224, 224), np.float32), heat)[:, 224 + GAP_PX :])
    assert right[0, 223] == right.max() > 100 and right[223, 0] == right.min() == 0
    assert len(np.unique(right[28])) > 20


def test_below_0_counts_as_0_and_top_as_the_brightest() -> None:
    pixels = np.zeros((3, 224, 224), np.float32)
    low, zero = (overlay(pixels, np.full((2, 2), value, np.float32)) for value in (-3, 0))
    np.testing.assert_array_equal(low, zero)
    half = overlay(pixels, np.full((2, 2), 0.25, np.float32), top=0.25)
    np.testing.assert_array_equal(half, overlay(pixels, np.ones((2, 2), np.float32)))


def test_the_png_holds_the_same_pixels_each_time() -> None:
    pixels = np.random.default_rng(2).uniform(0, 255, (3, 32, 32)).astype(np.float32)
    heat = np.random.default_rng(3).random((4, 4)).astype(np.float32)
    content = overlay_png(pixels, heat)
    assert content == overlay_png(pixels, heat)
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "PNG"
        np.testing.assert_array_equal(np.asarray(picture), overlay(pixels, heat))


def test_refusals_name_everything_at_once() -> None:
    expected = r"pixels have shape \(4, 8, 8\).*map has shape \(8,\).*not all finite.*top=0"
    with pytest.raises(EighteenError, match=expected):
        overlay(np.zeros((4, 8, 8), np.float32), np.full(8, np.nan, np.float32), top=0)
