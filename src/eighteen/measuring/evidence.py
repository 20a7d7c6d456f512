"""What the intervals of a set of predictions are made from.

In come images and their columns, out go the measures themselves and the same measures on each resample, all
computed once from sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eighteen.measuring.columns import Columns, statistics
from eighteen.measuring.resampling import affordable_resamples, resampled_sums
from eighteen.measuring.scored import Floats, Scored


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that the intervals are made from.

    Attributes:
        scored: the images.
        columns: what they add to each measure, `[C, G]`.
        sums: plain sums, `[C]`.
        values: the measures by name.
        drawn: sums in each resample, `[R, C]`.
        resampled: measures in each resample by name, `[R]` each.
        resamples: R.
        confidence: of the intervals, 0 … 1.
    """

    scored: Scored
    columns: Columns
    sums: Floats
    values: dict[str, float]
    drawn: Floats
    resampled: dict[str, Floats]
    resamples: int
    confidence: float


def gather(scored: Scored, columns: Columns, confidence: float, resamples: int) -> Evidence:
    """Computes measures and draws resamples; at least one image is needed."""
    sums = np.asarray(columns.table.sum(axis=1), dtype=np.float64)
    values = {name: float(value) for name, value in statistics(columns, sums).items()} | columns.linear
    made = affordable_resamples(scored.n_units, resamples)
    drawn = resampled_sums(columns.table, made, scored.seed)
    return Evidence(scored, columns, sums, values, drawn, statistics(columns, drawn), made, confidence)
