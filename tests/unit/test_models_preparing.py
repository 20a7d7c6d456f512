"""The preparation inside exported models against `InputSpec`, picture by picture."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from eighteen.core.inputs import InputSpec
from eighteen.exporting.awkward import awkward_pictures
from eighteen.models.preparing import Preparing

SIZE_PX = 48
WAYS = list(product(("squash", "crop", "letterbox"), ("bilinear", "bicubic"), (1, 3)))


def spec(fit: str, kernel: str, channels: int) -> InputSpec:
    return InputSpec.model_validate(
        {
            "size": SIZE_PX,
            "fit": fit,
            "kernel": kernel,
            "channels": channels,
            "mean": (0.4, 0.5, 0.6)[:channels],
            "std": (0.2, 0.25, 0.3)[:channels],
            "background": (10, 200, 30),
        }
    )


@pytest.mark.parametrize(("fit", "kernel", "channels"), WAYS, ids=str)
def test_the_network_prepares_as_the_input_spec_does(fit: str, kernel: str, channels: int) -> None:
    inputs = spec(fit, kernel, channels)
    preparing = Preparing(inputs)
    for picture in awkward_pictures(SIZE_PX):
        expected = inputs.normalised(inputs.fitted(inputs.to_channels_of(picture))[None])
        got = preparing(torch.from_numpy(picture)[None]).numpy()
        assert got.shape == (1, channels, SIZE_PX, SIZE_PX)
        np.testing.assert_allclose(got, expected, atol=1e-5, err_msg=f"{picture.shape}")


def test_a_batch_is_prepared_like_its_pictures_alone() -> None:
    preparing = Preparing(spec("crop", "bilinear", 3))
    pictures = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 50, 71, 3), dtype=np.uint8))
    together = preparing(pictures)
    for row in range(3):
        torch.testing.assert_close(together[row], preparing(pictures[row : row + 1])[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "sides", [(50, 71), (101, 67), (48, 48), (47, 49), (200, 7)], ids=lambda sides: f"{sides[0]}x{sides[1]}"
)
def test_colour_order_and_borders_show(sides: tuple[int, int]) -> None:
    """What the parity check relies on: a swapped channel order is far away."""
    inputs = spec("crop", "bilinear", 3)
    picture = np.random.default_rng(1).integers(0, 256, (*sides, 3), dtype=np.uint8)
    right = Preparing(inputs)(torch.from_numpy(picture)[None])
    swapped = Preparing(inputs)(torch.from_numpy(picture[:, :, ::-1].copy())[None])
    assert (right - swapped).abs().max() > 0.1
