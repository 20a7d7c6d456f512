"""Brightness and blur: against Pillow and scipy, and by what blurring does."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter, laplace

from eighteen.core.errors import EighteenError
from eighteen.measuring.picture_facts import brightness_and_blur


def noise(batch: int, channels: int, side_px: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (batch, channels, side_px, side_px)).astype(np.float32)


def test_brightness_is_the_mean_luma() -> None:
    pixels = noise(3, 3)
    brightness, _ = brightness_and_blur(pixels)
    for row, value in zip(pixels, brightness, strict=True):
        grey = Image.fromarray(row.astype(np.uint8).transpose(1, 2, 0)).convert("L")
        assert value == pytest.approx(np.asarray(grey).mean(), abs=0.6)
    black_and_white = np.stack([np.zeros((3, 5, 5)), np.full((3, 5, 5), 255)])
    assert brightness_and_blur(black_and_white)[0] == pytest.approx([0, 255], abs=1e-3)


def test_blur_is_made_from_the_variance_of_the_laplacian() -> None:
    pixels = noise(4, 1)
    _, blur = brightness_and_blur(pixels)
    for row, value in zip(pixels, blur, strict=True):
        variance = laplace(row[0].astype(np.float64))[1:-1, 1:-1].var()
        assert value == pytest.approx(1 / (1 + np.sqrt(variance)), rel=1e-5)


def test_blurring_raises_blur_and_leaves_brightness() -> None:
    sharp = noise(1, 3)
    softened = [gaussian_filter(sharp, (0, 0, sigma, sigma), mode="wrap") for sigma in (0.5, 1, 2, 4)]
    brightness, blur = brightness_and_blur(np.concatenate([sharp, *softened]))
    assert (np.diff(blur) > 0).all()
    assert np.ptp(brightness) < 0.01


def test_bytes_and_floats_agree_and_a_picture_does_not_depend_on_its_batch() -> None:
    pixels = noise(5, 3)
    together = brightness_and_blur(pixels)
    as_bytes = brightness_and_blur(pixels.astype(np.uint8))
    alone = [brightness_and_blur(pixels[k : k + 1]) for k in range(5)]
    for fact in (0, 1):
        assert together[fact] == pytest.approx(as_bytes[fact])
        assert together[fact] == pytest.approx([float(one[fact][0]) for one in alone])
    assert [len(fact) for fact in brightness_and_blur(pixels[:0])] == [0, 0]


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 4, 8, 8), (1, 8, 8, 3), (1, 3, 2, 8)])
def test_other_shapes_say_what_is_expected(shape: tuple[int, ...]) -> None:
    with pytest.raises(EighteenError, match=r"expected \[B, 1 or 3, H, W\] with sides of 3 px"):
        brightness_and_blur(np.zeros(shape))
