"""The mistakes that a model was surest of: where labels are wrong, or where it learned the wrong thing.

Mistakes on the test split are never picked: whoever learns from them has used the test split for training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eighteen.core.predictions import Predictions
from eighteen.core.run import Run
from eighteen.reporting.thumbnails import Thumbnail, Thumbnails

SPLITS = ("val", "data", "train")
"""Splits whose pictures may be shown; the first that was predicted is taken."""

UNSURE = 6
"""Right answers shown where there is no mistake."""


@dataclass(frozen=True)
class Answer:
    """What the model said about one picture.

    Attributes:
        image: id.
        path: of its file, from the data set's root.
        given: its label.
        said: the model's answer.
        score: probability of the answer, 0..1.
        given_score: probability of the label, 0..1.
        thumbnail: the picture.
    """

    image: str
    path: str
    given: str
    said: str
    score: float
    given_score: float
    thumbnail: Thumbnail


@dataclass(frozen=True)
class Mistakes:
    """Answers of one split.

    Attributes:
        split: "" where no split may be shown.
        count: mistakes of the split in all.
        wrong: the surest mistakes, surest first.
        unsure: the least sure right answers, where there is no mistake.
    """

    split: str
    count: int
    wrong: tuple[Answer, ...]
    unsure: tuple[Answer, ...]


def mistakes(run: Run, thumbnails: Thumbnails, budget: int) -> Mistakes:
    """The surest mistakes of validation (or else of further data, or of training).

    Args:
        run: with predictions.
        thumbnails: of its data set's pictures.
        budget: most answers.
    """
    split = next((name for name in SPLITS if name in run.predicted_splits), "")
    if not split:
        return Mistakes("", 0, (), ())
    predictions = run.predictions(split).sorted_by_id()
    targets, score = predictions.targets, predictions.rows["score"].to_numpy()
    known = targets >= 0
    wrong = known & (predictions.rows["target"] != predictions.rows["predicted"]).to_numpy()
    surest = _first(np.flatnonzero(wrong), -score, budget)
    unsure = [] if wrong.any() else _first(np.flatnonzero(known), score, min(UNSURE, budget))
    return Mistakes(
        split=split,
        count=int(wrong.sum()),
        wrong=_answers(predictions, surest, thumbnails),
        unsure=_answers(predictions, unsure, thumbnails),
    )


def _first(rows: np.typing.NDArray[np.intp], key: np.typing.NDArray[np.float64], limit: int) -> list[int]:
    return [int(row) for row in rows[np.argsort(key[rows], kind="stable")][:limit]]


def _answers(predictions: Predictions, rows: list[int], thumbnails: Thumbnails) -> tuple[Answer, ...]:
    probabilities, targets = predictions.probabilities, predictions.targets
    made = []
    for row in rows:
        values = predictions.rows.row(row, named=True)
        made.append(
            Answer(
                image=values["id"],
                path=values["path"],
                given=values["target"],
                said=values["predicted"],
                score=float(values["score"]),
                given_score=float(probabilities[row, targets[row]]),
                thumbnail=thumbnails.of_image(values["id"]),
            )
        )
    return tuple(made)
