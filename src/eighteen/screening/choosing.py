"""Which pictures to label: the most varied, the most uncertain, both at once, or any.

| method      | takes                                                                                     |
|-------------|-------------------------------------------------------------------------------------------|
| `varied`    | again and again the picture farthest from all that is labelled or chosen (k-center greedy) |
| `uncertain` | those whose two most probable classes are closest together (margin)                       |
| `mixed`     | of the most uncertain, one for each of n clusters, weighted by uncertainty                |
| `random`    | any: what every method has to beat                                                        |

Work and memory grow with pictures times vectors, never with pairs of pictures: `varied` keeps one distance a
picture, `mixed` clusters a few times n pictures.

Sources: Sener and Savarese, Active Learning for Convolutional Neural Networks, ICLR 2018, for `varied`;
Settles 2009 for `uncertain`; Zhdanov, Diverse mini-batch Active Learning (2019), for `mixed`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from eighteen.screening.nearest import nearest
from eighteen.screening.seen import Floats

Method = Literal["varied", "uncertain", "mixed", "random"]
Rows = npt.NDArray[np.int64]

SHORTLIST = 4
"""`mixed` clusters so many times n of the most uncertain pictures."""


def farthest_first(vectors: Floats, labelled: Floats, n: int) -> Rows:
    """Chooses again and again the picture farthest from all that is labelled or chosen.

    Args:
        vectors: `[N, D]` at length 1.
        labelled: `[M, D]` at length 1; with none, the first is the picture nearest to the mean.
        n: how many, at most N.

    Returns:
        Rows in the order of choice.
    """
    if n == 0:
        return np.empty(0, np.int64)
    if len(labelled):
        distance = 1 - nearest(labelled, vectors)[1]
        first = int(distance.argmax())
    else:
        first = int((vectors @ vectors.mean(axis=0)).argmax())
        distance = np.full(len(vectors), np.inf, np.float32)
    chosen = [first]
    while len(chosen) < n:
        distance = np.minimum(distance, 1 - vectors @ vectors[chosen[-1]])
        distance[chosen[-1]] = -1  # copies in feature space are at 0, chosen ones below
        chosen.append(int(distance.argmax()))
    return np.array(chosen)


def representatives(vectors: Floats, weight: npt.NDArray[np.float64], n: int, seed: int) -> Rows:
    """One picture for each of n weighted clusters, the one nearest to its centre; heavy clusters first.

    Args:
        vectors: `[N, D]` at length 1.
        weight: how much each picture counts, `[N]`, not negative.
        n: clusters, at most N.
        seed: of the start of k-means.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import pairwise_distances_argmin

    if n in (0, len(vectors)):
        return np.argsort(-weight, kind="stable")[:n]
    clusters = min(n, len(np.unique(vectors, axis=0)))
    means = KMeans(clusters, n_init=1, max_iter=50, random_state=seed)
    means.fit(vectors, sample_weight=weight + 1e-3)
    nearest = np.unique(pairwise_distances_argmin(means.cluster_centers_, vectors))
    # Two centres may have one nearest picture: the heaviest of the others fill up.
    rest = np.setdiff1d(np.argsort(-weight, kind="stable"), nearest, assume_unique=True)
    chosen = np.concatenate([nearest, rest[: n - len(nearest)]])
    total = np.bincount(means.labels_, weight, n)[means.labels_[chosen]]
    return chosen[np.argsort(-total, kind="stable")].astype(np.int64)


def choose(
    method: Method,
    vectors: Floats,
    labelled: Floats,
    uncertainty: npt.NDArray[np.float64] | None,
    n: int,
    seed: int,
) -> Rows:
    """Chooses n of N pictures (all, where there are fewer).

    Args:
        method: see the table above.
        vectors: `[N, D]` at length 1.
        labelled: `[M, D]` at length 1, what is labelled already.
        uncertainty: `[N]`, 0..1; None where no class is known, which only `varied` and `random` can do with.
        n: how many, 0 or more.
        seed: of `random`, and of the start of `mixed`.

    Returns:
        Rows in the order of choice.
    """
    n = min(n, len(vectors))
    if method == "random":
        return np.random.default_rng(seed).permutation(len(vectors))[:n]
    if method == "varied":
        return farthest_first(vectors, labelled, n)
    assert uncertainty is not None
    by_uncertainty = np.argsort(-uncertainty, kind="stable")
    if method == "uncertain":
        return by_uncertainty[:n]
    shortlist = by_uncertainty[: SHORTLIST * n]
    return shortlist[representatives(vectors[shortlist], uncertainty[shortlist], n, seed)]
