"""Random numbers that belong to a picture and an epoch, not to a moment.

In come the seed of the run, the epoch and one key per picture; out come uniform numbers. Each number is a
hash of (seed, epoch, key, position), so a picture gets the same numbers in whatever batch, order or worker it
is drawn, no state has to be saved for a resume, and no global generator is touched.

Source: SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"): position `i`
of a stream that starts at `s` is `mix(s + (i + 1) * GAMMA)`. The start mixes seed, epoch and key in turn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import numpy.typing as npt

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MASK = (1 << 64) - 1

CROP_ATTEMPTS = 10
"""How often a random crop is drawn before the largest part is taken instead; torchvision's number."""


class Draw(IntEnum):
    """Which position of a picture's stream decides what; those of the policies come after the last."""

    FLIP_HORIZONTAL = 0
    FLIP_VERTICAL = 1
    ROTATION = 2
    SCALE = 3
    LEFT = 4
    TOP = 5
    BRIGHTNESS = 6
    CONTRAST = 7
    SATURATION = 8
    HUE = 9
    ERASING = 10
    ERASING_AREA = 11
    ERASING_ASPECT = 12
    ERASING_LEFT = 13
    ERASING_TOP = 14
    CROP_FIRST = 15
    """Two for each attempt."""
    SHIFT_X = 35
    SHIFT_Y = 36
    SHEAR_X = 37
    SHEAR_Y = 38
    GREY = 39
    BLUR = 40
    BLUR_SIGMA = 41
    CUTOUT_LEFT = 42
    CUTOUT_TOP = 43
    CORNERS = 44
    """Two for each of four corners."""


DRAW_COUNT = Draw.CORNERS + 8


def uniforms(seed: int, epoch: int, keys: npt.NDArray[np.uint64], count: int) -> npt.NDArray[np.float64]:
    """Uniform numbers in [0, 1), the same for a key whatever other keys stand beside it.

    Args:
        seed: the run's seed; any integer, its lower 64 bits count.
        epoch: any integer, as above.
        keys: `[B]` uint64, one per picture; see `image_keys`.
        count: how many numbers a picture needs.

    Returns:
        float64 `[B, count]`; a larger `count` only adds columns.

    >>> keys = image_keys(["a.png", "b.png"])
    >>> both, second = uniforms(0, 3, keys, 5), uniforms(0, 3, keys[1:], 2)
    >>> bool((both[1, :2] == second[0]).all())
    True
    """
    # mix(0) is 0, so each part is set off by GAMMA: small seeds and epochs then share nothing.
    start = _mixed(np.array([seed & _MASK], dtype=np.uint64) + _GAMMA)
    start = _mixed((start ^ np.uint64(epoch & _MASK)) + _GAMMA)
    start = _mixed((start ^ keys) + _GAMMA)  # [B]
    steps = np.arange(1, count + 1, dtype=np.uint64) * _GAMMA
    bits = _mixed(start[:, None] + steps)  # [B, count]
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def image_keys(ids: Sequence[str]) -> npt.NDArray[np.uint64]:
    """A key for each image id, the same on every machine: `[len(ids)]` uint64, BLAKE2b of the UTF-8 id."""
    texts = (name.encode("utf-8", "surrogatepass") for name in ids)
    digests = b"".join(hashlib.blake2b(text, digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def alternating(seed: int, turn: int, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """One uniform number per picture that moves on by a half, modulo one, from turn to turn: `[B]`.

    What happens below 0.5 then happens every second time that a picture's turn comes, beginning at random.
    """
    first = uniforms(seed, 0, keys, 1)[:, 0]
    return np.asarray((first + 0.5 * (turn % 2)) % 1.0, np.float64)


def view_keys(keys: npt.NDArray[np.uint64], views: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Keys of further views of the same pictures in an epoch: `[B]` uint64; view 0 is the picture's own key.

    >>> keys = image_keys(["a.png", "a.png"])
    >>> view_keys(keys, np.array([0, 1])) == keys
    array([ True, False])
    """
    return np.where(views == 0, keys, _mixed(keys ^ (views.astype(np.uint64) * _GAMMA)))


def _mixed(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The output function of SplitMix64: flips about half of all bits for each bit that changes."""
    state = state ^ (state >> np.uint64(30))
    state *= np.uint64(0xBF58476D1CE4E5B9)
    state ^= state >> np.uint64(27)
    state *= np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return state
