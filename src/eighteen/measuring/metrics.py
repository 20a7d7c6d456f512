"""Single numbers from true classes and probabilities.

In come targets `[N]`, probabilities `[N, K]` and optionally how often each image counts `[N]`; out goes one
number, or None where it is not defined. Targets of -1 (class unknown) are left out; the class that the model
names is the most probable one. Measures with intervals are made in `measure`.
"""

from __future__ import annotations

import numpy as np

from eighteen.measuring.auroc import macro_auroc
from eighteen.measuring.scored import Floats, Ints
from eighteen.measuring.tallies import (
    ClassTallies,
    accuracy_of,
    balanced_accuracy_of,
    macro_f1_of,
    tally,
)

ECE_BINS = 15
SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)


def accuracy(targets: Ints, probabilities: Floats, weights: Floats | None = None) -> float | None:
    """Share of images whose most probable class is the true one.

    >>> accuracy(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]))
    0.5
    """
    return _number(accuracy_of(_tallies(targets, probabilities, weights)))


def balanced_accuracy(targets: Ints, probabilities: Floats, weights: Floats | None = None) -> float | None:
    """Mean recall over the classes among the targets (scikit-learn's balanced_accuracy_score)."""
    return _number(balanced_accuracy_of(_tallies(targets, probabilities, weights)))


def macro_f1(targets: Ints, probabilities: Floats, weights: Floats | None = None) -> float | None:
    """Mean F1 over the classes among targets or predictions (scikit-learn's macro F1, zero_division=0)."""
    return _number(macro_f1_of(_tallies(targets, probabilities, weights)))


def auroc(targets: Ints, probabilities: Floats, weights: Floats | None = None) -> float | None:
    """Mean one-vs-rest AUROC over classes that have images and others beside them; None if there is none."""
    return macro_auroc(*_known(targets, probabilities, weights)).value


def nll(targets: Ints, probabilities: Floats, weights: Floats | None = None) -> float | None:
    """Mean -log(probability of the true class), in nats.

    Probabilities are clipped to [eps, 1 - eps], eps = 2.2e-16 (scikit-learn's log_loss in float64).
    """
    kept, table, counts = _known(targets, probabilities, weights)
    return _weighted_mean(nll_terms(kept, table), counts)


def brier(targets: Ints, probabilities: Floats, weights: Floats | None = None) -> float | None:
    """Mean over images of the sum over all K classes of (probability - 1[class is true])², 0 … 2.

    This is Brier's own definition (Monthly Weather Review 78, 1950). With two classes it is twice the
    one-column form that is also in use.
    """
    kept, table, counts = _known(targets, probabilities, weights)
    return _weighted_mean(brier_terms(kept, table), counts)


def ece(targets: Ints, probabilities: Floats, weights: Floats | None = None) -> float | None:
    """Expected calibration error of the named class, 15 bins of equal width, L1, 0 … 1.

    Sum over bins of (images in the bin / N) · |accuracy in the bin - mean confidence in the bin|; a bin holds
    its lower edge, the last one both edges. It is biased upwards on small sets, and not debiased here.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    kept, table, counts = _known(targets, probabilities, weights)
    bins, gaps = calibration_gaps(kept, table.argmax(axis=1), table)
    if counts.sum() == 0:
        return None
    return float(np.abs(np.bincount(bins, gaps * counts, ECE_BINS)).sum() / counts.sum())


def top5_accuracy(targets: Ints, probabilities: Floats, weights: Floats | None = None) -> float | None:
    """Share of images whose true class is among the five most probable; None for five classes or fewer.

    Classes tied for the last places share them equally, so a model that always answers the same probability
    for K classes gets 5 / K.
    """
    kept, table, counts = _known(targets, probabilities, weights)
    return _weighted_mean(top5_terms(kept, table), counts) if table.shape[1] > 5 else None


def confusion_matrix(targets: Ints, predicted: Ints, n_classes: int) -> Ints:
    """Counts `[K, K]`: rows are true classes, columns the predicted ones.

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    counts = np.bincount(targets * n_classes + predicted, minlength=n_classes * n_classes)
    return counts.reshape(n_classes, n_classes).astype(np.int64)


def nll_terms(targets: Ints, probabilities: Floats) -> Floats:
    """-log(probability of the true class) of each image, `[N]`, in nats."""
    chosen = probabilities[np.arange(len(targets)), targets]
    terms: Floats = -np.log(np.clip(chosen, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
    return terms


def brier_terms(targets: Ints, probabilities: Floats) -> Floats:
    """Sum of squared differences over the classes of each image, `[N]`, 0 … 2."""
    chosen = probabilities[np.arange(len(targets)), targets]
    # (p - y)² summed is sum(p²) - 2 p_true + 1: no second table of N x K numbers is needed.
    terms: Floats = np.maximum(0, np.einsum("nk,nk->n", probabilities, probabilities) - 2 * chosen + 1)
    return terms


def calibration_gaps(targets: Ints, predicted: Ints, probabilities: Floats) -> tuple[Ints, Floats]:
    """Bin of each image's confidence `[N]`, 0 … 14, and 1[named class is true] - confidence `[N]`."""
    confidence = probabilities[np.arange(len(targets)), predicted]
    # The last bits of a softmax depend on the order of the classes; they must not decide at a bin's edge.
    bins = np.minimum((confidence * ECE_BINS + 1e-9).astype(np.int64), ECE_BINS - 1)
    return bins, (targets == predicted) - confidence


def top5_terms(targets: Ints, probabilities: Floats) -> Floats:
    """Whether the true class of each image is among its five most probable, `[N]`; a fraction on ties."""
    chosen = probabilities[np.arange(len(targets)), targets][:, None]
    better = (probabilities > chosen).sum(axis=1)
    tied = (probabilities == chosen).sum(axis=1)
    terms: Floats = np.clip((5 - better) / tied, 0, 1)
    return terms


def _known(targets: Ints, probabilities: Floats, weights: Floats | None) -> tuple[Ints, Floats, Floats]:
    counts = np.ones(len(targets)) if weights is None else np.asarray(weights, dtype=np.float64)
    known = targets >= 0
    return targets[known], probabilities[known], counts[known]


def _tallies(targets: Ints, probabilities: Floats, weights: Floats | None) -> ClassTallies:
    kept, table, counts = _known(targets, probabilities, weights)
    return tally(kept, table.argmax(axis=1), table.shape[1], counts)


def _weighted_mean(terms: Floats, counts: Floats) -> float | None:
    return float(counts @ terms / counts.sum()) if counts.sum() > 0 else None


def _number(value: Floats) -> float | None:
    return None if np.isnan(value) else float(value)
