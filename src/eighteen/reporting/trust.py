"""How far a model's answers on one split can be trusted: calibration, sets, abstaining and weak slices, to be
shown.

In come the stored details of a split, out goes a `Trust`; runs that were measured before these existed give
an empty one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eighteen.core.measures import Measure
from eighteen.measuring.calibration import Bin
from eighteen.reporting.words import counted

SLICES = 6


@dataclass(frozen=True)
class SliceRow:
    """Some of the pictures against the rest."""

    name: str
    n: int
    accuracy: Measure
    rest: Measure
    worse: bool
    p: float


@dataclass(frozen=True)
class RiskRow:
    """What is wrong, `risk` with its interval, where only a share `coverage` of the pictures is answered."""

    coverage: float
    risk: float
    low: float
    high: float


@dataclass(frozen=True)
class Trust:
    """What a report says about trust in one split.

    Attributes:
        calibration: how the model was calibrated, in a sentence.
        before, after: reliability diagrams of the network's own and of the shipped probabilities.
        sets: sentences on prediction sets, one a level.
        shift: how these pictures differ from validation; "" where nothing is to be named.
        covers_too_little: whether prediction sets hold less than they promise.
        risks: the risk-coverage curve, by rising coverage.
        risk_sentence: what it says.
        slices: the worst ones, worst first.
        slices_sentence: how many were looked at, and how many are worse.
    """

    calibration: str
    before: tuple[Bin, ...]
    after: tuple[Bin, ...]
    sets: tuple[str, ...]
    shift: str
    covers_too_little: bool
    risks: tuple[RiskRow, ...]
    risk_sentence: str
    slices: tuple[SliceRow, ...]
    slices_sentence: str


def trust(details: Mapping[str, Any], calibration: str) -> Trust:
    """Reads the details of a split."""
    diagrams = details.get("calibration", {})
    rows = details.get("slices", [])
    curve = details.get("risk_coverage", {})
    return Trust(
        calibration=calibration,
        before=_bins(diagrams.get("before", {})),
        after=_bins(diagrams.get("after", {})),
        sets=tuple(row["sentence"] for row in details.get("sets", {}).values()),
        shift=details.get("shift", {}).get("sentence", ""),
        covers_too_little=bool(details.get("shift", {}).get("too_low")),
        risks=tuple(
            RiskRow(row["coverage"], row["risk"], row["low"], row["high"]) for row in curve.get("points", ())
        ),
        risk_sentence=curve.get("sentence", ""),
        slices=tuple(_slice(row) for row in rows[:SLICES]),
        slices_sentence=_sentence(rows, details.get("slices_looked_at", 0)),
    )


def _bins(diagram: Mapping[str, Any]) -> tuple[Bin, ...]:
    return tuple(Bin(**row) for row in diagram.get("bins", ()))


def _slice(row: Mapping[str, Any]) -> SliceRow:
    return SliceRow(
        name=f"{row['column'].replace('_', ' ')}: {row['value']}",
        n=row["n"],
        accuracy=Measure.from_json(row["accuracy"]),
        rest=Measure.from_json(row["rest"]),
        worse=row["worse"],
        p=row["p_corrected"],
    )


def _sentence(rows: list[Mapping[str, Any]], looked_at: int) -> str:
    if not looked_at:
        return ""
    worse = sum(row["worse"] for row in rows)
    found = counted(worse, "is", "are") if worse else "none is"
    return f"Of {counted(looked_at, 'slice', 'slices')}, {found} worse than the rest beyond luck."
