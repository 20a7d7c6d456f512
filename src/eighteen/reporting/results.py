"""What a model did on one split, ready to be shown: sentences first, numbers behind them.

In come the stored measures and details of a run, out goes one `Result` a split. Nothing is computed anew that
was measured before; only the order (worst class first) and the words are made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eighteen.core.measures import Measure
from eighteen.core.run import Run
from eighteen.reporting.decisions import Decisions, decisions
from eighteen.reporting.trust import Trust, trust
from eighteen.reporting.words import (
    MEASURE_NAMES,
    SPLIT_NAMES,
    number,
    percent,
    percent_range,
    pictures,
)

ORDER = ("val", "test", "data", "train")
LARGEST_MATRIX = 30
"""Classes up to which the confusion matrix is drawn; beyond it the most frequent confusions are listed."""

MOST_CONFUSIONS = 15
UNDEFINED = Measure(None, None, None, 0, "not measured")


@dataclass(frozen=True)
class ClassRow:
    """One class: its pictures and its measures; `weak` where the interval of its recall lies
    wholly below that of the mean recall."""

    name: str
    support: int
    precision: Measure
    recall: Measure
    f1: Measure
    weak: bool


@dataclass(frozen=True)
class Confusion:
    """Pictures of class `given` that were named `said`; `share` of all pictures of `given`."""

    given: str
    said: str
    count: int
    share: float


@dataclass(frozen=True)
class Result:
    """What a model did on one split.

    Attributes:
        split: the split's name.
        expected, scored, unreadable: pictures to be scored, scored, and not to be read.
        right: pictures named right, of the `headline.n` with a known class.
        headline: accuracy, with its interval.
        majority: the class that the baseline always answers, the most frequent one in training; "" where it
            was not written down.
        measures: name and measure, in the order in which they are shown.
        classes: worst F1 first; classes without pictures last.
        matrix: `[K][K]` counts, rows are given classes; () for more than `LARGEST_MATRIX` classes.
        confusions: the most frequent ones.
        resolution: what so many pictures can tell apart.
        trust: calibration, prediction sets, abstaining and weak slices.
        decisions: thresholds and costs that were asked for.
        not_better: says that the model is no better than a constant answer; "" where it is.
    """

    split: str
    expected: int
    scored: int
    unreadable: int
    unreadable_images: tuple[tuple[str, str], ...]
    right: int
    headline: Measure
    baseline: Measure
    majority: str
    measures: tuple[tuple[str, Measure], ...]
    classes: tuple[ClassRow, ...]
    matrix: tuple[tuple[int, ...], ...]
    confusions: tuple[Confusion, ...]
    resolution: str
    trust: Trust
    decisions: Decisions
    not_better: str

    @property
    def title(self) -> str:
        return SPLIT_NAMES.get(self.split, self.split).capitalize()

    @property
    def short_sentence(self) -> str:
        """How many it named right, in words."""
        kind = SPLIT_NAMES.get(self.split, self.split)
        on = f"On {number(self.headline.n)} {kind} {'picture' if self.headline.n == 1 else 'pictures'}"
        if self.headline.value is None:
            return f"{on} nothing can be said about how often it is right."
        return f"{on} it named {number(self.right)} right."

    @property
    def sentence(self) -> str:
        """The same with the share and its interval."""
        measure = self.headline
        if measure.value is None or measure.low is None or measure.high is None:
            return self.short_sentence
        share = f"{percent(measure.value)} {percent_range(measure.low, measure.high)}"
        return f"{self.short_sentence.removesuffix('.')}: {share}."

    @property
    def baseline_sentence(self) -> str:
        if self.baseline.value is None:
            return ""
        what = (
            f"Always saying “{self.majority}”" if self.majority else "Always giving one and the same answer"
        )
        return f"{what} would be right in {percent(self.baseline.value)}."

    @property
    def counts_sentence(self) -> str:
        unreadable = f"{number(self.unreadable)} unreadable"
        return f"{pictures(self.expected)} expected, {number(self.scored)} scored, {unreadable}."


def results(run: Run) -> tuple[Result, ...]:
    """One result a measured split: validation, test, further data, training."""
    measures, details = run.measures, run.details
    known = [split for split in ORDER if split in measures]
    others = [split for split in measures if split not in ORDER]
    return tuple(_result(split, measures[split], details.get(split, {}), run) for split in (*known, *others))


def _result(split: str, measures: Mapping[str, Measure], details: Mapping[str, Any], run: Run) -> Result:
    names = run.class_names
    matrix = np.array(details.get("confusion") or np.zeros((len(names), len(names))), dtype=np.int64)
    counts = details.get("counts", {})
    mean = measures.get("balanced_accuracy", UNDEFINED)
    unreadable = run.predictions(split).unreadable if split in run.predicted_splits else ()
    return Result(
        split=split,
        expected=counts.get("expected", 0),
        scored=counts.get("scored", 0),
        unreadable=counts.get("unreadable", 0),
        unreadable_images=unreadable,
        right=int(np.trace(matrix)),
        headline=measures.get("accuracy", UNDEFINED),
        baseline=measures.get("majority_baseline", UNDEFINED),
        majority=details.get("majority", ""),
        measures=in_order(measures),
        classes=_class_rows(details.get("per_class", ()), mean),
        matrix=tuple(map(tuple, matrix.tolist())) if len(names) <= LARGEST_MATRIX else (),
        confusions=_confusions(matrix, names),
        resolution=details.get("resolution", ""),
        trust=trust(details, run.calibration.reason),
        decisions=decisions(details),
        not_better=details.get("not_better_than_majority", ""),
    )


def in_order(measures: Mapping[str, Measure]) -> tuple[tuple[str, Measure], ...]:
    """Measures as people read them, those without a place last, and none of a single class."""
    names = [name for name in MEASURE_NAMES if name in measures]
    names += [name for name in measures if name not in MEASURE_NAMES and ":" not in name]
    return tuple((name, measures[name]) for name in names)


def _class_rows(rows: list[dict[str, Any]], mean: Measure) -> tuple[ClassRow, ...]:
    made = []
    for row in rows:
        precision, recall, f1 = (Measure.from_json(row[name]) for name in ("precision", "recall", "f1"))
        weak = recall.high is not None and mean.low is not None and recall.high < mean.low
        made.append(ClassRow(row["name"], row["support"], precision, recall, f1, weak))
    return tuple(sorted(made, key=_worst_first))


def _worst_first(row: ClassRow) -> tuple[bool, float, float]:
    f1 = 0.0 if row.f1.value is None else row.f1.value
    recall = 0.0 if row.recall.value is None else row.recall.value
    return row.support == 0, f1, recall


def _confusions(matrix: npt.NDArray[np.int64], names: tuple[str, ...]) -> tuple[Confusion, ...]:
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    support = matrix.sum(axis=1)
    flat = wrong.ravel()
    # Stable: equal counts stay in class order.
    order = np.argsort(-flat, kind="stable")[:MOST_CONFUSIONS]
    cells = [divmod(int(cell), len(names)) for cell in order if flat[cell]]
    return tuple(
        Confusion(
            names[given], names[said], int(wrong[given, said]), float(wrong[given, said] / support[given])
        )
        for given, said in cells
    )
