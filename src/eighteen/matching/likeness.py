"""Looks at two sketches side by side: do they show the same picture, or only something alike?

In: pairs of sketches, with the cut and the mirroring that brought them nearest. Out: their likeness, the
squared correlation of the grey squares once one is laid over the other (0..1), 0 where their colours differ.
The small move, turn and stretch that a cut or a rotation leaves is found by Gauss-Newton steps (Lucas and
Kanade 1981), bounded, so that nothing is bent into another thing. A second photograph of the same shirt
differs by more than that.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eighteen.matching.hashes import VIEWS
from eighteen.matching.sketch import CELLS, SIDE, Sketches

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

STEPS = 3
_HOPELESS = 0.5
_CLEAR = 0.995
_LARGEST_MOVE_PX, _LARGEST_BEND = 2.0, 0.07
_BLUR = np.array([0.0545, 0.2442, 0.4026, 0.2442, 0.0545], np.float32)
"""A Gaussian of one pixel: what is finer than that does not survive the square's own sampling."""
_EVERY = 2
_AT_ONCE = 256
_HUE_LEVELS, _HUE_SHARE = 6.0, 0.3
"""How far hues may differ: levels of 255, and a share of how coloured the picture is."""


def _grid(side: int) -> Floats:
    """`[3, side, side]`: down and across from the middle, in pixels, and 1."""
    at = np.arange(side, dtype=np.float32) + np.float32(0.5 - side / 2)
    return np.stack([*np.meshgrid(at, at, indexing="ij"), np.ones((side, side), np.float32)])


_GRIDS = {side: _grid(side) for side in (SIDE, CELLS)}
_WINDOW = np.prod(np.cos(np.pi / SIDE * _GRIDS[SIDE][:2]), axis=0, dtype=np.float32)


