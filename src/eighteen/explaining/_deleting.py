"""Which part of a picture is deleted: the one that a map marks, or one like it at a random place."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from eighteen.explaining._altering import Flags
from eighteen.explaining._asking import Maps, Pixels, content_number


def marked_parts(maps: Maps, area_fraction: float) -> Flags:
    """The pixels with the highest values of each map, `[N, H, W]`.

    Pixels at the lowest value of their map are not marked, so a flat map marks nothing.

    >>> marked_parts(np.array([[[0.0, 0.2], [0.9, 0.0]]], np.float32), 0.25).astype(int).tolist()
    [[[0, 0], [1, 0]]]
    """
    flat = maps.reshape(len(maps), -1)
    count = math.ceil(area_fraction * flat.shape[1])
    highest = np.argsort(-flat, axis=1, kind="stable")[:, :count]
    marked = np.zeros(flat.shape, bool)
    np.put_along_axis(marked, highest, True, axis=1)
    marked &= flat > flat.min(axis=1, keepdims=True)
    return marked.reshape(maps.shape)


def moved_parts(marked: Flags, pixels: Pixels, repeats: int, seed: int) -> Iterator[Flags]:
    """The marked parts, mirrored at random and moved to random places.

    What leaves one side enters at the other, so the number of pixels stays.

    Args:
        marked: `[N, H, W]`.
        pixels: `[N, C, H, W]`; the draws of a picture depend on its content, not on its row.
        repeats: how often.
        seed: of the draws.
    """
    draws = [np.random.default_rng([seed, content_number(picture)]) for picture in pixels]
    for _ in range(repeats):
        yield np.stack([_moved(part, draw) for part, draw in zip(marked, draws, strict=True)])


def _moved(part: Flags, draw: np.random.Generator) -> Flags:
    down, right = draw.integers(0, part.shape[0]), draw.integers(0, part.shape[1])
    flipped = part[:: draw.choice([1, -1]), :: draw.choice([1, -1])]
    return np.roll(flipped, (int(down), int(right)), axis=(0, 1))
