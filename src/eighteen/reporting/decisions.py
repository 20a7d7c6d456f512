"""What was decided about one split, to be shown: thresholds for a required recall, and the cheapest answers.

In come the stored details of a split, out goes a `Decisions`, empty where nothing was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eighteen.core.measures import Measure


@dataclass(frozen=True)
class PointRow:
    """A class that is named from a probability on.

    Attributes:
        name: of the class.
        required: recall.
        threshold: lowest probability that is named; None where the recall cannot be reached.
        recall, precision: measured on the split.
        sentence: both in words, and where the threshold was chosen.
    """

    name: str
    required: float
    threshold: float | None
    recall: Measure
    precision: Measure
    sentence: str


@dataclass(frozen=True)
class Decisions:
    """What a report says about decisions on one split.

    Attributes:
        points: one a required recall.
        cost: what the cheapest answers cost, in a sentence; "" where no costs were given.
    """

    points: tuple[PointRow, ...]
    cost: str

    @property
    def sentences(self) -> tuple[str, ...]:
        return (*(row.sentence for row in self.points), *([self.cost] if self.cost else ()))


def decisions(details: Mapping[str, Any]) -> Decisions:
    """Reads the details of a split."""
    points = tuple(
        PointRow(
            row["class"],
            row["required"],
            row["threshold"],
            Measure.from_json(row["measured"]["recall"]),
            Measure.from_json(row["measured"]["precision"]),
            row["sentence"],
        )
        for row in details.get("operating_points", ())
    )
    return Decisions(points, details.get("mistake_costs", {}).get("sentence", ""))
