"""Occlusion: equal to covering by hand, on what decides, and never more pictures at once than a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from eighteen.core.errors import EighteenError
from eighteen.core.predictions import softmax
from eighteen.explaining._asking import BATCH_SIZE
from eighteen.explaining.occlusion import GREY, occlusion

Pixels = npt.NDArray[np.float32]


def top_left_speaks(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Two classes: the brighter the upper left 2 x 2 pixels, the surer the second."""
    score = pixels[:, :, :2, :2].mean((1, 2, 3)) / 255
    return np.stack([np.zeros_like(score), 4 * score], axis=1)


def by_hand(
    pixels: Pixels, classes: npt.NDArray[np.int64], patch: int, stride: int
) -> npt.NDArray[np.float64]:
    rows, side = np.arange(len(pixels)), pixels.shape[2]
    before = softmax(top_left_speaks(pixels))[rows, classes]
    total, covered = np.zeros((len(pixels), side, side)), np.zeros((side, side))
    last = -(-(side - patch) // stride) * stride
    for top in range(0, last + 1, stride):
        for left in range(0, last + 1, stride):
            place = np.s_[top : top + patch, left : left + patch]
            hidden = pixels.copy()
            hidden[:, :, *place] = GREY
            loss = before - softmax(top_left_speaks(hidden))[rows, classes]
            total[:, *place] += loss[:, None, None]
            covered[place] += 1
    return total / covered


@pytest.mark.parametrize(
    ("patch_fraction", "stride_fraction"), [(0.4, 0.5), (0.4, 0.75), (0.3, 1.0), (1.0, 1.0)]
)
def test_it_equals_covering_by_hand(patch_fraction: float, stride_fraction: float) -> None:
    pixels = np.random.default_rng(0).uniform(0, 255, (3, 3, 10, 10)).astype(np.float32)
    classes = np.array([1, 0, 1])
    maps = occlusion(top_left_speaks, pixels, classes, patch_fraction, stride_fraction)
    patch = round(10 * patch_fraction)
    expected = by_hand(pixels, classes, patch, max(1, round(patch * stride_fraction)))
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, expected, atol=1e-5)
    np.testing.assert_allclose(
        maps[1],
        -occlusion(top_left_speaks, pixels, 1 - classes, patch_fraction, stride_fraction)[1],
        atol=1e-6,
    )


def test_only_what_decides_is_marked() -> None:
    pixels = np.full((1, 3, 20, 20), 255, np.float32)
    (heat,) = occlusion(top_left_speaks, pixels, np.array([1]))
    assert heat[:2, :2].min() > 0.1
    assert np.abs(heat[4:, 4:]).max() == 0


def test_a_trained_network(striped_squares: Any) -> None:
    unseen = striped_squares.unseen
    chosen = striped_squares.forward(unseen.pixels[:16]).argmax(1)
    losses = np.clip(occlusion(striped_squares.forward, unseen.pixels[:16], chosen), 0, None)
    squares = unseen.squares[:16]
    assert (losses * squares).sum() / losses.sum() > 2.5 * squares.mean()


@pytest.mark.parametrize("n", [1, 5, 40])
def test_no_more_than_a_batch_is_asked_at_once(n: int) -> None:
    asked = []

    def forward(pixels: Pixels) -> npt.NDArray[np.float32]:
        asked.append(len(pixels))
        return top_left_speaks(pixels)

    pixels = np.random.default_rng(n).uniform(0, 255, (n, 1, 8, 8)).astype(np.float32)
    maps = occlusion(forward, pixels, np.ones(n, np.int64), 0.5)
    assert max(asked) <= BATCH_SIZE
    alone = occlusion(top_left_speaks, pixels[-1:], np.array([1]), 0.5)
    np.testing.assert_allclose(maps[-1:], alone, atol=1e-6)


def test_inside_inference_mode() -> None:
    pixels = np.random.default_rng(4).uniform(0, 255, (2, 3, 10, 10)).astype(np.float32)
    expected = occlusion(top_left_speaks, pixels, np.array([1, 1]))
    with torch.inference_mode():
        np.testing.assert_array_equal(occlusion(top_left_speaks, pixels, np.array([1, 1])), expected)


def test_refusals() -> None:
    pixels, classes = np.zeros((1, 3, 8, 8), np.float32), np.array([0])
    with pytest.raises(EighteenError, match="hold no picture to explain"):
        occlusion(top_left_speaks, pixels[:0], classes[:0])
    with pytest.raises(EighteenError, match="class 2 is none of the model's 2 classes"):
        occlusion(top_left_speaks, pixels, np.array([2]))
    with pytest.raises(EighteenError, match="patch_fraction=0 and stride_fraction=2; expected above 0 to 1"):
        occlusion(top_left_speaks, pixels, classes, 0, 2)
