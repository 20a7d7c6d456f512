"""The training pictures that a picture looks most like to the network.

In go features of training pictures and of the pictures asked about, out come the nearest training rows of
each. Near means a small angle between feature vectors (cosine), so the strength of the features plays no
part. What the network takes for similar tells more about a mistake than a map does.

Features of training pictures come from `training.features.FeatureReader`, which keeps them in a cache; those
of the pictures asked about from `training.features.features_of`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eighteen.core.errors import EighteenError

Features = npt.NDArray[np.float32]

_BLOCK_CELLS = 1 << 24
"""Similarities that are in memory at once: 64 MiB."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Nearest training pictures, nearest first.

    Attributes:
        rows: of the training features, int64 `[M, k]`.
        similarity: cosine, -1..1, float32 `[M, k]`.
    """

    rows: npt.NDArray[np.int64]
    similarity: Features


def find_neighbours(
    training: Features, queries: Features, k: int = 5, own_rows: npt.NDArray[np.int64] | None = None
) -> Neighbours:
    """Finds the nearest training pictures of each query.

    Args:
        training: features `[N, D]`, finite, N of 1 or more.
        queries: features `[M, D]`, finite, by the same network.
        k: how many, 1 or more; as many as there are where there are fewer.
        own_rows: `[M]`, the training row of queries that are training pictures themselves, which are not
            their own neighbours; -1 for others.

    Returns:
        Rows and similarities, as many columns as there are neighbours to give.

    Raises:
        EighteenError: no training pictures, features that do not fit together or are not finite, or k
            below 1.

    >>> bank = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    >>> find_neighbours(bank, np.array([[5, 1]], np.float32), k=2).rows.tolist()
    [[0, 2]]
    """
    _check(training, queries, k, own_rows)
    bank, asked = _at_length_1(training), _at_length_1(queries)
    own = np.full(len(asked), -1) if own_rows is None else own_rows
    most = min(k, len(bank) - int((own >= 0).any()))
    if most < 1:
        raise EighteenError(
            "the only training picture is the one asked about; expected another one: give more of them"
        )
    step = max(1, _BLOCK_CELLS // len(bank))
    found = [
        _nearest(bank, asked[start : start + step], own[start : start + step], most)
        for start in range(0, len(asked), step)
    ]
    rows = [np.empty((0, most), np.int64), *(block[0] for block in found)]
    similarity = [np.empty((0, most), np.float32), *(block[1] for block in found)]
    return Neighbours(np.concatenate(rows), np.concatenate(similarity))


def _nearest(
    bank: Features, asked: Features, own: npt.NDArray[np.int64], k: int
) -> tuple[npt.NDArray[np.int64], Features]:
    similarity = asked @ bank.T  # [m, N]
    (mine,) = np.nonzero(own >= 0)
    similarity[mine, own[mine]] = -np.inf
    rows = np.sort(np.argpartition(similarity, -k, axis=1)[:, -k:], axis=1)  # [m, k]
    near = np.take_along_axis(similarity, rows, axis=1)
    order = np.argsort(-near, axis=1, kind="stable")  # rows ascend, so ties go to the lower row
    chosen = np.take_along_axis(rows, order, axis=1)
    return chosen, np.clip(np.take_along_axis(near, order, axis=1), -1, 1)


def _at_length_1(rows: npt.NDArray[Any]) -> Features:
    wide = np.asarray(rows, np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide / np.where(length > 0, length, 1), np.float32)


def _check(
    training: npt.NDArray[Any], queries: npt.NDArray[Any], k: int, own_rows: npt.NDArray[Any] | None
) -> None:
    problems = []
    if training.ndim != 2 or queries.ndim != 2 or training.shape[1:] != queries.shape[1:]:
        problems.append(
            f"features have shapes {training.shape} and {queries.shape}, expected [N, D] and [M, D]"
        )
    if not len(training):
        problems.append("there are no training pictures, expected 1 or more")
    if not (np.isfinite(training).all() and np.isfinite(queries).all()):
        problems.append("features are not all finite")
    if k < 1:
        problems.append(f"k={k}, expected 1 or more")
    if own_rows is not None and (
        own_rows.shape != (len(queries),) or not ((own_rows >= -1) & (own_rows < len(training))).all()
    ):
        problems.append(f"own_rows are no {len(queries)} rows of the training features, or -1")
    if problems:
        raise EighteenError(
            f"neighbours cannot be found: {'; '.join(problems)}. Compute both features with the same network"
        )
