"""Predictions for files and folders, as a table that other programs read.

The columns are `path, label, score, error`, `set` (a JSON list, where a coverage was asked) and `p:<class>`
for each class; a picture that cannot be read is a row with its error, never missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from eighteen.core.dataset import Skipped
from eighteen.core.errors import RunError
from eighteen.core.progress import Progress, silent
from eighteen.inference.predictor import Prediction, Predictor
from eighteen.reading import pictures_below, printable


@dataclass(frozen=True)
class PredictedFiles:
    """One prediction a file, in order."""

    paths: tuple[str, ...]
    rows: tuple[Prediction, ...]
    class_names: tuple[str, ...]
    with_sets: bool = False

    def to_table(self) -> pl.DataFrame:
        """`path, label, score, error, (set,) p:<class> …`; label and score are empty where error is not."""
        columns: dict[str, list[Any]] = {
            "path": list(self.paths),
            "label": [row.label for row in self.rows],
            "score": [None if row.error else row.score for row in self.rows],
            "error": [row.error for row in self.rows],
        }
        if self.with_sets:
            columns["set"] = [json.dumps(row.labels, ensure_ascii=False) for row in self.rows]
        for k, name in enumerate(self.class_names):
            columns[f"p:{name}"] = [row.probabilities[k] if row.probabilities else None for row in self.rows]
        texts = ("path", "label", "error", "set")
        schema = {name: pl.String() if name in texts else pl.Float64() for name in columns}
        return pl.DataFrame(columns, schema=schema)

    def to_json(self) -> dict[str, Any]:
        rows = self.to_table().to_dicts()
        if self.with_sets:
            rows = [{**each, "set": list(row.labels)} for each, row in zip(rows, self.rows, strict=True)]
        return {"classes": list(self.class_names), "predictions": rows}


def predict_files(
    predictor: Predictor, sources: Iterable[Path], progress: Progress = silent
) -> PredictedFiles:
    """What a model says about files, and the pictures in folders; what cannot be read is a row too."""
    paths, left_out = expand(sources)
    if not paths and not left_out:
        raise RunError("there are no pictures to predict: the folders hold none; name others")
    answers = predictor.predict(paths, progress=progress)
    return PredictedFiles(
        (*(printable(str(path)) for path in paths), *(item.path for item in left_out)),
        (*answers, *(Prediction("", 0.0, (), item.reason) for item in left_out)),
        predictor.class_names,
        predictor.set_rule is not None,
    )


def expand(sources: Iterable[Path]) -> tuple[list[Path], list[Skipped]]:
    """Files as they are, folders as the pictures below them, in natural order; and what cannot be read there.

    The second list names entries of the folders that look like pictures and are none that can be opened, such
    as broken links: each becomes a row with its error.
    """
    files: list[Path] = []
    left_out: list[Skipped] = []
    for source in sources:
        if source.is_dir():
            pictures, skipped = pictures_below(source)
            files.extend(pictures)
            left_out.extend(skipped)
        else:
            files.append(source)
    return files, left_out
