"""A measure: a number that always travels with its interval, its n and how both were made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measure:
    """A value with its uncertainty.

    Attributes:
        value: the number itself; None where it is not defined (AUROC of a single class).
        low, high: ends of the interval, `low <= value <= high`; None where value is None.
        n: number of images that it was computed from.
        method: how the interval was made, e.g. "wilson 95 %", "bootstrap by group 95 %, 2000 resamples".
        split: split that the images came from.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: str
    split: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "method": self.method,
        }

    @classmethod
    def from_json(cls, row: dict[str, Any], split: str = "") -> Measure:
        return cls(row["value"], row["low"], row["high"], row["n"], row["method"], split)

    def __str__(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return f"not defined (n = {self.n})"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}], n = {self.n}"
