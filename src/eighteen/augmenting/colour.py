"""Changes brightness, contrast, saturation and hue, and normalises, in one matrix per picture.

In come pictures of 0..255 and uniform draws; out comes the network's range. All four changes are affine in
the colour, applied in this fixed order, so that they fuse with the normalisation into one `[C, C]` matrix and
one offset:

    brightness: b x        contrast: c x + (1 - c) mean grey        saturation: s x + (1 - s) grey(x)
    hue: turns the colour plane of YIQ

Values are clipped to 0..255 once, at the end, where torchvision clips after each step. Turning YIQ is a
linear stand-in for turning HSV: it keeps luma, and its hue is right on average but off by up to
about half the turn for single colours. Grey is ITU-R 601 luma.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eighteen.augmenting.draws import Draw
from eighteen.augmenting.settings import AugmentSettings

Floats = npt.NDArray[np.float64]

_LUMA = (0.299, 0.587, 0.114)
_YIQ = np.array([_LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])
"""RGB to YIQ (NTSC 1953, FCC weights)."""


def colour_maps(
    settings: AugmentSettings, draws: Floats, channels: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """What each picture's colours become: `x -> linear @ x + grey_gain * mean grey`.

    Args:
        settings: the strengths.
        draws: `[B, DRAW_COUNT]` in [0, 1).
        channels: 1 or 3; one channel knows brightness and contrast only.

    Returns:
        `linear [B, C, C]` and `grey_gain [B]`, float32.
    """
    swing = 2.0 * draws - 1.0
    brightness = 1.0 + settings.brightness * swing[:, Draw.BRIGHTNESS]
    contrast = 1.0 + settings.contrast * swing[:, Draw.CONTRAST]
    saturation = 1.0 + settings.saturation * swing[:, Draw.SATURATION]
    turn = 2.0 * math.pi * settings.hue * swing[:, Draw.HUE]
    saturation[draws[:, Draw.GREY] < settings.grey] = 0.0
    linear = _chroma_maps(saturation, turn) if channels == 3 else np.ones((len(contrast), 1, 1))
    linear = linear * (brightness * contrast)[:, None, None]
    return linear.astype(np.float32), ((1.0 - contrast) * brightness).astype(np.float32)


def write_normalised(pixels: Tensor, scale: Tensor, shift: Tensor, out: Tensor) -> None:
    """Writes `pixels * scale + shift`, channel by channel.

    Args:
        pixels: float32 `[n, C, H, W]`, 0..255.
        scale, shift: float32 `[C]`.
        out: float32 `[n, C, H, W]`.
    """
    torch.addcmul(shift[:, None, None], pixels, scale[:, None, None], out=out)


def write_recoloured(
    pixels: Tensor, linear: Tensor, grey_gain: Tensor, *, scale: Tensor, shift: Tensor, out: Tensor
) -> None:
    """Writes the pictures with their colours changed, clipped to 0..255 and normalised.

    Args:
        pixels: float32 `[n, C, H, W]`, 0..255.
        linear, grey_gain: `[n, C, C]` and `[n]`, see `colour_maps`.
        scale, shift: float32 `[C]`; network input = pixel * scale + shift.
        out: float32 `[n, C, H, W]`, contiguous.
    """
    count, channels = pixels.shape[:2]
    # Rows first, then their means: the order of adding must not depend on the batch or the number of threads.
    means = pixels.mean(3).mean(2)  # [n, C]
    offset = (grey_gain[:, None] * luma_of(means)) * scale + shift  # [n, C]
    torch.baddbmm(
        offset[:, :, None],
        linear * scale[:, None],
        pixels.reshape(count, channels, -1),
        out=out.view(count, channels, -1),
    )
    for channel, black, white in zip(
        out.unbind(1), shift.tolist(), (255.0 * scale + shift).tolist(), strict=True
    ):
        channel.clamp_(black, white)


def luma_of(colours: Tensor) -> Tensor:
    """Grey of `[n, C, …]`, C 1 or 3: `[n, 1, …]`."""
    if colours.shape[1] == 1:
        return colours
    red, green, blue = (colours[:, channel, None] for channel in range(3))
    return (red * _LUMA[0]).add_(green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2])


def _chroma_maps(saturation: Floats, turn: Floats) -> Floats:
    """`grey + s * (cos * chroma + sin * turned chroma)`: `[B, 3, 3]`.

    The three matrices split a colour into its grey, the rest, and the rest turned by 90 degrees in the I-Q
    plane; saturation and hue both act on the rest alone, so they fuse into one sum.
    """
    to_rgb = np.linalg.inv(_YIQ)
    grey = np.tile(_LUMA, (3, 1))
    chroma = np.eye(3) - grey
    turned = to_rgb @ np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]) @ _YIQ
    along, across = saturation * np.cos(turn), saturation * np.sin(turn)
    mixed: Floats = grey + along[:, None, None] * chroma + across[:, None, None] * turned
    return mixed
