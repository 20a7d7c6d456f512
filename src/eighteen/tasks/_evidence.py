"""How far a classifier's answers can be trusted: calibration before and after, and where it is worse.

In come predictions and facts about the pictures; out come further measures, and details for the report.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import polars as pl

from eighteen.core.calibration import Calibration
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.measuring.calibration import debiased_ece, reliability
from eighteen.measuring.measure import measure
from eighteen.measuring.slices import find_slices, skipped_columns

SHOWN_SLICES = 12


def calibration_evidence(
    predictions: Predictions, split: str, confidence: float, resamples: int
) -> tuple[dict[str, Measure], dict[str, Any]]:
    """Calibration error of the network's own logits beside that of the shipped ones, with both diagrams."""
    before = predictions.calibrated(Calibration())
    measures = {"ece_uncalibrated": measure(before, split, confidence, resamples)["ece"]}
    targets = predictions.targets
    diagrams = {
        name: {
            "bins": [asdict(bin_) for bin_ in reliability(targets, which.probabilities)],
            "ece_debiased": debiased_ece(targets, which.probabilities),
        }
        for name, which in (("before", before), ("after", predictions))
    }
    return measures, {"calibration": diagrams}


def slice_evidence(
    predictions: Predictions, facts: pl.DataFrame, split: str, confidence: float
) -> dict[str, Any]:
    """The worst slices, and why some columns were not cut."""
    found = find_slices(predictions, facts, confidence, split=split)
    return {
        "slices": [each.to_json() for each in found[:SHOWN_SLICES]],
        "slices_looked_at": len(found),
        "slices_skipped": skipped_columns(predictions, facts),
    }
