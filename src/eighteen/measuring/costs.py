"""Answers that cost the least: decisions where some mistakes are dearer than others.

In come calibrated probabilities `[N, K]` and what it costs to answer one class where another is true; out go
the answers with the lowest expected cost, perhaps none for pictures where abstaining is cheaper, and what
answers have cost on pictures of known class. Probabilities that are not calibrated decide wrongly.

Source: Elkan, The Foundations of Cost-Sensitive Learning, IJCAI 2001, equation 1; Chow, IEEE Transactions on
Information Theory 16 (1970), for abstaining.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from eighteen.core.errors import EighteenError
from eighteen.core.measures import Measure
from eighteen.measuring._probability_tables import problems_of
from eighteen.measuring.intervals import effective_count, wilson
from eighteen.measuring.scored import Floats, Ints
from eighteen.measuring.unit_means import reach_of_mean, unit_method, units_of

ABSTAINED = -1
FEW_MISTAKES = 5
# Costs that differ by less, as a share of the dearest, are equal.
_TIE_FRACTION = 1e-12


def expected_cost(probabilities: npt.ArrayLike, costs: npt.ArrayLike) -> Floats:
    """What each answer costs on average, `[N, K]`, if the probabilities are right.

    Args:
        probabilities: calibrated, `[N, K]`, rows sum to 1.
        costs: `[K, K]`, rows are true classes, columns answers; 0 or more, and in each row the right answer
            costs no more than a wrong one.

    Raises:
        EighteenError: probabilities or costs cannot be used; all reasons are named.

    >>> expected_cost([[0.75, 0.25]], [[0, 1], [10, 0]]).tolist()
    [[2.5, 0.75]]
    """
    table, prices = _checked(probabilities, costs, None)
    return np.asarray(table @ prices)


def cheapest_answer(
    probabilities: npt.ArrayLike, costs: npt.ArrayLike, abstain_cost: float | None = None
) -> Ints:
    """The class with the lowest expected cost for each picture, `[N]`; -1 where abstaining costs less.

    Of equally cheap answers the more probable one is taken.

    Args:
        probabilities, costs: as in `expected_cost`.
        abstain_cost: of giving no answer, 0 or more; not given, every picture gets an answer.

    Raises:
        EighteenError: as in `expected_cost`; or the cost of abstaining is below 0.

    >>> cheapest_answer([[0.75, 0.25], [0.99, 0.01]], [[0, 1], [10, 0]]).tolist()
    [1, 0]
    >>> cheapest_answer([[0.75, 0.25], [0.99, 0.01]], [[0, 1], [10, 0]], abstain_cost=0.5).tolist()
    [-1, 0]
    """
    table, prices = _checked(probabilities, costs, abstain_cost)
    expected = table @ prices
    lowest, trifle = expected.min(axis=1, keepdims=True), _TIE_FRACTION * prices.max()
    answers = np.where(expected <= lowest + trifle, table, -1.0).argmax(axis=1)
    if abstain_cost is not None:
        answers = np.where(lowest[:, 0] > abstain_cost + trifle, ABSTAINED, answers)
    return np.asarray(answers, np.int64)


def measured_cost(
    targets: npt.ArrayLike,
    answers: npt.ArrayLike,
    costs: npt.ArrayLike,
    abstain_cost: float | None = None,
    groups: Sequence[str] = (),
    confidence: float = 0.95,
    split: str = "",
) -> Measure:
    """What answers have cost, mean over pictures.

    Args:
        targets: `[N]`, 0 … K - 1; negative where the class is unknown, and left out.
        answers: `[N]`, 0 … K - 1, or -1 where there is none.
        costs, abstain_cost: as in `cheapest_answer`.
        groups: of each picture, `[N]`, "" where it has none; not given, all pictures are independent.
        confidence: of the interval, 0 … 1.
        split: name that is written into the measure.

    Returns:
        The mean with a t interval, from sums over groups where there are any. Where fewer than five pictures
        cost anything, it is also never narrower than Wilson's, as if each were as dear as the dearest answer:
        a dear mistake may not have been seen yet.

    Raises:
        EighteenError: targets, answers, costs or groups cannot be used.

    >>> measured_cost([0, 0, 1], [0, 1, 1], [[0, 1], [10, 0]]).value
    0.3333333333333333
    """
    classes, named, prices = np.asarray(targets), np.asarray(answers), np.asarray(costs, np.float64)
    problems = _problems_of_costs(prices, abstain_cost)
    problems = problems or _problems_of_answers(classes, named, len(prices), abstain_cost)
    if problems:
        raise EighteenError(f"costs cannot be measured: {'; '.join(problems)}. {_REMEDY}")
    unit, known = units_of(groups, len(classes)), classes >= 0
    classes, named, unit = classes[known].astype(np.int64), named[known].astype(np.int64), unit[known]
    if not len(classes):
        return Measure(None, None, None, 0, "not defined: no image with a known class", split)
    table = np.column_stack([prices, np.full(len(prices), abstain_cost or 0.0)])  # -1 is the last column
    return _mean_cost(table[classes, named], unit, float(table.max()), confidence, split)


_REMEDY = (
    "Give a row for each true class and a column for each answer; where some costs are gains, add a constant "
    "to their row, which changes no answer unless abstaining has a cost."
)


def _mean_cost(paid: Floats, unit: Ints, dearest: float, confidence: float, split: str) -> Measure:
    n, value, n_units = len(paid), float(paid.mean()), len(np.unique(unit))
    reach = reach_of_mean((paid - value) / n, unit, confidence)
    low, high = max(0.0, value - reach), min(dearest, value + reach)
    method = f"t {100 * confidence:g} %{unit_method(unit)}"
    if len(np.unique(unit[paid > 0])) < FEW_MISTAKES and dearest > 0:
        worth = float(n if n_units == n else effective_count(n, n_units, confidence))
        ends = wilson(value / dearest * worth, worth, confidence)
        low, high = min(low, dearest * float(ends[0])), max(high, dearest * float(ends[1]))
        method += ", widened for mistakes not yet seen"
    return Measure(value, min(low, value), max(high, value), n, method, split)


def _checked(
    probabilities: npt.ArrayLike, costs: npt.ArrayLike, abstain_cost: float | None
) -> tuple[Floats, Floats]:
    table, prices = np.asarray(probabilities, np.float64), np.asarray(costs, np.float64)
    problems = problems_of(table) + _problems_of_costs(prices, abstain_cost)
    if not problems and len(prices) != table.shape[1]:
        problems.append(
            f"costs have shape {prices.shape}, expected {(table.shape[1],) * 2} for these classes"
        )
    if problems:
        raise EighteenError(f"the cheapest answer cannot be found: {'; '.join(problems)}. {_REMEDY}")
    return table, prices


def _problems_of_costs(prices: Floats, abstain_cost: float | None) -> list[str]:
    problems = []
    if prices.ndim != 2 or prices.shape[0] != prices.shape[1] or not len(prices):
        problems.append(f"costs have shape {prices.shape}, expected one row and one column a class")
    elif not (np.isfinite(prices) & (prices >= 0)).all():
        row, column = np.argwhere(~(np.isfinite(prices) & (prices >= 0)))[0]
        problems.append(
            f"the cost in row {row}, column {column} is {prices[row, column]}, expected finite and 0 or more"
        )
    else:
        problems += [
            f"in row {row} the right answer costs {prices[row, row]:g} and a wrong one only "
            f"{prices[row].min():g}, expected no wrong answer to be cheaper"
            for row in np.flatnonzero(prices.min(axis=1) < prices.diagonal())
        ]
    if abstain_cost is not None and not (np.isfinite(abstain_cost) and abstain_cost >= 0):
        problems.append(f"abstaining costs {abstain_cost}, expected finite and 0 or more")
    return problems


def _problems_of_answers(
    classes: npt.NDArray[np.int64], named: Ints, n_classes: int, abstain_cost: float | None
) -> list[str]:
    if classes.ndim != 1 or named.shape != classes.shape:
        return [f"targets have shape {classes.shape} and answers {named.shape}, expected one each a picture"]
    problems = []
    if classes.max(initial=-1) >= n_classes:
        problems.append(f"a target is {classes.max()}, expected at most {n_classes - 1}")
    least = 0 if abstain_cost is None else ABSTAINED
    if named.max(initial=0) >= n_classes or named.min(initial=0) < least:
        problems.append(
            f"answers are {named.min()} to {named.max()}, expected {least} to {n_classes - 1}"
            + (" without a cost of abstaining" if abstain_cost is None else "")
        )
    return problems
