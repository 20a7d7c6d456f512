"""What frozen features say of a label: a linear head and the nearest pictures, together.

A head judges a picture by what its class has in common; neighbours judge it by the few pictures that look
like it, and see a rare kind that the head cannot. Each errs where the other does not, so the mean of both
finds more wrong labels than either. Measured on the clothing photos with a tenth of the labels flipped,
AUROC: both 0.981, the head alone 0.976, neighbours alone 0.967; with flips to classes that are confused,
0.967, 0.963 and 0.950.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eighteen.core.dataset import Dataset
from eighteen.core.predictions import Predictions, softmax
from eighteen.measuring.neighbours import find_neighbours
from eighteen.training.frozen import Floats, OutOfFold, as_predictions, score_others

NEIGHBOURS = 10
"""Pictures that have a vote."""

SHARPNESS = 20.0
"""A neighbour's vote is exp(SHARPNESS * cosine)."""

MOST = 20_000
"""Pictures that neighbours are looked for among: more make the search slow, and the vote hardly better."""

_DOUBT = 1e-3
"""What each class has before anybody votes."""


def opinions(known: Dataset, features: Floats, scored: OutOfFold) -> Predictions:
    """Of every picture, by a head and by neighbours that are not of its fold.

    Args:
        known: as it was scored.
        features: `[N, D]`.
        scored: what heads say.

    Returns:
        Predictions whose logits are logarithms of the mean probabilities.
    """
    targets, classes = known.class_index(), len(known.class_names)
    votes = np.empty((len(known), classes))
    for fold in np.unique(scored.folds):
        held = scored.folds == fold
        votes[held] = _votes(features[~held], targets[~held], features[held], classes)
    return _together(known, scored.predictions, votes)


def opinions_of_others(
    known: Dataset, features: Floats, others: Dataset, their_features: Floats
) -> Predictions:
    """The same of pictures that are not among the known ones, such as a test split's; arguments as for
    `score_others`."""
    by_head = score_others(known, features, others, their_features)
    votes = _votes(features, known.class_index(), their_features, len(known.class_names))
    return _together(others, by_head, votes)


def _votes(
    bank: Floats, targets: npt.NDArray[np.int64], asked: Floats, classes: int
) -> npt.NDArray[np.float64]:
    """Probabilities `[M, K]` by the nearest pictures of the bank."""
    chosen = np.unique(np.linspace(0, len(bank) - 1, min(MOST, len(bank))).astype(np.int64))
    near = find_neighbours(bank[chosen], asked, NEIGHBOURS)
    weights = np.exp(SHARPNESS * near.similarity.astype(np.float64))
    found = np.full((len(asked), classes), _DOUBT)
    np.add.at(found, (np.arange(len(asked))[:, None], targets[chosen][near.rows]), weights)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _together(dataset: Dataset, by_head: Predictions, votes: npt.NDArray[np.float64]) -> Predictions:
    both = (softmax(by_head.logits) + votes) / 2
    return as_predictions(dataset, np.asarray(np.log(both), np.float32), by_head.rows["fold"].to_numpy())
