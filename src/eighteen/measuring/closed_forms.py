"""Intervals of whole measures from counts alone.

In comes `Evidence`, out goes the interval of a proportion (Wilson), of a mean of proportions over classes, or
of an AUROC. They do not shrink to a point on a perfect score, which a bootstrap does: it cannot draw a
mistake that has not happened yet. Images in groups count for as many independent ones as they are worth.
"""

from __future__ import annotations

import numpy as np

from eighteen.measuring.auroc import Flags
from eighteen.measuring.classes import f1_ends, recall_ends
from eighteen.measuring.columns import tallies_in
from eighteen.measuring.evidence import Evidence
from eighteen.measuring.intervals import (
    Interval,
    auroc_intervals,
    effective_count,
    interval_of_mean,
    wilson,
)
from eighteen.measuring.scored import Scored

FEW_MISTAKES = 5
PROPORTIONS = ("accuracy", "top5_accuracy", "majority_baseline")


def closed_form(evidence: Evidence, name: str, value: float) -> Interval | None:
    """Gives the interval that needs no resampling.

    For macro_f1 and auroc it is given only where fewer than five images (or groups) speak for or against the
    model; there a bootstrap would shrink to a point.

    Returns:
        The interval, or None where the measure has none.
    """
    if name in PROPORTIONS:
        return _proportion(evidence, name, value)
    if name == "balanced_accuracy":
        return _balanced_accuracy(evidence)
    if name == "macro_f1" and _few(evidence.scored, *_right_and_wrong(evidence.scored)):
        return _macro_f1(evidence)
    area = evidence.columns.area
    if name == "auroc" and _few(evidence.scored, area.well_placed, area.misplaced):
        return _auroc(evidence)
    return None


def _proportion(evidence: Evidence, name: str, value: float) -> Interval:
    n = float(len(evidence.scored.targets))
    worth = _group_worth(evidence, name, value) if evidence.scored.clustered else n
    low, high = wilson(value * worth, worth, evidence.confidence)
    return float(low), float(high)


def _group_worth(evidence: Evidence, name: str, value: float) -> float:
    # Korn and Graubard: fewer by as much as the share varies more between groups than between images
    columns, n_units, n = evidence.columns, evidence.scored.n_units, len(evidence.scored.targets)
    k = columns.n_classes
    rows = range(2 * k, 3 * k) if name == "accuracy" else [columns.share_row(name)]
    hits = columns.table[list(rows)].sum(axis=0)
    sizes = columns.table[:k].sum(axis=0)
    spread = float(((hits - value * sizes) ** 2).sum()) * n_units / max(1, n_units - 1)
    inflation = max(1.0, spread / (n * value * (1 - value))) if 0 < value < 1 else 1.0
    return float(effective_count(n / inflation, n_units, evidence.confidence))


def _balanced_accuracy(evidence: Evidence) -> Interval:
    tallies = tallies_in(evidence.sums, evidence.columns.n_classes)
    low, high = recall_ends(evidence.scored, tallies, evidence.confidence)
    seen = tallies.support > 0
    recall = tallies.hits[seen] / tallies.support[seen]
    return interval_of_mean(recall, low[seen], high[seen], shared=False)


def _macro_f1(evidence: Evidence) -> Interval:
    tallies = tallies_in(evidence.sums, evidence.columns.n_classes)
    low, high = f1_ends(evidence.scored, tallies, evidence.confidence)
    both = tallies.support + tallies.predicted
    seen = both > 0
    return interval_of_mean(2 * tallies.hits[seen] / both[seen], low[seen], high[seen], shared=True)


def _auroc(evidence: Evidence) -> Interval:
    scored, (areas, positives, negatives) = evidence.scored, evidence.columns.area.by_class
    if scored.clustered:
        positives = effective_count(positives, scored.n_units, evidence.confidence)
        negatives = effective_count(negatives, scored.n_units, evidence.confidence)
    low, high = auroc_intervals(areas, positives, negatives, evidence.confidence)
    return interval_of_mean(areas, low, high, shared=True)


def _right_and_wrong(scored: Scored) -> tuple[Flags, Flags]:
    right = scored.targets == scored.predicted
    return right, ~right


def _few(scored: Scored, *rows: Flags) -> bool:
    return min(len(np.unique(scored.unit[chosen])) for chosen in rows) < FEW_MISTAKES
