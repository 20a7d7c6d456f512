"""How far a classifier's answers can be trusted: calibration, prediction sets, abstaining, slices.

In come predictions and facts about the pictures; out come further measures, and details for the report.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from eighteen.core.calibration import Calibration
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.measuring.abstaining import RiskCoverage, risk_coverage
from eighteen.measuring.auroc import Flags
from eighteen.measuring.calibration import debiased_ece, reliability
from eighteen.measuring.conformal import SetRule, fit_sets, sets
from eighteen.measuring.measure import measure
from eighteen.measuring.set_coverage import (
    CoverageMeasures,
    coverage_measures,
    coverage_sentence,
    covers_too_little,
)
from eighteen.measuring.slices import find_slices, skipped_columns

COVERAGES = (0.9, 0.95)
PARTS = 5
ANSWERED = 0.8
"""Share of the pictures that the sentence on abstaining speaks of."""

SHOWN_SLICES = 12


def calibration_evidence(
    predictions: Predictions, split: str, confidence: float, resamples: int
) -> tuple[dict[str, Measure], dict[str, Any]]:
    """Calibration error of the network's own logits beside that of the shipped ones, with both diagrams.

    What is not known of the network's own, as of a model file that calibrates inside, is left out.
    """
    shown = {"after": predictions}
    measures = {}
    if predictions.own_logits:
        before = predictions.calibrated(Calibration())
        shown = {"before": before, **shown}
        measures["ece_uncalibrated"] = measure(before, split, confidence, resamples)["ece"]
    targets = predictions.targets
    diagrams = {
        name: {
            "bins": [asdict(bin_) for bin_ in reliability(targets, which.probabilities)],
            "ece_debiased": debiased_ece(targets, which.probabilities),
        }
        for name, which in shown.items()
    }
    return measures, {"calibration": diagrams}


def abstaining_evidence(
    predictions: Predictions, split: str, confidence: float
) -> tuple[dict[str, Measure], dict[str, Any]]:
    """How many mistakes are left if only the surest answers are given: the risk-coverage curve, its area."""
    groups = predictions.rows["group"].to_list()
    curve = risk_coverage(predictions.targets, predictions.probabilities, groups, confidence, split)
    points = [
        {
            "coverage": point.coverage,
            "confidence": point.confidence,
            "risk": point.risk.value,
            "low": point.risk.low,
            "high": point.risk.high,
        }
        for point in curve.points
    ]
    details = {"risk_coverage": {"points": points, "sentence": _risk_sentence(curve)}}
    return {"aurc": curve.aurc, "excess_aurc": curve.excess_aurc}, details


def _risk_sentence(curve: RiskCoverage) -> str:
    if not curve.points:
        return ""
    near = min(curve.points, key=lambda point: abs(point.coverage - ANSWERED))
    low, high, whole = near.risk.low or 0.0, near.risk.high or 0.0, curve.points[-1].risk.value or 0.0
    return (
        f"answering only the surest {100 * near.coverage:.0f} % of the pictures (a probability of "
        f"{near.confidence:.2f} or more) leaves {100 * (near.risk.value or 0):.1f} % "
        f"[{100 * low:.1f}, {100 * high:.1f}] of these answers wrong, instead of {100 * whole:.1f} %"
    )


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


def set_evidence(
    predictions: Predictions, reference: Predictions | None, split: str, confidence: float
) -> tuple[dict[str, Measure], dict[str, Any]]:
    """Coverage and size of the sets at each level of `COVERAGES`, fitted on the reference.

    Without a reference the sets are cross-fitted: each fifth by a rule from the other four.
    """
    measures: dict[str, Measure] = {}
    details: dict[str, Any] = {}
    groups = predictions.rows["group"].to_list()
    for level in COVERAGES:
        inside, rule = _sets(predictions, reference, level)
        found = coverage_measures(
            inside, predictions.targets, predictions.class_names, groups, confidence, split
        )
        percent = round(100 * level)
        measures[f"coverage_{percent}"], measures[f"set_size_{percent}"] = found.coverage, found.size
        told = _cross_fitted_sentence(level, found) if rule is None else coverage_sentence(rule, found)
        too_low = rule is not None and covers_too_little(rule, found)
        details[str(percent)] = {**found.to_json(), "sentence": told, "too_low": too_low}
    return measures, {"sets": details}


def _sets(
    predictions: Predictions, reference: Predictions | None, level: float
) -> tuple[Flags, SetRule | None]:
    """The sets, and the rule that they were made by; None where they are cross-fitted."""
    if reference is not None:
        rule = fit_sets(reference.probabilities, reference.targets, level)
        return sets(rule, predictions.probabilities), rule
    units = predictions.rows.select(pl.when(pl.col("group") == "").then("id").otherwise("group")).to_series()
    part = np.array([zlib.crc32(name.encode()) % PARTS for name in units], np.int64)
    inside = np.zeros(predictions.logits.shape, np.bool_)
    for number in range(PARTS):
        held = part == number
        if held.any():
            rule = fit_sets(predictions.probabilities[~held], predictions.targets[~held], level)
            inside[held] = sets(rule, predictions.probabilities[held])
    return inside, None


def _cross_fitted_sentence(level: float, found: CoverageMeasures) -> str:
    return (
        f"sets at {100 * level:g} % hold the true class of {100 * (found.coverage.value or 0):.1f} % of "
        f"{found.coverage.n} pictures, with {found.size.value or 0:.2f} classes on average; each fifth of "
        f"these pictures by a rule from the other four"
    )
