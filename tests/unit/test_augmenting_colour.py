"""Colour changes equal torchvision's one by one, fuse in the stated order and end in the network's range."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from eighteen.augmenting.colour import colour_maps, write_normalised, write_recoloured
from eighteen.augmenting.draws import DRAW_COUNT, Draw, uniforms
from eighteen.augmenting.settings import AugmentSettings

STEPS = (Draw.BRIGHTNESS, Draw.CONTRAST, Draw.SATURATION, Draw.HUE)


def pictures(channels: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return low + (high - low) * torch.rand(2, channels, 9, 7, generator=generator)


def recoloured(pixels: Tensor, settings: AugmentSettings, **draws: float) -> Tensor:
    """Pictures of 0..1 in and out, with the named draws and the middle for all others."""
    values = np.full((len(pixels), DRAW_COUNT), 0.5)
    for name, value in draws.items():
        values[:, Draw[name]] = value
    linear, grey_gain = (torch.from_numpy(a) for a in colour_maps(settings, values, pixels.shape[1]))
    out = torch.empty_like(pixels)
    ones, zeros = torch.full((pixels.shape[1],), 1 / 255), torch.zeros(pixels.shape[1])
    write_recoloured(pixels * 255, linear, grey_gain, scale=ones, shift=zeros, out=out)
    return out


@pytest.mark.parametrize("draw", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("channels", [1, 3])
def test_brightness_and_contrast_equal_torchvision(channels: int, draw: float) -> None:
    pixels, factor = pictures(channels), 1 + 0.4 * (2 * draw - 1)
    bright = recoloured(pixels, AugmentSettings(brightness=0.4), BRIGHTNESS=draw)
    assert torch.allclose(bright, tv.adjust_brightness(pixels, factor), atol=1e-5)
    contrast = recoloured(pixels, AugmentSettings(contrast=0.4), CONTRAST=draw)
    # torchvision's weights of grey add up to 0.9999.
    assert torch.allclose(contrast, tv.adjust_contrast(pixels, factor), atol=2e-4)


@pytest.mark.parametrize("draw", [0.0, 0.3, 0.999])
def test_saturation_equals_torchvision(draw: float) -> None:
    pixels = pictures(3)
    ours = recoloured(pixels, AugmentSettings(saturation=1.0), SATURATION=draw)
    assert torch.allclose(ours, tv.adjust_saturation(pixels, 2 * draw), atol=3e-4)


def hues(pixels: Tensor) -> np.ndarray:
    colours = pixels.permute(0, 2, 3, 1).reshape(-1, 3).tolist()
    return np.array([colorsys.rgb_to_hsv(*colour)[0] for colour in colours])


@pytest.mark.parametrize("turn", [-0.1, -0.03, 0.03, 0.1])
def test_hue_turns_as_torchvisions_does_and_keeps_luma(turn: float) -> None:
    pixels = pictures(3, 0.35, 0.65)
    ours = recoloured(pixels, AugmentSettings(hue=0.2), HUE=0.5 + turn / 0.4)
    turned, exact = ((hues(p) - hues(pixels) + 0.5) % 1 - 0.5 for p in (ours, tv.adjust_hue(pixels, turn)))
    assert np.allclose(exact, turn, atol=1e-3)
    # A turn of YIQ is none of HSV: right on average, about a half too much or too little for some colours.
    assert np.isclose(np.mean(turned), turn, rtol=0.15)
    assert np.quantile(np.abs(turned - turn), 0.95) < 0.6 * abs(turn)
    luma = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    assert torch.allclose((ours * luma).sum(1), (pixels * luma).sum(1), atol=1e-4)


def test_a_full_turn_of_hue_is_none_and_grey_stays_grey() -> None:
    pixels = pictures(3, 0.3, 0.7)
    half = AugmentSettings(hue=0.5)
    assert torch.allclose(recoloured(pixels, half, HUE=0.0), recoloured(pixels, half, HUE=1.0), atol=1e-4)
    grey = pictures(1).expand(-1, 3, -1, -1).contiguous()
    assert torch.allclose(recoloured(grey, half, HUE=0.1), grey, atol=1e-4)


def test_the_fused_changes_are_the_steps_one_after_the_other() -> None:
    # Middling colours, so that torchvision clips nothing on the way.
    pixels = pictures(3, 0.3, 0.6)
    settings = AugmentSettings(brightness=0.2, contrast=0.3, saturation=0.4)
    ours = recoloured(pixels, settings, BRIGHTNESS=0.9, CONTRAST=0.1, SATURATION=0.8)
    theirs = tv.adjust_saturation(tv.adjust_contrast(tv.adjust_brightness(pixels, 1.16), 0.76), 1.24)
    assert torch.allclose(ours, theirs, atol=3e-4)


def test_values_are_clipped_before_they_are_normalised() -> None:
    pixels = pictures(3) * 255
    linear = torch.eye(3).expand(2, 3, 3) * 3
    scale, shift = torch.tensor([0.01, 0.02, 0.03]), torch.tensor([-1.0, 0.5, 0.0])
    out = torch.empty_like(pixels)
    write_recoloured(pixels, linear, torch.full((2,), -0.5), scale=scale, shift=shift, out=out)
    grey = (pixels.mean((2, 3)) * torch.tensor([0.299, 0.587, 0.114])).sum(1)
    plain = (3 * pixels - 0.5 * grey[:, None, None, None]).clamp(0, 255)
    assert torch.allclose(out, plain * scale[:, None, None] + shift[:, None, None], atol=1e-4)
    assert (plain == 0).any() and (plain == 255).any()


def test_normalising_alone() -> None:
    pixels, out = pictures(3) * 255, torch.empty(2, 3, 9, 7)
    write_normalised(pixels, torch.tensor([0.1, 0.2, 0.3]), torch.tensor([1.0, 2.0, 3.0]), out)
    assert torch.allclose(out[:, 1], pixels[:, 1] * 0.2 + 2.0)


def test_factors_are_uniform_between_their_limits() -> None:
    draws = uniforms(0, 0, np.arange(4000, dtype=np.uint64), DRAW_COUNT)
    linear, grey_gain = colour_maps(AugmentSettings(brightness=0.4), draws, 1)
    assert stats.kstest(linear[:, 0, 0], stats.uniform(0.6, 0.8).cdf).pvalue > 1e-3
    assert np.array_equal(grey_gain, np.zeros(4000, np.float32))
    _, grey_gain = colour_maps(AugmentSettings(contrast=0.3), draws, 3)
    assert stats.kstest(1 - grey_gain, stats.uniform(0.7, 0.6).cdf).pvalue > 1e-3
