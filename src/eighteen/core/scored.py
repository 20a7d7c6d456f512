"""What a model was measured to do, in a folder: predictions by split, measures and what goes with them.

Runs keep it, and exported models that were evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eighteen.core import store, stored
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions


@dataclass(frozen=True)
class Scored:
    """A handle on a folder; it holds no state of its own."""

    path: Path

    @property
    def measures(self) -> dict[str, dict[str, Measure]]:
        """Measures by split and name; empty before the first evaluation."""
        splits = self._measured["splits"]
        return {
            split: {name: Measure.from_json(row, split) for name, row in rows.items()}
            for split, rows in splits.items()
        }

    @property
    def details(self) -> dict[str, Any]:
        """Per-class measures, confusion matrix and sentences by split."""
        return dict(self._measured["details"])

    @property
    def _measured(self) -> dict[str, Any]:
        path = self.path / "measures.json"
        if not path.exists():
            return {"splits": {}, "details": {}}
        return store.read_object(path, "splits", "details")

    @property
    def predicted_splits(self) -> tuple[str, ...]:
        folder = self.path / "predictions"
        return tuple(sorted(path.stem for path in folder.glob("*.parquet"))) if folder.exists() else ()

    def predictions(self, split: str) -> Predictions:
        """Stored predictions of a split."""
        return stored.read_predictions(self.path / "predictions", split)

    def save_predictions(self, split: str, predictions: Predictions) -> None:
        stored.write_predictions(self.path / "predictions", split, predictions)

    def save_measures(self, split: str, measures: Mapping[str, Measure], details: Mapping[str, Any]) -> None:
        """Adds the measures of one split to those of the others."""
        known = self._measured
        known["splits"][split] = {name: measure.to_json() for name, measure in measures.items()}
        known["details"][split] = dict(details)
        store.write_json(self.path / "measures.json", known)

    @property
    def test_openings(self) -> list[dict[str, Any]]:
        """Copy of the ledger of this test split."""
        return store.read_lines(self.path / "test_ledger.jsonl")

    def save_ledger(self, openings: Iterable[Mapping[str, Any]]) -> None:
        store.write_lines(self.path / "test_ledger.jsonl", openings)
