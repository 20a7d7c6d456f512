"""Shifts, slants and tilts the view: one homography per picture.

In come uniform draws; out comes `[B, 3, 3]`, which takes output coordinates (-1..1) to view coordinates
(-1..1). `geometry` puts it before the crop, the turn and the flip, so that all of it stays one resampling:

    view = tilt @ slant @ shift @ output

Source: torchvision's `RandomAffine` (shift, slant) and `RandomPerspective`: a tilt moves each corner of the
picture inwards by up to `perspective` half sides, in x and y.
"""

from __future__ import annotations

import numpy as np

from eighteen.augmenting.draws import Draw
from eighteen.augmenting.geometry import Floats
from eighteen.augmenting.settings import AugmentSettings

_CORNERS = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def warps(settings: AugmentSettings, draws: Floats) -> Floats:
    """Output to view coordinates: `[B, 3, 3]`.

    Args:
        settings: the strengths.
        draws: `[B, DRAW_COUNT]` in [0, 1).
    """
    swing = 2.0 * draws - 1.0
    shift_x, shift_y = (2.0 * settings.translate_fraction * swing[:, Draw.SHIFT_X : Draw.SHIFT_Y + 1]).T
    slants = np.tan(np.radians(settings.shear_degrees * swing[:, Draw.SHEAR_X : Draw.SHEAR_Y + 1]))
    found = slanted(slants[:, 0], slants[:, 1]) @ shifted(shift_x, shift_y)
    if settings.perspective > 0:
        inwards = settings.perspective * draws[:, Draw.CORNERS : Draw.CORNERS + 8].reshape(-1, 4, 2)
        found = tilted(_CORNERS * (1.0 - inwards)) @ found
    return found


def shifted(right: Floats, down: Floats) -> Floats:
    """Moves pictures right and down, in half sides `[B]`: `[B, 3, 3]`."""
    maps = np.tile(np.eye(3), (len(right), 1, 1))
    maps[:, 0, 2], maps[:, 1, 2] = -right, -down
    return maps


def slanted(along_x: Floats, along_y: Floats) -> Floats:
    """Slants pictures about their middle, by tangents `[B]`, first in y and then in x: `[B, 3, 3]`."""
    maps = np.tile(np.eye(3), (len(along_x), 1, 1))
    maps[:, 0, 0] += along_x * along_y
    maps[:, 0, 1], maps[:, 1, 0] = along_x, along_y
    return maps


def turned(degrees: Floats) -> Floats:
    """Turns pictures counter-clockwise about their middle, by degrees `[B]`: `[B, 3, 3]`."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    maps = np.tile(np.eye(3), (len(degrees), 1, 1))
    maps[:, 0, 0], maps[:, 0, 1], maps[:, 1, 0], maps[:, 1, 1] = cosine, -sine, sine, cosine
    return maps


def tilted(corners: Floats) -> Floats:
    """Draws pictures into a quadrilateral: `[B, 3, 3]`.

    Args:
        corners: `[B, 4, 2]`, where left top, right top, right bottom and left bottom of the picture go.
    """
    u, v = corners[:, :, 0], corners[:, :, 1]
    x, y = (np.broadcast_to(ends, u.shape) for ends in _CORNERS.T)
    zero, one = np.zeros_like(u), np.ones_like(u)
    # (a u + b v + c) / (g u + h v + 1) = x, and y likewise, for each corner: eight equations.
    for_x = np.stack([u, v, one, zero, zero, zero, -x * u, -x * v], axis=2)
    for_y = np.stack([zero, zero, zero, u, v, one, -y * u, -y * v], axis=2)
    equations = np.concatenate([for_x, for_y], axis=1)
    values = np.linalg.solve(equations, np.concatenate([x, y], axis=1)[:, :, None])[:, :, 0]
    return np.concatenate([values, np.ones((len(values), 1))], axis=1).reshape(-1, 3, 3)
