"""Pictures with something taken away: blurred, covered, or nothing left but coarse colours.

In go fitted pictures `[B, C, H, W]`, out come others of the same shape. Sizes are shares of the side, so that
the same is taken away at any resolution.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

from eighteen.explaining._asking import Pixels

Flags = npt.NDArray[np.bool_]


def blurred(pixels: Pixels, sigma_fraction: float) -> Pixels:
    """Blurred by three box filters in a row, which are close to a Gaussian and cost the same at any width.

    Args:
        pixels: `[B, C, H, W]`.
        sigma_fraction: standard deviation as a share of the shorter side.

    Source: Wells, Efficient Synthesis of Gaussian Filters by Cascaded Uniform Filters, IEEE TPAMI 8 (1986):
    n boxes of width w have the variance n (w² - 1) / 12.
    """
    sigma_px = sigma_fraction * min(pixels.shape[2:])
    width = max(1, round(np.sqrt(4 * sigma_px**2 + 1)))
    for _ in range(3):
        pixels = uniform_filter(pixels, size=(1, 1, width, width), mode="reflect")
    return pixels


def coarse_colours(pixels: Pixels, cells: int) -> Pixels:
    """The mean colour of each of `cells` x `cells` parts of the picture, and nothing else."""
    out = np.empty_like(pixels)
    for rows in np.array_split(np.arange(pixels.shape[2]), cells):
        for columns in np.array_split(np.arange(pixels.shape[3]), cells):
            if len(rows) and len(columns):
                part = np.s_[:, :, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
                out[part] = pixels[part].mean(axis=(2, 3), keepdims=True)
    return out


def middle_covered(pixels: Pixels, band_fraction: float, colour: npt.NDArray[np.float32]) -> Pixels:
    """Only a band along the border is left; the middle has one colour in all pictures.

    Args:
        pixels: `[B, C, H, W]`.
        band_fraction: width of the band as a share of the side, at least one pixel.
        colour: `[C]`. One taken from the picture itself would give something of its middle away.
    """
    rows, columns = (max(1, round(band_fraction * side)) for side in pixels.shape[2:])
    out = pixels.copy()
    out[:, :, rows:-rows, columns:-columns] = colour[:, None, None]
    return out


def filled(pixels: Pixels, marked: Flags, filling: Pixels) -> Pixels:
    """With `filling` where `marked` `[B, H, W]` is set."""
    return np.where(marked[:, None], filling, pixels)