def likeness(
    queries: Sketches, known: Sketches, query: Rows, found: Rows, view: Rows, mirrored: npt.NDArray[np.bool_]
) -> Floats:
    """Likeness of each pair.

    Args:
        queries, known: the two collections (the same one twice where pairs lie within it).
        query, found: rows of the pairs in them, `[P]`.
        view: the cut of the query that lies nearest, by number in `VIEWS`.
        mirrored: whether the query has to be mirrored.

    Returns:
        `[P]`, 0..1; copies of one picture have 0.97 and more.
    """
    out = np.zeros(len(query), np.float32)
    for start in range(0, len(query), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        place = _first_place(view[part], mirrored[part])
        one, other = _blurred(queries.grey[query[part]]), _blurred(known.grey[found[part]])
        out[part] = _best_fit(one, other, place)
        out[part] *= _same_colours(queries.colour[query[part]], known.colour[found[part]], place)
    return out


def _first_place(view: Rows, mirrored: npt.NDArray[np.bool_]) -> Floats:
    """Where the cut lies, as an affine map from the known square into the query's, `[P, 2, 3]`.

    Each row gives a coordinate from (down, across, 1), in pixels from the middle.
    """
    share, down, across = np.array(VIEWS, np.float32)[view].T
    place = np.zeros((len(view), 2, 3), np.float32)
    place[:, 0, 0] = share
    place[:, 1, 1] = np.where(mirrored, -share, share)
    place[:, 0, 2] = (down - 0.5) * (1 - share) * SIDE
    place[:, 1, 2] = (across - 0.5) * (1 - share) * SIDE
    return place


def _best_fit(one: Floats, other: Floats, place: Floats) -> Floats:
    """The best squared correlation on the way; pairs that are clearly equal or hopeless take no step."""
    start, place = place, place.copy()
    best = _correlation(*_laid_over(one, place), other)
    open_ = np.flatnonzero((best > _HOPELESS) & (best < _CLEAR))
    for _ in range(STEPS):
        if len(open_) == 0:
            break
        place[open_] = _bounded(place[open_] + _step(one[open_], other[open_], place[open_]), start[open_])
        best[open_] = np.maximum(
            best[open_], _correlation(*_laid_over(one[open_], place[open_]), other[open_])
        )
        open_ = open_[best[open_] < _CLEAR]
    return best


def _bounded(place: Floats, start: Floats) -> Floats:
    limit = np.array([_LARGEST_BEND, _LARGEST_BEND, _LARGEST_MOVE_PX], np.float32)
    return np.asarray(start + np.clip(place - start, -limit, limit), np.float32)


def _step(one: Floats, other: Floats, place: Floats) -> Floats:
    """One Gauss-Newton step of the affine map, gain and offset solved along, on every second pixel."""
    thin = (slice(None), slice(None, None, _EVERY), slice(None, None, _EVERY))
    laid, weight = (values[thin] for values in _laid_over(one, place))
    slopes = [_laid_over(np.gradient(one, axis=axis).astype(np.float32), place)[0][thin] for axis in (1, 2)]
    columns = [slope * by[thin[1:]] for slope in slopes for by in _GRIDS[SIDE]]
    design = np.stack([*columns, laid, np.ones_like(laid)], axis=-1).reshape(len(one), -1, 8)
    weighted = np.swapaxes(design * weight.reshape(len(one), -1, 1), 1, 2)
    normal = (weighted @ design).astype(np.float64)
    normal += 1e-3 * np.einsum("pii->pi", normal)[:, :, None] * np.eye(8) + 1e-6 * np.eye(8)
    # other = gain * (laid + slopes * step) + offset, so what is solved for is gain * step.
    target = (weighted @ other[thin].reshape(len(one), -1, 1)).astype(np.float64)
    solved = np.linalg.solve(normal, target)[:, :, 0]
    gain = np.clip(np.abs(solved[:, 6:7]), 0.2, 5.0)
    return np.asarray((solved[:, :6] / gain).reshape(-1, 2, 3), np.float32)


def _laid_over(one: Floats, place: Floats) -> tuple[Floats, Floats]:
    """The query's squares seen through the map, bilinear, and the weight of each pixel (0 outside)."""
    where = _through(place, SIDE)
    inside = ((where >= 0) & (where <= SIDE - 1)).all(axis=1)
    return _interpolated(one, where), _WINDOW * inside


def _through(place: Floats, side: int) -> Floats:
    """Where each pixel of a square of `side` lies in the query's square, `[P, 2, side, side]`."""
    scaled = place * np.array([1, 1, side / SIDE], np.float32)
    return np.asarray(np.tensordot(scaled, _GRIDS[side], axes=([2], [0])) + (side / 2 - 0.5), np.float32)


def _interpolated(squares: Floats, where: Floats) -> Floats:
    """Values of `[P, side, side]` at the places; beyond the rim those of the rim."""
    side = squares.shape[-1]
    where = np.clip(where, 0, side - 1.001)
    corner = where.astype(np.int32)
    part = where - corner
    flat = squares.reshape(-1)
    first = corner[:, 0] * side + corner[:, 1] + (np.arange(len(squares)) * side**2)[:, None, None]
    above = flat[first] * (1 - part[:, 1]) + flat[first + 1] * part[:, 1]
    below = flat[first + side] * (1 - part[:, 1]) + flat[first + side + 1] * part[:, 1]
    return np.asarray(above * (1 - part[:, 0]) + below * part[:, 0], np.float32)


def _correlation(one: Floats, weight: Floats, other: Floats) -> Floats:
    """Squared weighted correlation, 0 where it is negative."""
    total = weight.sum(axis=(1, 2), keepdims=True) + 1e-6
    one = one - (weight * one).sum(axis=(1, 2), keepdims=True) / total
    other = other - (weight * other).sum(axis=(1, 2), keepdims=True) / total
    both = (weight * one * other).sum(axis=(1, 2))
    energy = (weight * one * one).sum(axis=(1, 2)) * (weight * other * other).sum(axis=(1, 2))
    return np.asarray(np.maximum(both, 0) ** 2 / (energy + 1e-6), np.float32)


def _blurred(grey: npt.NDArray[np.uint8]) -> Floats:
    wide = np.pad(grey.astype(np.float32), ((0, 0), (2, 2), (2, 2)), mode="edge")
    rows = np.stack([wide[:, k : k + SIDE] for k in range(len(_BLUR))], axis=-1) @ _BLUR
    both = np.stack([rows[:, :, k : k + SIDE] for k in range(len(_BLUR))], axis=-1) @ _BLUR
    return np.asarray(both, np.float32)


def _same_colours(
    one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8], place: Floats
) -> npt.NDArray[np.bool_]:
    """Whether hues agree but for one gain, in the inner cells (a frame may have any colour)."""
    where = _through(place, CELLS)
    channels = [_interpolated(one[..., k].astype(np.float32), where) for k in range(3)]
    first, second = _hues(np.stack(channels, axis=-1)), _hues(other.astype(np.float32))
    gain = (first * second).sum(axis=1) / ((first**2).sum(axis=1) + 1e-6)
    rest = second - np.clip(gain, 0.5, 2.0)[:, None] * first
    allowed = _HUE_LEVELS + _HUE_SHARE * np.sqrt((second**2).mean(axis=1))
    return np.asarray(np.sqrt((rest**2).mean(axis=1)) < allowed, np.bool_)


def _hues(colour: Floats) -> Floats:
    """Colour without brightness, `[P, 36 * 3]`."""
    inner = colour[:, 1 : CELLS - 1, 1 : CELLS - 1]
    return np.asarray((inner - inner.mean(axis=3, keepdims=True)).reshape(len(colour), -1), np.float32)
