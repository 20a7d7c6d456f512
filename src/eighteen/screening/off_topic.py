"""Which pictures of a pile show something else than the data set.

A picture's oddness is its distance to the k-th nearest picture of the data set, all vectors at length 1. How
odd a picture of the data set may be is measured on its own pictures: each is held out by folds that keep
groups together, and the threshold is set so that at most the stated share of new pictures like them is
dropped (an inductive conformal bound). The score shown is oddness over threshold: above 1 is off topic.

Source: Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors, ICML 2022, for the distance;
Papadopoulos et al., ECML 2002, for the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eighteen.measuring.feature_distance import NeighbourDistance
from eighteen.measuring.unknown import UnknownRule
from eighteen.screening.nearest import blocks
from eighteen.screening.seen import Floats

NEIGHBOUR = 3
"""Which neighbour counts, where there are as many. Clothing photos against X-rays, blood, nuclei, hands and
cut-out backgrounds, AUROC with 341 and with 40 photos in the data set: first neighbour 0.997 and 0.992, third
0.996 and 0.988, tenth 0.994 and 0.975, Mahalanobis distance to the nearest class 0.979 and 0.964. With the
first, one stray picture in the data set would let all of its kind in."""

FEWEST = 20
"""With fewer pictures of the data set nothing is called off topic: they do not show how it varies."""

_LEAST_DISTANCE = 1e-6
"""A data set of equal pictures would have the threshold 0."""

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TopicRule:
    """From which score on a picture is off topic: above 1.

    Attributes:
        threshold: distance that is score 1.
        false_drop_fraction: share of new pictures like those of the data set that are dropped, at most.
        n: pictures of the data set that it was fitted on.
    """

    threshold: float
    false_drop_fraction: float
    n: int

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def judge_topic(
    known: Floats, folds: npt.NDArray[np.int64], pile: Floats, false_drop_fraction: float
) -> tuple[Scores, TopicRule]:
    """Scores the pile.

    Args:
        known: vectors of the data set, `[M, D]`, M of `FEWEST` or more.
        folds: `[M]`, which fold each is held out in.
        pile: vectors, `[N, D]`.
        false_drop_fraction: above 0 and below 1; with too few pictures for it, 1 / (M + 1) is taken.

    Returns:
        Scores `[N]`, above 1 for what is off topic, and the rule.
    """
    held = np.empty(len(known))
    for fold in np.unique(folds):
        inside = folds == fold
        held[inside] = _distances(known[~inside], known[inside])
    # A picture in a thousand cannot be told from a hundred.
    allowed = max(false_drop_fraction, 1 / (len(known) + 1))
    rule = UnknownRule.fit("neighbour_distance", held, 1 - allowed)
    threshold = max(rule.threshold, _LEAST_DISTANCE)
    return _distances(known, pile) / threshold, TopicRule(threshold, allowed, len(known))


def _distances(bank: Floats, asked: Floats) -> Scores:
    distance = NeighbourDistance.fit(bank, min(NEIGHBOUR, len(bank)))
    return np.concatenate([np.empty(0), *map(distance, blocks(asked))])
