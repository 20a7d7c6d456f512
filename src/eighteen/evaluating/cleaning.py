"""Did cleaning help? The same recipe trained on the labels as they were and as corrected, on the same folds.

Every picture outside the test split is scored by two trainings that never saw it: one learned from the labels
of the source, one from the corrected ones, without the dropped pictures. Which labels are the truth is asked
twice: by the corrected ones, which is the verdict, and by those of the source, in case the corrections are
wrong. Beside it stands how many of the pictures that a person decided about deserved it.

The test split takes no part, and decisions about its pictures change nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from eighteen.core.corrections import ACTIONS, Correction, Corrections
from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.core.study import Study
from eighteen.evaluating.heldout import Side, outside_test, side_by_side
from eighteen.measuring.intervals import wilson
from eighteen.measuring.paired import compare
from eighteen.measuring.verdicts import Comparison

NAMES = ("labels as they were", "corrected labels")


@dataclass(frozen=True)
class Cleaning:
    """What correcting brought.

    Attributes:
        corrected: the comparison by the corrected labels, on the pictures that were not dropped.
        uncorrected: the comparison by the labels of the source, on all pictures.
        flags: share of the decided pictures that deserved it: relabelled or dropped, not kept; None where
            nobody decided for or against.
        decisions: outside the test split, by action.
    """

    corrected: Comparison
    uncorrected: Comparison
    flags: Measure | None
    decisions: Mapping[str, int]

    @property
    def sentence(self) -> str:
        """The answer in words."""
        first = f"By the corrected labels: {self.corrected.sentence}"
        second = f"By the labels as they were: {self.uncorrected.sentence}"
        if self.flags is None:
            return f"{first} {second}"
        flags = self.flags
        assert flags.value is not None and flags.low is not None and flags.high is not None
        return (
            f"{first} {second} Of {flags.n} pictures that were decided, {flags.value:.0%} were wrong "
            f"({flags.low:.0%} to {flags.high:.0%})."
        )

    def to_json(self) -> dict[str, Any]:
        """The comparison by the corrected labels, as `compare` gives it, and what stands beside it."""
        return {
            **self.corrected.to_json(),
            "sentence": self.sentence,
            "uncorrected": self.uncorrected.to_json(),
            "flags": None if self.flags is None else self.flags.to_json(),
            "decisions": dict(self.decisions),
        }


def clean_and_compare(
    study: Study,
    dataset: Dataset,
    corrections: Corrections,
    recipe: Recipe,
    seeds: int,
    k: int,
    margin: float,
    progress: Progress = silent,
) -> Cleaning:
    """Trains before and after with every seed on every fold, and stores the comparison in the study.

    Args:
        study: as `Study.creating` made it, or interrupted since.
        dataset: audited, with splits and the labels of the source.
        corrections: decisions about its pictures.
        recipe: of every training.
        seeds: trainings before and after, from the recipe's own seed on.
        k: folds; 1 holds the validation split out.
        margin: a difference in accuracy below it does not matter.
    """
    before = outside_test(dataset)
    after = outside_test(corrections.applied_to(dataset))
    decided = decisions_outside_test(corrections, dataset)
    sides = [Side(NAMES[0], "before-", recipe, before), Side(NAMES[1], "after-", recipe, after)]
    first, second = side_by_side(study, before, sides, seeds, k, progress)
    done = compared(first, second, after, decided, margin)
    study.save_comparison(done.to_json())
    study.set_state("complete")
    return done


def decisions_outside_test(corrections: Corrections, dataset: Dataset) -> list[Correction]:
    """The decisions that count here.

    Raises:
        DatasetError: they do not fit the data set, or change no label and drop no picture.
    """
    corrections.applied_to(dataset)
    known = set(outside_test(dataset).ids)
    decided = [row for row in corrections.about(dataset) if row.path in known]
    if not any(row.action in ("relabel", "drop") for row in decided):
        raise DatasetError(
            f"{corrections.name} changes no label and drops no picture outside the test split, so there is "
            f"nothing to compare; decide about suspects with eighteen review"
        )
    return decided


def compared(
    first: Predictions, second: Predictions, after: Dataset, decided: list[Correction], margin: float
) -> Cleaning:
    """Both comparisons of two finished sets of predictions.

    Args:
        first, second: learned from the labels before and after, scored on the same pictures, with the labels
            of the source as targets.
        after: the corrected pictures outside the test split.
        decided: the decisions about pictures outside the test split.
        margin: a difference in accuracy below it does not matter.
    """
    corrected = [_with_targets(each, after) for each in (first, second)]
    return Cleaning(
        compare(*corrected, margin=margin, split="held out, corrected labels", names=NAMES),
        compare(first, second, margin=margin, split="held out, labels as they were", names=NAMES),
        _flags(decided),
        {action: sum(row.action == action for row in decided) for action in ACTIONS},
    )


def _with_targets(predictions: Predictions, dataset: Dataset) -> Predictions:
    """The rows of the data set's pictures, with its labels as targets."""
    targets = dict(dataset.table.select("id", "target").iter_rows())
    kept = predictions.rows["id"].is_in(list(targets)).to_numpy()
    rows = predictions.rows.filter(kept)
    missing = sum(row[0] not in targets for row in predictions.unreadable)
    return replace(
        predictions,
        rows=rows.with_columns(pl.Series("target", [targets[name] for name in rows["id"]], pl.String())),
        arrays={name: array[kept] for name, array in predictions.arrays.items()},
        expected=int(kept.sum()) + len(predictions.unreadable) - missing,
        unreadable=tuple(row for row in predictions.unreadable if row[0] in targets),
    )


def _flags(decided: list[Correction]) -> Measure | None:
    right = sum(row.action in ("relabel", "drop") for row in decided)
    n = right + sum(row.action == "keep" for row in decided)
    if not n:
        return None
    low, high = wilson(right, n)
    return Measure(right / n, float(low), float(high), n, "wilson 95 %", "decided pictures")
