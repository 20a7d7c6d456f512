"""Suggested classes where no run is at hand: a linear head on the frozen features of the data set.

Its strength is chosen by the log loss on folds, which is also what keeps its probabilities honest.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eighteen.core.predictions import softmax
from eighteen.screening.seen import Floats, Probabilities
from eighteen.training.head import fit_head

MOST = 4000
"""Pictures of the data set that the head is fitted on: more hardly change what it hesitates about, and cost
minutes."""


def suggest(
    known: Floats, targets: npt.NDArray[np.int64], folds: npt.NDArray[np.int64], classes: int, pile: Floats
) -> Probabilities:
    """Probabilities of the pile's pictures, `[N, classes]`.

    Args:
        known: vectors of the data set, `[M, D]`, of two classes or more.
        targets: their classes, `[M]`.
        folds: `[M]`, which fold each is held out in.
        classes: K.
        pile: vectors, `[N, D]`.
    """
    rows = np.linspace(0, len(known) - 1, min(MOST, len(known))).round().astype(np.int64)
    head = fit_head([known[rows]], targets[rows], folds[rows], classes)
    return softmax(head.logits(pile))


def uncertainty(probabilities: Probabilities) -> npt.NDArray[np.float64]:
    """1 less what the two most probable classes are apart: 0 (sure) … 1 (undecided), `[N]`.

    Source: margin sampling, Settles, Active Learning Literature Survey (2009), section 3.1.

    >>> uncertainty(np.array([[0.5, 0.5], [0.9, 0.1]])).round(2).tolist()
    [1.0, 0.2]
    """
    best = np.partition(probabilities, -2, axis=1)[:, -2:]
    return np.asarray(1 - np.abs(best[:, 1] - best[:, 0]))
