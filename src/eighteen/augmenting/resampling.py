"""Moves pixels: one `grid_sample` for any map, or a plain gather where pixels land on pixels.

In come stored uint8 squares `[n, C, S, S]`; out come float32 pictures `[n, C, size, size]`, 0..255. Sampling
is bilinear, which aliases where an output pixel covers many stored pixels; from two on the stored picture is
first averaged by a whole factor (`shrink_factors`), after which coordinates of -1..1 stay valid.

Why two: against Pillow's antialiased resize of 12 photographs to 64 pixels, bare sampling is off by 1.1 to
2.7 levels of 255 (RMS) when making 1.25 to 1.9 times smaller, averaging by two first by 7.1 to 3.4; from two
times on averaging wins (2.5 times: 1.9 against 4.3; three times, by two: 1.9 against 7.2).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from eighteen.augmenting.settings import Fill


def shrink_factors(maps: npt.NDArray[np.float64], stored_px: int, size_px: int) -> npt.NDArray[np.int64]:
    """By how much to average each stored picture before sampling, x and y: `[B, 2]`, 1 = not at all.

    Args:
        maps: `[B, 2, 3]` or, with perspective, `[B, 3, 3]`; output to stored coordinates.
        stored_px: side of the stored square.
        size_px: side of the output.
    """
    slopes = maps[:, :2, :2]
    if maps.shape[1] == 3:  # Of the quotient, in the middle of the output.
        slopes = (slopes - maps[:, :2, 2:] @ maps[:, 2:, :2] / maps[:, 2:, 2:]) / maps[:, 2:, 2:]
    stored_per_output = np.hypot(slopes[:, :, 0], slopes[:, :, 1]) * (stored_px / size_px)
    # The small addend keeps rounding errors of exact factors from deciding.
    return np.clip(np.floor(stored_per_output + 1e-6), 1, stored_px).astype(np.int64)


def resampled(
    pixels: Tensor,
    maps: Tensor,
    size_px: int,
    *,
    shrink: tuple[int, int] = (1, 1),
    fill: Fill | None = None,
    background: Tensor | None = None,
) -> Tensor:
    """Pictures seen through maps: float32 `[n, C, size_px, size_px]`, 0..255.

    Args:
        pixels: uint8 `[n, C, S, S]`.
        maps: float32 `[n, 2, 3]` or `[n, 3, 3]`, output to stored coordinates.
        size_px: side of the output.
        shrink: averages the stored pictures by these factors in x and y first.
        fill: what lies outside; None where the maps never leave the picture.
        background: float32 `[C, 1, 1]`, 0..255; needed for `fill="background"`.
    """
    source = pixels.to(torch.float32)
    if shrink != (1, 1):
        stored_px = pixels.shape[-1]
        source = F.adaptive_avg_pool2d(source, (-(-stored_px // shrink[1]), -(-stored_px // shrink[0])))
    grid = _grid(maps, size_px)
    if fill == "background" and background is not None:
        sampled = F.grid_sample(source.sub_(background), grid, padding_mode="zeros", align_corners=False)
        return sampled.add_(background)
    padding = "reflection" if fill == "reflect" else "border"
    return F.grid_sample(source, grid, padding_mode=padding, align_corners=False)


def shifted(
    pixels: Tensor, shifts_px: Tensor, flips: Tensor, fill: Fill, background: Tensor | None = None
) -> Tensor:
    """Pictures shifted by whole pixels and mirrored, without any resampling: uint8 `[n, C, S, S]`.

    Args:
        pixels: uint8 `[n, C, S, S]`.
        shifts_px: int64 `[n, 2]`, how far the view moves right and down, less than S.
        flips: bool `[n, 2]`, left-right and top-bottom, after the shift.
        fill: `reflect` repeats the edge pixel, as `grid_sample` does.
        background: float32 `[C, 1, 1]`, 0..255; needed for `fill="background"`.
    """
    count, channels, side_px, _ = pixels.shape
    places = torch.arange(side_px, device=pixels.device)
    places = torch.where(flips[:, :, None], side_px - 1 - places, places) + shifts_px[:, :, None]  # [n, 2, S]
    inside = (places >= 0) & (places < side_px)
    places = torch.where(places < 0, -1 - places, places)
    places = torch.where(places >= side_px, 2 * side_px - 1 - places, places)
    flat = places[:, 1, :, None] * side_px + places[:, 0, None, :]
    index = flat.view(count, 1, -1).expand(count, channels, -1)
    moved = pixels.reshape(count, channels, -1).gather(2, index).view_as(pixels)
    if fill == "background" and background is not None:
        seen = (inside[:, 1, :, None] & inside[:, 0, None, :])[:, None]
        return torch.where(seen, moved, background.to(torch.uint8))
    return moved


def _grid(maps: Tensor, size_px: int) -> Tensor:
    """As `F.affine_grid(align_corners=False)`, by two outer sums: a fifth of its time.

    A third row of a map is what the other two are divided by. Beyond the horizon, where it would be nought or
    less, nothing can be seen: those places lie far outside.
    """
    ticks = (torch.arange(size_px, dtype=torch.float32, device=maps.device) + 0.5) * (2.0 / size_px) - 1.0
    grid = torch.empty(len(maps), size_px, size_px, 2, device=maps.device)
    along_x = maps[:, :, 0, None] * ticks  # [n, 2, size]
    along_y = maps[:, :, 1, None] * ticks + maps[:, :, 2, None]
    for axis in (0, 1):
        torch.add(along_x[:, axis, None, :], along_y[:, axis, :, None], out=grid[..., axis])
    if maps.shape[1] == 3:
        depth = along_x[:, 2, None, :] + along_y[:, 2, :, None]  # [n, size, size]
        grid.div_(depth.clamp_(min=1e-3)[..., None])
    return grid
