"""Pixels land where the maps say: exact mirrors, turns and shifts, and no aliasing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from eighteen.augmenting.geometry import Boxes, plain_views, source_maps
from eighteen.augmenting.resampling import resampled, shifted, shrink_factors

BACKGROUND = torch.tensor([10.0, 20.0, 30.0])[:, None, None]


def noise(count: int, channels: int, side_px: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, side_px, side_px), dtype=torch.uint8, generator=generator)


def whole(count: int, **changes: np.ndarray) -> Tensor:
    aspects = np.ones(count)
    return torch.from_numpy(source_maps(plain_views(aspects, 16, "squash", 1.0), aspects, **changes)).float()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_quarter_turns_equal_rot90(channels: int, degrees: int) -> None:
    pixels = noise(2, channels, 16)
    turned = resampled(pixels, whole(2, degrees=np.full(2, float(degrees))), 16, fill="reflect")
    assert torch.allclose(turned, torch.rot90(pixels.float(), degrees // 90, (2, 3)), atol=2e-3)


@pytest.mark.parametrize(
    ("flips", "axes"), [((True, False), [3]), ((False, True), [2]), ((True, True), [2, 3])]
)
def test_a_flip_is_the_exact_mirror(flips: tuple[bool, bool], axes: list[int]) -> None:
    pixels = noise(2, 3, 16)
    both = np.array([flips, flips])
    assert torch.allclose(resampled(pixels, whole(2, flips=both), 16), pixels.float().flip(axes), atol=2e-3)
    still = torch.zeros(2, 2, dtype=torch.int64)
    assert torch.equal(shifted(pixels, still, torch.from_numpy(both), "reflect"), pixels.flip(axes))


@pytest.mark.parametrize("fill", ["reflect", "background"])
def test_whole_shifts_move_the_view_and_fill_the_rest(fill: str) -> None:
    pixels = noise(3, 3, 12)
    shifts = torch.tensor([[3, 0], [0, -2], [-4, 5]])
    moved = shifted(pixels, shifts, torch.zeros(3, 2, dtype=torch.bool), fill, BACKGROUND)  # type: ignore[arg-type]
    around = np.pad(pixels.numpy(), [(0, 0), (0, 0), (5, 5), (5, 5)], mode="symmetric")
    if fill == "background":
        around = np.broadcast_to(BACKGROUND.numpy().astype(np.uint8), around.shape).copy()
        around[:, :, 5:17, 5:17] = pixels.numpy()
    for i, (x, y) in enumerate(shifts.tolist()):
        assert np.array_equal(moved[i].numpy(), around[i, :, 5 + y : 17 + y, 5 + x : 17 + x])


@pytest.mark.parametrize("fill", ["reflect", "background"])
def test_shifting_and_resampling_agree(fill: str) -> None:
    pixels = noise(4, 3, 16)
    shifts = np.array([[2, -1], [0, 4], [-4, -4], [3, 3]])
    flips = np.array([[True, False], [False, True], [False, False], [True, True]])
    centre, half = plain_views(np.ones(4), 16, "squash", 1.0)
    maps = source_maps(Boxes(centre + shifts / 16, half), np.ones(4), flips=flips)
    smooth = resampled(pixels, torch.from_numpy(maps).float(), 16, fill=fill, background=BACKGROUND)  # type: ignore[arg-type]
    sharp = shifted(pixels, torch.from_numpy(shifts), torch.from_numpy(flips), fill, BACKGROUND)  # type: ignore[arg-type]
    assert torch.allclose(smooth, sharp.float(), atol=2e-3)


def test_background_lies_around_a_turned_picture() -> None:
    pixels = torch.full((1, 3, 16, 16), 200, dtype=torch.uint8)
    turned = resampled(
        pixels, whole(1, degrees=np.array([45.0])), 16, fill="background", background=BACKGROUND
    )
    assert torch.equal(turned[0, :, 0, 0], BACKGROUND[:, 0, 0])
    assert torch.allclose(turned[0, :, 8, 8], torch.full((3,), 200.0))
    mirrored = resampled(pixels, whole(1, degrees=np.array([45.0])), 16, fill="reflect")
    assert torch.allclose(mirrored, pixels.float())


def test_shrink_factors_follow_the_stored_pixels_an_output_pixel_covers() -> None:
    aspects = np.ones(5)
    halves = np.array([[0.5, 0.5], [0.25, 0.25], [0.5, 0.25], [0.49, 0.51], [0.05, 0.05]])
    maps = source_maps(Boxes(np.zeros((5, 2)), halves), aspects)
    # 64 stored pixels for 32: the whole picture is halved; its half is taken as it is; 1.96 and 2.04 differ.
    assert shrink_factors(maps, 64, 32).tolist() == [[2, 2], [1, 1], [2, 1], [1, 2], [1, 1]]
    assert shrink_factors(maps[:1], 32, 32).tolist() == [[1, 1]]


@pytest.mark.parametrize(("stored_px", "gain"), [(64, 1.0), (80, 2.0), (96, 3.0), (128, 3.0), (110, 2.0)])
def test_making_smaller_does_not_alias(stored_px: int, gain: float) -> None:
    pixels = noise(1, 1, stored_px)
    shrink = shrink_factors(whole(1).numpy().astype(np.float64), stored_px, 32)
    small = resampled(pixels, whole(1), 32, shrink=(int(shrink[0, 0]), int(shrink[0, 1])))
    exact = F.interpolate(pixels.float(), (32, 32), mode="bilinear", antialias=True)
    bare = resampled(pixels, whole(1), 32)
    assert (small - exact).abs().mean() * gain <= (bare - exact).abs().mean()
