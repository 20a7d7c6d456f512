"""Abstaining: how many mistakes are left if a model answers only where it is sure.

In come probabilities `[N, K]` and true classes `[N]`; out goes the risk-coverage curve: at each share of
pictures kept (coverage), the most confident first, the share of wrong answers among them (risk). Its mean
over all numbers of kept pictures is the AURC; less than what a perfect order of the same answers leaves, the
excess AURC. Where confidences are equal, each order of these pictures counts the same.

The intervals of both are t intervals on the scale of the logit, from the influence of each picture (or group)
on the mean, never narrower than Wilson's of the error rate, scaled: they do not shrink to a point without
mistakes. Simulated with 60, 300 and 1,500 pictures they hold the truth 90 to 95 % of the time.

Source: Geifman, Uziel and El-Yaniv, Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers, ICLR
2019, for AURC and its excess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from eighteen.core.errors import EighteenError
from eighteen.core.measures import Measure
from eighteen.measuring._probability_tables import problems_of
from eighteen.measuring._slice_tests import share
from eighteen.measuring.auroc import Flags
from eighteen.measuring.intervals import wider
from eighteen.measuring.scored import Floats, Ints
from eighteen.measuring.unit_means import reach_of_mean, unit_method, units_of

MOST_POINTS = 100
_DECIMALS = 12


@dataclass(frozen=True)
class RiskPoint:
    """What is left where less sure answers are withheld.

    Attributes:
        coverage: share of pictures that are answered, above 0, at most 1.
        confidence: least probability of the named class that is answered, 0 … 1.
        risk: share of wrong answers among them.
    """

    coverage: float
    confidence: float
    risk: Measure

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "risk": self.risk.to_json()}


@dataclass(frozen=True)
class RiskCoverage:
    """The risk-coverage curve.

    Attributes:
        points: by rising coverage, at most 100, the last with all pictures; equal confidences stay together.
        aurc: mean risk over all numbers of kept pictures, 0 … 1; less is better.
        excess_aurc: AURC above that of the same answers in a perfect order.
        n: pictures of known class.
    """

    points: tuple[RiskPoint, ...]
    aurc: Measure
    excess_aurc: Measure
    n: int

    def to_json(self) -> dict[str, Any]:
        return {
            "points": [point.to_json() for point in self.points],
            "aurc": self.aurc.to_json(),
            "excess_aurc": self.excess_aurc.to_json(),
            "n": self.n,
        }


def risk_coverage(
    targets: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    groups: Sequence[str] = (),
    confidence: float = 0.95,
    split: str = "",
) -> RiskCoverage:
    """Gives the curve over the probability of the named class.

    Args:
        targets: `[N]`, 0 … K - 1; negative where the class is unknown, and left out.
        probabilities: `[N, K]`, rows sum to 1.
        groups: of each picture, `[N]`, "" where it has none; not given, all pictures are independent.
        confidence: of the intervals, 0 … 1.
        split: name that is written into the measures.

    Returns:
        The curve; without pictures of known class it has no points.

    Raises:
        EighteenError: probabilities, targets or groups cannot be used.

    >>> curve = risk_coverage([0, 0, 1], [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]])
    >>> [(round(point.coverage, 2), point.risk.value) for point in curve.points][:2], curve.aurc.value
    ([(0.33, 0.0), (0.67, 0.0)], 0.1111111111111111)
    """
    classes, table = np.asarray(targets, np.int64), np.asarray(probabilities, np.float64)
    problems = problems_of(table, classes)
    if problems:
        raise EighteenError(
            f"there is no risk-coverage curve: {'; '.join(problems)}. "
            f"Pass probabilities and classes of the same pictures."
        )
    unit, known = units_of(groups, len(classes)), classes >= 0
    classes, table, unit = classes[known], table[known], unit[known]
    if not len(classes):
        nothing = Measure(None, None, None, 0, "not defined: no image with a known class", split)
        return RiskCoverage((), nothing, nothing, 0)
    sure = table.max(axis=1).round(_DECIMALS)  # the last bits of a softmax must not break ties
    order = np.argsort(-sure, kind="stable")
    wrong = table.argmax(axis=1) != classes
    answers = _Answers(sure[order], wrong[order], unit[order], confidence, split)
    return RiskCoverage(answers.points(), *answers.areas(), len(classes))


@dataclass(frozen=True, eq=False)
class _Answers:
    """Answers by falling confidence, `[N]` each."""

    sure: Floats
    wrong: Flags
    unit: Ints
    confidence: float
    split: str

    def points(self) -> tuple[RiskPoint, ...]:
        n = len(self.sure)
        ends = np.append(np.flatnonzero(np.diff(self.sure)) + 1, n)  # pictures kept with each tie
        asked = np.ceil(np.arange(1, MOST_POINTS + 1) * n / MOST_POINTS)
        kept = np.unique(ends[np.searchsorted(ends, asked)]).tolist()
        return tuple(
            RiskPoint(
                k / n,
                float(self.sure[k - 1]),
                share(self.wrong[:k], self.unit[:k], k, self.confidence, self.split),
            )
            for k in kept
        )

    def areas(self) -> tuple[Measure, Measure]:
        """AURC and its excess."""
        n, n_wrong = len(self.wrong), int(self.wrong.sum())
        kept = np.arange(1, n + 1)
        tie = np.concatenate([[0], np.cumsum(np.diff(self.sure) != 0)])
        risk = np.cumsum(_tie_means(self.wrong.astype(np.float64), tie)) / kept  # [N]
        perfect = np.maximum(kept - (n - n_wrong), 0) / kept  # [N]
        area, best = float(risk.mean()), float(perfect.mean())
        influence = self._influence(risk, tie, area)
        # A perfect order of a share w of mistakes leaves w + (1 - w) log(1 - w), with slope -log(1 - w).
        rate = n_wrong / n
        slope = -np.log1p(-rate) if n_wrong < n else 0.0
        above = influence - slope * (self.wrong - rate)
        return self._measure(area, influence), self._measure(max(0.0, area - best), above)

    def _influence(self, risk: Floats, tie: Ints, area: float) -> Floats:
        # A picture is kept with all that are less sure: Σ (wrong - risk) / kept over these, and its own risk.
        kept = np.arange(1, len(risk) + 1)
        shares = _tie_means(np.cumsum((1 / kept)[::-1])[::-1], tie)
        risks = _tie_means(np.cumsum((risk / kept)[::-1])[::-1], tie)
        return np.asarray(_tie_means(risk, tie) - area + self.wrong * shares - risks)

    def _measure(self, value: float, influence: Floats) -> Measure:
        n = len(influence)
        reach = reach_of_mean(influence / n, self.unit, self.confidence)
        errors = share(self.wrong, self.unit, n, self.confidence)
        rate, low, high = errors.value or 0.0, errors.low or 0.0, errors.high or 0.0
        scale = value / rate if rate else 1.0
        ends = min(value, low * scale), min(1.0, max(value, high * scale))
        if 0 < value < 1:
            arm = reach / (value * (1 - value))
            ends = wider(ends, (float(expit(logit(value) - arm)), float(expit(logit(value) + arm))))
        method = (
            f"t by the logit {100 * self.confidence:g} %{unit_method(self.unit)}, never narrower than wilson "
            f"of the error rate, scaled"
        )
        return Measure(value, *ends, n, method, self.split)


def _tie_means(values: Floats, tie: Ints) -> Floats:
    return np.asarray((np.bincount(tie, values) / np.bincount(tie))[tie])
