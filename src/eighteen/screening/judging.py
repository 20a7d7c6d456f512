"""What is known of each picture before any is chosen: its vector, how odd it is, what it probably shows.

In come the pile without copies and the data set; out come arrays aligned with the pile's rows. Pictures of
the data set's test split take no part: what is labelled next, and so trained on, must not depend on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.progress import Progress
from eighteen.screening.off_topic import FEWEST, Scores, TopicRule, judge_topic
from eighteen.screening.seen import Floats, Look, Probabilities, Seen, at_length_1
from eighteen.screening.suggesting import suggest, uncertainty
from eighteen.splitting.folds import folds

_FOLDS = (5, 3, 2)


@dataclass(frozen=True, eq=False)
class Judged:
    """Arrays of the pile's N pictures, beside the vectors of the M that are labelled already.

    Attributes:
        vectors: `[N, D]` at length 1.
        labelled: `[M, D]` at length 1, of the pictures `labelled_ids`.
        off_topic: `[N]`, above 1 off topic; None where there is no rule.
        rule: None where the data set is too small for one.
        probabilities: `[N, K]` of `class_names`; None where no class can be suggested.
    """

    vectors: Floats
    labelled: Floats
    labelled_ids: tuple[str, ...]
    off_topic: Scores | None
    rule: TopicRule | None
    probabilities: Probabilities | None
    class_names: tuple[str, ...]

    @property
    def uncertainty(self) -> npt.NDArray[np.float64] | None:
        return None if self.probabilities is None else uncertainty(self.probabilities)

    def where(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Judged:
        """The same of some of the pile's pictures, by a mask or by their rows."""
        return Judged(
            self.vectors[rows],
            self.labelled,
            self.labelled_ids,
            None if self.off_topic is None else self.off_topic[rows],
            self.rule,
            None if self.probabilities is None else self.probabilities[rows],
            self.class_names,
        )


def judge(
    pile: Dataset, known: Dataset, look: Look, false_drop_fraction: float, progress: Progress
) -> Judged:
    """Looks at the pile and at the labelled pictures.

    Args:
        pile: scanned, without copies.
        known: scanned, with splits; may be empty.
        look: how to look.
        false_drop_fraction: share of pictures on the topic that may be called off topic, 0..1.
        progress: told of the stages "features" or "look", in pictures.
    """
    labelled = known.with_table(known.table.filter(pl.col("split") != "test"))
    mine, theirs = look(pile, progress), _seen(labelled, look, progress)
    held = _folds(labelled)
    off_topic, rule = None, None
    if held is not None and len(labelled) >= FEWEST:
        off_topic, rule = judge_topic(theirs.vectors, held, mine.vectors, false_drop_fraction)
    probabilities, names = mine.probabilities, look.class_names
    if probabilities is None and held is not None and look.can_suggest:
        probabilities, names = _suggested(labelled, theirs, held, mine), labelled.class_names
    return Judged(
        at_length_1(mine.vectors),
        at_length_1(theirs.vectors) if len(labelled) else np.empty((0, mine.vectors.shape[1]), np.float32),
        tuple(labelled.ids),
        off_topic,
        rule,
        probabilities,
        names if probabilities is not None else (),
    )


def _seen(labelled: Dataset, look: Look, progress: Progress) -> Seen:
    return look(labelled, progress) if len(labelled) else Seen(np.empty((0, 0), np.float32))


def _suggested(
    labelled: Dataset, theirs: Seen, held: npt.NDArray[np.int64], mine: Seen
) -> Probabilities | None:
    targets = labelled.class_index()
    if len(np.unique(targets)) < 2:
        return None
    return suggest(theirs.vectors, targets, held, len(labelled.class_names), mine.vectors)


def _folds(labelled: Dataset) -> npt.NDArray[np.int64] | None:
    """Fold of each labelled picture, groups kept together; None where all are one group."""
    for k in _FOLDS:
        try:
            return folds(labelled, k)
        except DatasetError:
            continue  # fewer pictures or groups than folds
    return None
