"""Perceptual hashes: 128 bits that stay nearly the same when a picture is saved, lit, cut or turned
otherwise.

In: the grey squares of sketches. Out: for each picture the signs of its 128 lowest frequencies (a cosine
transform under a sine window, so that the middle counts more than the rim), once as it is and once for each
of six cuts. A copy that was cut or framed by 5 % is then a few bits away from one of these. Mirroring turns
the signs of the odd horizontal frequencies, so the hash of a mirrored picture is the hash with `MIRROR` bits
turned. Bits 0..63 are the lowest frequencies, the steadiest.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eighteen.matching.sketch import SIDE

Hashes = npt.NDArray[np.uint64]

BITS = 128
WORDS = BITS // 64

_CORNERS = [(dy, dx) for dy in (0.0, 1.0) for dx in (0.0, 1.0)]
VIEWS: tuple[tuple[float, float, float], ...] = (
    (1.0, 0.5, 0.5),
    *((0.95, dy, dx) for dy, dx in _CORNERS),
    (0.95, 0.5, 0.5),
    (0.90, 0.5, 0.5),
)
"""Cuts that are hashed: share of each side, and where the cut lies (0 top or left, 1 bottom or right)."""

_CHUNK = 4096


def _frequencies() -> npt.NDArray[np.int64]:
    """`[128, 2]`: vertical and horizontal half waves, lowest first."""
    side = np.arange(16)
    pairs = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)[1:]
    order = np.lexsort((pairs[:, 1], pairs[:, 0], (pairs**2).sum(axis=1)))
    return pairs[order[:BITS]]


_FREQUENCIES = _frequencies()


def pack(bits: npt.NDArray[np.bool_]) -> Hashes:
    """`[N, 128]` truth values as uint64 `[N, 2]`, bit 0 lowest."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u8").astype(np.uint64)


MIRROR: Hashes = pack(_FREQUENCIES[None, :, 1] % 2 == 1)[0]
"""Bits that differ between a picture and its mirror image, `[2]`."""


def view_hashes(grey: npt.NDArray[np.uint8]) -> Hashes:
    """Hashes of the whole picture and of its cuts.

    Args:
        grey: uint8 `[N, 48, 48]`.

    Returns:
        uint64 `[V, N, 2]` in the order of `VIEWS`; `[0]` is that of the whole picture.
    """
    out = np.empty((len(VIEWS), len(grey), WORDS), np.uint64)
    for start in range(0, len(grey), _CHUNK):
        part = grey[start : start + _CHUNK].astype(np.float32)
        for number, (share, dy, dx) in enumerate(VIEWS):
            out[number, start : start + _CHUNK] = pack(_coefficients(part, share, dy, dx) > 0)
    return out


def distance(first: Hashes, second: Hashes) -> npt.NDArray[np.int64]:
    """Number of bits that differ, over the last axis."""
    return np.asarray(np.bitwise_count(first ^ second).sum(axis=-1), np.int64)


def _coefficients(
    grey: npt.NDArray[np.float32], share: float, dy: float, dx: float
) -> npt.NDArray[np.float32]:
    """`[N, 128]`, free of the mean brightness."""
    rows, columns = _waves(share, dy), _waves(share, dx)
    vertical, horizontal = _FREQUENCIES[:, 0], _FREQUENCIES[:, 1]
    spectrum = (rows @ grey) @ columns.T  # [N, 16, 16]
    of_one = np.outer(rows.sum(axis=1), columns.sum(axis=1))
    mean = spectrum[:, :1, :1] / of_one[0, 0]
    return np.asarray((spectrum - mean * of_one)[:, vertical, horizontal], np.float32)


def _waves(share: float, offset: float) -> npt.NDArray[np.float32]:
    """`[16, 48]`: windowed half waves over a cut of one side, zero outside of it."""
    start = offset * (1 - share)
    inside = ((np.arange(SIDE) + 0.5) / SIDE - start) / share
    window = np.where((inside > 0) & (inside < 1), np.sin(np.pi * inside), 0.0)
    return (np.cos(np.pi * np.arange(16)[:, None] * inside) * window).astype(np.float32)
