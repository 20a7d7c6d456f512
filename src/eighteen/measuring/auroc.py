"""Area under the ROC curve, one class against the rest.

In come true classes and probabilities, out goes for each class the chance that an image of it gets a higher
probability than an image of another class (ties count half). The placement of every single image is kept
too: the mean is linear in placements to first order, which makes thousands of resamples one product.

Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988), 837-845, the structural components.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eighteen.measuring.scored import Floats, Ints

Flags = npt.NDArray[np.bool_]

# A softmax in another order of classes differs in its last bits: neighbours this close are ties.
_TIE_FRACTION = 1e-13


@dataclass(frozen=True, eq=False)
class MacroAuroc:
    """The macro AUROC and what its interval needs.

    Attributes:
        value: mean over the D classes with both images of the class and others; None if there is none.
        by_class: AUROC `[D]`, positives `[D]`, negatives `[D]` of these classes.
        influence: `[N]`; in a resample with multiplicities m the value is, to first order,
            `value + m @ influence`.
        misplaced: `[N]`, whether an image of a class has an image of another class at or above it.
        well_placed: `[N]`, whether an image of a class has an image of another class at or below it.
    """

    value: float | None
    by_class: tuple[Floats, Floats, Floats]
    influence: Floats
    misplaced: Flags
    well_placed: Flags


def macro_auroc(targets: Ints, probabilities: Floats, weights: Floats | None = None) -> MacroAuroc:
    """Gives the mean one-vs-rest AUROC over the classes for which it is defined.

    Args:
        targets: true classes, `[N]`, 0 … K - 1.
        probabilities: `[N, K]`.
        weights: how often each image counts, `[N]`, at least 0; 1 where not given.

    Returns:
        The same value as the mean of scikit-learn's `roc_auc_score(targets == k, probabilities[:, k])`. With
        two classes both one-vs-rest values are equal and `by_class` holds one of them.
    """
    counts = np.ones(len(targets)) if weights is None else weights
    influence = np.zeros(len(targets))
    misplaced, well_placed = np.zeros(len(targets), np.bool_), np.zeros(len(targets), np.bool_)
    found = []
    for k in _classes_to_rank(targets, counts, probabilities.shape[1]):
        positive = targets == k
        placement = _placements(probabilities[:, k], positive, counts)
        n_positive, n_negative = counts[positive].sum(), counts[~positive].sum()
        area = float(counts[positive] @ placement[positive] / n_positive)
        influence += (placement - area) / np.where(positive, n_positive, n_negative)
        misplaced |= positive & (placement < 1)
        well_placed |= positive & (placement > 0)
        found.append((area, n_positive, n_negative))
    areas, positives, negatives = np.array(found, dtype=np.float64).reshape(-1, 3).T
    value = float(areas.mean()) if len(areas) else None
    return MacroAuroc(
        value, (areas, positives, negatives), influence / max(1, len(areas)), misplaced, well_placed
    )


def _classes_to_rank(targets: Ints, counts: Floats, n_classes: int) -> list[int]:
    support = np.bincount(targets, counts, n_classes)
    defined = [k for k in range(n_classes) if 0 < support[k] < support.sum()]
    if n_classes > 2:
        return defined
    # The rarer class stands for both; on equal counts either gives the same area.
    return sorted(defined, key=lambda k: float(support[k]))[:1]


def _placements(scores: Floats, positive: Flags, counts: Floats) -> Floats:
    # For a positive the share of negatives below it, for a negative the share of positives above it; [N]
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    rises = np.diff(ordered) > _TIE_FRACTION * ordered[1:]
    tie = np.concatenate([[0], np.cumsum(rises)]).astype(np.int64)
    weight, is_positive = counts[order], positive[order]
    positives = np.bincount(tie, weight * is_positive)
    negatives = np.bincount(tie, weight * ~is_positive)
    below = (np.cumsum(negatives) - negatives / 2) / negatives.sum()
    above = 1 - (np.cumsum(positives) - positives / 2) / positives.sum()
    placement = np.empty(len(scores))
    placement[order] = np.where(is_positive, below[tie], above[tie])
    return placement
