"""How badly each class fits a picture, for prediction sets: the lower the score, the earlier it is included.

In come probabilities `[N, K]`, out go scores `[N, K]`. With p the probability of a class, "above" the sum of
all higher ones and u a number between 0 and 1 for each picture:

| method | score                                                |
|--------|------------------------------------------------------|
| lac    | 1 - p                                                |
| aps    | above + u · p                                        |
| raps   | above + u · p + penalty · max(0, rank - kreg)        |

Classes with equal probabilities stand together: they share the rank of the first, "above", and the sum of
their probabilities in place of p. So no score depends on the order of classes. Probabilities and scores are
rounded to 12 decimals: the last bits of a softmax must not break ties.

Sources: Sadinle, Lei and Wasserman, JASA 114 (2019) for LAC; Romano, Sesia and Candès, NeurIPS 2020, for APS;
Angelopoulos, Bates, Jordan and Malik, Uncertainty Sets for Image Classifiers using Conformal Prediction, ICLR
2021, for RAPS.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from eighteen.measuring.scored import Floats, Ints

Method = Literal["lac", "aps", "raps"]

DECIMALS = 12


@dataclass(frozen=True)
class Score:
    """Which score, with its two numbers.

    Attributes:
        method: lac, aps or raps.
        penalty: of each rank beyond `kreg`, 0 or more; 0 except with raps.
        kreg: number of ranks without a penalty.
    """

    method: Method
    penalty: float = 0.0
    kreg: int = 0

    def of(self, probabilities: Floats, draws: Floats | None = None) -> Floats:
        """Scores of all classes, `[N, K]`.

        Args:
            probabilities: `[N, K]`, rows sum to 1.
            draws: u of each picture, `[N]`, 0 … 1; 0 for all if not given. LAC does not use it.

        >>> Score("raps", 0.5, 1).of(np.array([[0.25, 0.625, 0.125]])).tolist()
        [[1.125, 0.0, 1.875]]
        """
        table = probabilities.round(DECIMALS)
        if self.method == "lac":
            return np.asarray((1 - table).round(DECIMALS))
        above, tied, rank = _places(table)
        scores = above if draws is None else above + draws[:, np.newaxis] * tied
        return np.asarray((scores + self.penalty * np.maximum(rank - self.kreg, 0)).round(DECIMALS))


def ranks(probabilities: Floats) -> Ints:
    """Rank of each class in its row, `[N, K]`, 1 for the most probable; equal ones share the lowest."""
    return _places(probabilities.round(DECIMALS))[2]


def draws_of(ids: Sequence[str], salt: str) -> Floats:
    """A number for each picture, `[N]`, 0 … 1, that looks random and depends on its id and the salt alone.

    >>> draws_of(["a.png", "b.png", "a.png"], "seed 0").round(3).tolist()
    [0.936, 0.565, 0.936]
    """
    digests = (hashlib.sha256(f"{salt}\n{name}".encode()).digest() for name in ids)
    return np.array([int.from_bytes(digest[:6]) / 2**48 for digest in digests], dtype=np.float64)


def _places(table: Floats) -> tuple[Floats, Floats, Ints]:
    """Sum of all higher probabilities, sum of the equal ones, and rank, `[N, K]` each."""
    n_classes = table.shape[1]
    order = np.argsort(-table, axis=1)
    falling = np.take_along_axis(table, order, axis=1)
    changes = np.diff(falling, axis=1) != 0
    edge = np.ones((len(table), 1), dtype=np.bool_)
    place = np.arange(n_classes)
    first = np.maximum.accumulate(np.where(np.hstack([edge, changes]), place, 0), axis=1)
    last = np.where(np.hstack([changes, edge]), place, n_classes)
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    above = np.take_along_axis(np.cumsum(falling, axis=1) - falling, first, axis=1)
    back = np.argsort(order, axis=1)
    found = (above, falling * (last - first + 1), first + 1)
    return (
        np.take_along_axis(found[0], back, axis=1),
        np.take_along_axis(found[1], back, axis=1),
        np.take_along_axis(found[2], back, axis=1),
    )
