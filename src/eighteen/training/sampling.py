"""How often an epoch shows each picture: once, or so that small classes come as often as large ones.

In come the class and the key of each picture, out comes how often it is shown in an epoch. An epoch stays as
long as it is. Where a class is shown more often than it has pictures, all of them come before any comes
again; where less often, other ones come in each epoch. All is a function of seed and epoch, so that a resume
needs nothing saved.

Source: Mahajan et al., Exploring the Limits of Weakly Supervised Pretraining, ECCV 2018 (square root); Kang
et al., Decoupling Representation and Classifier for Long-Tailed Recognition, ICLR 2020 (the three compared).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from eighteen.augmenting.draws import uniforms

Sampling = Literal["natural", "balanced", "square_root"]

Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

POWERS: dict[Sampling, float] = {"natural": 1.0, "square_root": 0.5, "balanced": 0.0}
"""A class is shown in proportion to the number of its pictures to this power."""

SAMPLING_STREAM = 0x5A3B
"""Keeps the draws of the sampling apart from those of the order and of the augmentation."""

_COPY = np.uint64(0x9E3779B97F4A7C15)


def times_shown(classes: Ints, keys: Keys, sampling: Sampling, seed: int, epoch: int) -> Ints:
    """How often each picture is shown in an epoch, `[N]`; the sum is N.

    Args:
        classes: `[N]`, numbers of the classes.
        keys: `[N]`, see `image_keys`.
        sampling: which classes come more often.
        seed: of the run.
        epoch: from 0.

    >>> from eighteen.augmenting.draws import image_keys
    >>> times_shown(np.array([0, 0, 0, 1]), image_keys("abcd"), "balanced", 0, 0)[3]
    np.int64(2)
    """
    if sampling == "natural":
        return np.ones(len(classes), np.int64)
    present, numbers, counts = np.unique(classes, return_inverse=True, return_counts=True)
    wanted = _apportioned(counts.astype(np.float64) ** POWERS[sampling], len(classes))
    draws = uniforms(seed ^ SAMPLING_STREAM, epoch, keys, 1)[:, 0]
    shown = (wanted // counts)[numbers]
    for number in range(len(present)):
        rows = np.flatnonzero(numbers == number)
        # Equal draws fall back to the key, never to the table's order.
        drawn = rows[np.lexsort((keys[rows], draws[rows]))]
        shown[drawn[: wanted[number] % counts[number]]] += 1
    return np.asarray(shown, np.int64)


def shown_again(keys: Keys, copies: Ints) -> Keys:
    """Keys for repeated pictures, so that each repeat is augmented in its own way; copy 0 keeps its key."""
    return keys + copies.astype(np.uint64) * _COPY


def _apportioned(shares: npt.NDArray[np.float64], total: int) -> Ints:
    """Whole numbers in proportion to shares with the given sum, by largest remainders."""
    exact = shares / shares.sum() * total
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(whole - exact, kind="stable")
    whole[order[: total - whole.sum()]] += 1
    return np.asarray(whole, np.int64)
