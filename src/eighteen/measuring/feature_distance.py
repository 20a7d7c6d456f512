"""How far a picture lies from the training pictures, in the network's own features.

In come features of training pictures, out goes a frozen measure of distance; it is 0 in their midst and has
no upper end. `ClassDistance` takes each class for a cloud of the same shape, `NeighbourDistance` takes no
shape for granted and keeps all training features.

Sources: Lee et al., A Simple Unified Framework for Detecting Out-of-Distribution Samples, NeurIPS 2018,
equation 2, with the covariance shrunk as in Ledoit and Wolf, Journal of Multivariate Analysis 88 (2004); Sun
et al., Out-of-Distribution Detection with Deep Nearest Neighbors, ICML 2022.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from eighteen.core.errors import EighteenError
from eighteen.measuring.scored import Floats, Ints

Features = npt.NDArray[np.float32]

_MOST_NEIGHBOURS = 50
# Of the largest variance; only rounding, not the shrunk covariance itself, comes below.
_LEAST_SPREAD = 1e-12


@dataclass(frozen=True, eq=False)
class ClassDistance:
    """Mahalanobis distance to the nearest class mean, by the covariance within classes.

    Attributes:
        means: whitened means of the C classes that had pictures, `[C, D]`.
        whitening: features times this have the unit matrix as covariance within classes, `[D, D]`.
    """

    means: Floats
    whitening: Floats

    @classmethod
    def fit(cls, features: npt.NDArray[Any], targets: Ints) -> Self:
        """Learns means and covariance.

        Args:
            features: of training pictures, `[N, D]`, finite.
            targets: their classes, `[N]`, 0 or more; those of -1 are left out.

        Raises:
            EighteenError: features are no finite table, targets are not as many, or no class has two
                pictures that differ.
        """
        from sklearn.covariance import LedoitWolf

        rows = _checked(features)
        if len(targets) != len(rows):
            raise EighteenError(f"{len(targets)} targets for {len(rows)} rows of features; expected one each")
        known = targets >= 0
        rows, (classes, number) = rows[known], np.unique(targets[known], return_inverse=True)
        means = np.stack([rows[number == k].mean(axis=0) for k in range(len(classes))]) if len(rows) else rows
        within = rows - means[number]
        if not np.any(within):
            raise EighteenError(
                f"{len(rows)} pictures of {len(classes)} classes do not vary within any class; expected two "
                f"different pictures of one class or more: give more training pictures"
            )
        spread, axes = np.linalg.eigh(LedoitWolf(assume_centered=True).fit(within).covariance_)
        whitening = axes / np.sqrt(np.maximum(spread, _LEAST_SPREAD * spread.max()))  # [D, D]
        return cls(means @ whitening, whitening)

    def __call__(self, features: npt.NDArray[Any]) -> Floats:
        """Distance of each picture, `[N]`, from features `[N, D]`."""
        from sklearn.metrics import pairwise_distances_argmin_min

        white = _checked(features, self.whitening.shape[0]) @ self.whitening
        return np.asarray(pairwise_distances_argmin_min(white, self.means)[1]) if len(white) else np.empty(0)


@dataclass(frozen=True, eq=False)
class NeighbourDistance:
    """Distance to the k-th nearest training picture, with all features brought to length 1.

    Attributes:
        bank: features of the training pictures at length 1, `[M, D]` float32.
        k: which neighbour.
    """

    bank: Features
    k: int

    @classmethod
    def fit(cls, features: npt.NDArray[Any], k: int | None = None) -> Self:
        """Keeps the training features.

        Args:
            features: of training pictures, `[M, D]`, finite.
            k: 1 … M; by default the square root of M, but at most 50, which Sun et al. use for CIFAR-10.

        Raises:
            EighteenError: features are no finite table, there are none, or fewer than k.
        """
        rows = _checked(features)
        chosen = min(_MOST_NEIGHBOURS, math.ceil(math.sqrt(len(rows)))) if k is None else k
        if not 1 <= chosen <= len(rows):
            raise EighteenError(
                f"neighbour number {chosen} was asked for among {len(rows)} training pictures; expected 1 to "
                f"{len(rows)}: give more pictures or a smaller k"
            )
        return cls(_at_length_1(rows), chosen)

    def __call__(self, features: npt.NDArray[Any]) -> Floats:
        """Distance of each picture, `[N]`, 0 … 2, from features `[N, D]`; one of the bank's finds itself."""
        from sklearn.neighbors import NearestNeighbors

        rows = _at_length_1(_checked(features, self.bank.shape[1]))
        if not len(rows):
            return np.empty(0)
        near = NearestNeighbors(n_neighbors=self.k, algorithm="brute").fit(self.bank)
        return np.asarray(near.kneighbors(rows)[0][:, -1], np.float64)


def _at_length_1(rows: Floats) -> Features:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1), np.float32)


def _checked(features: npt.NDArray[Any], width: int | None = None) -> Floats:
    rows = np.asarray(features, np.float64)
    if rows.ndim != 2 or not np.isfinite(rows).all() or (width is not None and rows.shape[1] != width):
        bad = int((~np.isfinite(rows)).sum())
        expected = "N, D" if width is None else f"N, {width}"
        raise EighteenError(
            f"features have shape {rows.shape} and {bad} values that are not finite; expected finite "
            f"[{expected}]. Compute them with the same network as the training features"
        )
    return rows
