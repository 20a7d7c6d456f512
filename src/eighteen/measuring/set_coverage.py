"""What prediction sets are worth: how often they hold the true class, and how many classes they name.

In come sets, booleans `[N, K]`, and true classes `[N]`; out go coverage and sizes with intervals, over all
pictures, for each class and for each size of set; and a sentence that holds them against what the calibration
pictures promise.

| number                        | pictures independent                       | with groups                  |
|-------------------------------|--------------------------------------------|------------------------------|
| coverage, singletons, empties | Wilson                                     | Wilson, by the groups' worth |
| mean size                     | t, never narrower than Wilson of two sizes | the same, by sums of groups  |

The last keeps its width where all sets have one size: sizes are whole numbers, so with a mean of 1.2 they
vary at least as much as if a fifth of them were 2 and the others 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eighteen.core.errors import EighteenError
from eighteen.core.measures import Measure
from eighteen.measuring._slice_tests import share
from eighteen.measuring.auroc import Flags
from eighteen.measuring.conformal import SetRule, expected_coverage_interval
from eighteen.measuring.intervals import effective_count, wilson
from eighteen.measuring.scored import Ints
from eighteen.measuring.unit_means import reach_of_mean, unit_method, units_of


@dataclass(frozen=True)
class ClassCoverage:
    """Sets of the pictures of one class.

    Attributes:
        name: the class.
        n: pictures of the class.
        coverage: share of them whose set holds the class; not defined without any.
        size: mean number of classes in their sets.
    """

    name: str
    n: int
    coverage: Measure
    size: Measure

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "coverage": self.coverage.to_json(), "size": self.size.to_json()}


@dataclass(frozen=True)
class SizeCoverage:
    """Sets of one size.

    Attributes:
        size: classes in the set.
        n: sets of that size, at least one.
        coverage: share of them that hold the true class.
    """

    size: int
    n: int
    coverage: Measure

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "coverage": self.coverage.to_json()}


@dataclass(frozen=True)
class CoverageMeasures:
    """All that is measured about prediction sets.

    Attributes:
        coverage: share of pictures whose set holds the true class.
        size: mean number of classes in a set.
        singletons: share of sets with exactly one class.
        empties: share of sets without any.
        by_class: one entry a class, in their order.
        by_size: one entry for each size that occurs, the smallest first.
    """

    coverage: Measure
    size: Measure
    singletons: Measure
    empties: Measure
    by_class: tuple[ClassCoverage, ...]
    by_size: tuple[SizeCoverage, ...]

    def to_json(self) -> dict[str, Any]:
        wholes = {
            name: getattr(self, name).to_json() for name in ("coverage", "size", "singletons", "empties")
        }
        parts = {name: [row.to_json() for row in getattr(self, name)] for name in ("by_class", "by_size")}
        return {**wholes, **parts}


def coverage_measures(
    sets: npt.ArrayLike,
    targets: npt.ArrayLike,
    class_names: Sequence[str],
    groups: Sequence[str] = (),
    confidence: float = 0.95,
    split: str = "",
) -> CoverageMeasures:
    """Measures prediction sets.

    Args:
        sets: whether a class is in the set of a picture, booleans `[N, K]`.
        targets: `[N]`, 0 … K - 1; negative where the class is unknown, and left out.
        class_names: the K classes.
        groups: of each picture, `[N]`, "" where it has none; not given, all pictures are independent.
        confidence: of the intervals, 0 … 1.
        split: name that is written into the measures.

    Raises:
        EighteenError: sets, targets, names and groups do not fit each other.

    >>> found = coverage_measures([[True, True], [True, False]], [1, 1], ["ant", "bee"])
    >>> found.coverage.value, found.size.value, [row.coverage.value for row in found.by_class]
    (0.5, 1.5, [None, 0.5])
    """
    table, classes = np.asarray(sets), np.asarray(targets, np.int64)
    _check(table, classes, class_names)
    unit = units_of(groups, len(classes))
    known = classes >= 0
    table, classes, unit = table[known], classes[known], unit[known]
    covered = table[np.arange(len(classes)), classes]
    sizes = table.sum(axis=1)
    about = _Setting(len(class_names), confidence, split)
    everything = np.ones(len(classes), dtype=np.bool_)
    return CoverageMeasures(
        coverage=about.share(covered, unit, everything),
        size=about.mean_size(sizes, unit, everything),
        singletons=about.share(sizes == 1, unit, everything),
        empties=about.share(sizes == 0, unit, everything),
        by_class=tuple(
            ClassCoverage(
                name,
                int((classes == k).sum()),
                about.share(covered, unit, classes == k),
                about.mean_size(sizes, unit, classes == k),
            )
            for k, name in enumerate(class_names)
        ),
        by_size=tuple(
            SizeCoverage(int(size), int((sizes == size).sum()), about.share(covered, unit, sizes == size))
            for size in np.unique(sizes)
        ),
    )


def covers_too_little(rule: SetRule, found: CoverageMeasures, confidence: float = 0.95) -> bool:
    """Whether coverage lies below both what chance explains if all pictures come from one place (see
    `expected_coverage_interval`) and the coverage asked, beyond its own interval.

    Args:
        rule: that the sets were made by.
        found: measures of these sets.
        confidence: of what chance explains, 0 … 1.
    """
    coverage = found.coverage
    if coverage.value is None or coverage.high is None or all(limit is None for limit in rule.thresholds):
        return False
    low, _ = expected_coverage_interval(rule.n, coverage.n, rule.coverage, confidence)
    return coverage.value < low and coverage.high < rule.coverage


def coverage_sentence(rule: SetRule, found: CoverageMeasures, confidence: float = 0.95) -> str:
    """What the sets do, and whether that is what the calibration pictures promise, for people.

    Args:
        rule: that the sets were made by.
        found: measures of these sets.
        confidence: of what chance explains, 0 … 1.
    """
    coverage, size, alone = found.coverage, found.size.value, found.singletons.value
    if coverage.value is None or size is None or alone is None:
        return f"sets at {100 * rule.coverage:g} %: no picture of known class to measure them on"
    told = (
        f"sets at {100 * rule.coverage:g} % hold the true class of {100 * coverage.value:.1f} % of "
        f"{coverage.n:,} pictures, with {size:.2f} classes on average; "
        f"{100 * alone:.0f} % name a single class"
    )
    if all(threshold is None for threshold in rule.thresholds):
        return f"{told} ({rule.reason})"
    low, high = expected_coverage_interval(rule.n, coverage.n, rule.coverage, confidence)
    promised = f"{100 * low:.1f} to {100 * high:.1f} % that {rule.n:,} calibration pictures promise"
    if covers_too_little(rule, found, confidence):
        return f"{told}. That is less than the {promised}: these pictures are unlike those"
    if coverage.value > high:
        return f"{told}. That is more than the {promised}: no set is empty, or these pictures are easier"
    return f"{told}, as the {promised}"


@dataclass(frozen=True)
class _Setting:
    n_classes: int
    confidence: float
    split: str

    def share(self, right: Flags, unit: Ints, rows: Flags) -> Measure:
        n = int(rows.sum())
        if not n:
            return self._undefined()
        return share(right[rows], unit[rows], n, self.confidence, self.split)

    def mean_size(self, sizes: Ints, unit: Ints, rows: Flags) -> Measure:
        some, of_unit = sizes[rows], unit[rows]
        n = len(some)
        if not n:
            return self._undefined()
        value = float(some.mean())
        reach = reach_of_mean((some - value) / n, of_unit, self.confidence)
        n_units = len(np.unique(of_unit))
        worth = float(n if n_units == n else effective_count(n, n_units, self.confidence))
        below, above = _least_arms(value, worth, self.confidence)
        low, high = value - max(reach, below), value + max(reach, above)
        method = (
            f"t {100 * self.confidence:g} %{unit_method(of_unit)}, never narrower than wilson of two sizes"
        )
        return Measure(value, max(0.0, low), min(float(self.n_classes), high), n, method, self.split)

    def _undefined(self) -> Measure:
        return Measure(None, None, None, 0, "not defined: no such image", self.split)


def _least_arms(value: float, worth: float, confidence: float) -> tuple[float, float]:
    """Arms of Wilson's interval if all sizes were the two whole numbers around their mean."""
    part = value - math.floor(value)
    # A whole mean is the larger size of all below it, and the smaller of all above it.
    low, _ = wilson((part or 1.0) * worth, worth, confidence)
    _, high = wilson(part * worth, worth, confidence)
    return (part or 1.0) - float(low), float(high) - part


def _check(sets: npt.NDArray[Any], targets: Ints, class_names: Sequence[str]) -> None:
    problems = []
    if sets.ndim != 2 or sets.shape[1] != len(class_names) or sets.dtype != np.bool_:
        problems.append(
            f"sets are {sets.dtype} of shape {sets.shape}, expected bool of shape "
            f"(pictures, {len(class_names)})"
        )
    elif targets.shape != (len(sets),):
        problems.append(f"targets have shape {targets.shape}, expected ({len(sets)},)")
    if targets.max(initial=-1) >= len(class_names):
        problems.append(f"a target is {targets.max()}, expected at most {len(class_names) - 1}")
    if problems:
        raise EighteenError(
            f"prediction sets cannot be measured: {'; '.join(problems)}. "
            f"Pass the sets and classes of the same pictures, by one model."
        )
