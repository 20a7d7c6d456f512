"""Prediction sets: for each picture the classes among which the true one is, as often as asked.

In come calibrated probabilities `[N, K]` of pictures that the model was not trained on, with their classes;
out goes a frozen `SetRule`, and from it and new probabilities the sets, booleans `[N, K]`. This is split
conformal prediction: if new pictures come from where these come from, their true class is in the set with at
least the chance asked, whatever the model. The promise is an average over pictures, and over classes unless
`by_class`; pictures from elsewhere break it.

| method | sets are                                                                                |
|--------|-----------------------------------------------------------------------------------------|
| lac    | the smallest on average; every class with a probability above one limit                 |
| aps    | larger where the model is unsure: the most probable classes up to a sum                 |
| raps   | as aps, with a penalty on low ranks, which keeps a long tail of classes out             |

**Randomised or not.** `randomised=False`, the default and the right choice for serving, counts the classes
above one alone (u = 0 in `_set_scores.py`), so that the most probable class has score 0 and every set has at
least that one. The same score is used to calibrate, so the promise holds; only ties at 0 let sets cover more
than asked, where the model is right more often than that. `randomised=True` gives each picture a fixed draw u
by a hash of its id: coverage is then exact, at the price of sets that leave out a class by chance (never
another one for the same picture). LAC has nothing to draw.

**Empty sets.** Where a model is right more often than asked, the exact coverage takes empty sets; `sets`
fills them with the most probable class unless `allow_empty`. Filled sets cover at least as often, about as
often as the model is right.

Sources: `_set_scores.py` and `_set_thresholds.py` name them; Vovk, ACML 2012, for the beta-binomial.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from eighteen.core.errors import EighteenError
from eighteen.measuring._probability_tables import problems_of
from eighteen.measuring._set_scores import DECIMALS, Method, Score, draws_of
from eighteen.measuring._set_thresholds import (
    FALLBACK,
    fewest,
    kept_for_tuning,
    place_of,
    threshold_of,
    tuned,
)
from eighteen.measuring.auroc import Flags
from eighteen.measuring.intervals import Interval
from eighteen.measuring.scored import Floats, Ints

_METHODS: tuple[Method, ...] = ("lac", "aps", "raps")


@dataclass(frozen=True)
class SetRule:
    """Which classes belong into a set.

    Attributes:
        method: lac, aps or raps.
        coverage: chance asked that the true class is in the set, above 0 and below 1.
        thresholds: highest score that is included: one for all classes, or one a class. None where there were
            too few pictures: every class is included.
        randomised: whether scores hold a draw by the picture's id.
        penalty, kreg: of RAPS; 0 otherwise.
        n: pictures that the thresholds come from.
        n_classes: K.
        seed: of the draws.
        reason: how it was fitted, in a sentence.
    """

    method: Method
    coverage: float
    thresholds: tuple[float | None, ...]
    randomised: bool
    penalty: float
    kreg: int
    n: int
    n_classes: int
    seed: int
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "thresholds": list(self.thresholds)}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        return cls(**{**row, "thresholds": tuple(row["thresholds"])})


def fit_sets(
    probabilities: npt.ArrayLike,
    targets: npt.ArrayLike,
    coverage: float,
    method: Method = "lac",
    *,
    ids: Sequence[str] = (),
    randomised: bool = False,
    by_class: bool = False,
    penalty: float | None = None,
    kreg: int | None = None,
    seed: int = 0,
) -> SetRule:
    """Gives the rule whose sets hold the true class of new pictures as often as asked.

    Args:
        probabilities: calibrated, `[N, K]`, rows sum to 1.
        targets: `[N]`, 0 … K - 1; negative where the class is unknown, and left out.
        coverage: above 0 and below 1.
        method: see the table above.
        ids: of the pictures, `[N]`; needed where something is drawn by them.
        randomised: see above; not with lac.
        by_class: whether the promise shall hold for each class (Mondrian). Classes with fewer than
            coverage / (1 - coverage) pictures are then in every set.
        penalty, kreg: of RAPS. If not given, they are chosen on a fifth of the pictures, picked by a hash of
            the ids and left out of the calibration; where that is too few, 0.01 beyond rank 5.
        seed: of the draws and of that choice.

    Returns:
        The rule. With too few pictures for the coverage its sets hold all classes, and `reason` says so.

    Raises:
        EighteenError: the probabilities, targets or settings cannot be used; all reasons are named.

    >>> rule = fit_sets([[0.9, 0.1]] * 8 + [[0.4, 0.6]], [0] * 9, 0.9)
    >>> rule.thresholds, sets(rule, [[0.7, 0.3], [0.45, 0.55]]).tolist()
    ((0.6,), [[True, False], [True, True]])
    """
    table, classes = np.asarray(probabilities, np.float64), np.asarray(targets, np.int64)
    tune = method == "raps" and penalty is None
    problems = problems_of(table, classes) + _problems_of_settings(
        method, coverage, randomised, penalty, kreg
    )
    problems += _problems_of_ids(ids, len(table) if table.ndim else 0, needed=randomised or tune)
    if problems:
        raise EighteenError(
            f"prediction sets cannot be fitted: {'; '.join(problems)}. "
            f"Pass probabilities, classes and ids of the same pictures, and settings within their limits."
        )
    known = np.flatnonzero(classes >= 0)
    names = [ids[row] for row in known.tolist()] if ids else []
    draws = draws_of(names, _salt(seed)) if randomised else None
    pictures = _Pictures(table[known], classes[known], draws)
    score, n_tuned = Score(method, penalty or 0.0, kreg or 0), 0
    if tune:
        score, n_tuned, pictures = _tuned(pictures, _tuning_draws(names, seed), coverage)
    groups = _true_scores(pictures, score, by_class)
    thresholds = tuple(threshold_of(group, coverage) for group in groups)
    reason = _reason(coverage, score, thresholds, len(pictures.targets), n_tuned)
    return SetRule(
        method=method,
        coverage=coverage,
        thresholds=thresholds,
        randomised=randomised,
        penalty=score.penalty,
        kreg=score.kreg,
        n=len(pictures.targets),
        n_classes=table.shape[1],
        seed=seed,
        reason=reason,
    )


def sets(
    rule: SetRule, probabilities: npt.ArrayLike, ids: Sequence[str] = (), *, allow_empty: bool = False
) -> Flags:
    """Which classes are in the set of each picture, `[N, K]`.

    Args:
        rule: from `fit_sets`.
        probabilities: of new pictures by the same model, `[N, K]`, rows sum to 1.
        ids: of the pictures, `[N]`; needed by a randomised rule.
        allow_empty: whether a set may have no class at all. If not, it gets the most probable one.

    Raises:
        EighteenError: the probabilities cannot be used, do not fit the rule's classes, or ids are missing.
    """
    table = np.asarray(probabilities, np.float64)
    problems = problems_of(table, n_classes=rule.n_classes)
    problems += _problems_of_ids(ids, len(table) if table.ndim else 0, needed=rule.randomised)
    if problems:
        raise EighteenError(
            f"prediction sets cannot be made: {'; '.join(problems)}. "
            f"Pass probabilities by the model that the rule was fitted with."
        )
    draws = draws_of(ids, _salt(rule.seed)) if rule.randomised else None
    limits = np.array([np.inf if limit is None else limit for limit in rule.thresholds])
    inside = Score(rule.method, rule.penalty, rule.kreg).of(table, draws) <= limits
    if not allow_empty:
        best = table.round(DECIMALS)
        inside |= ~inside.any(axis=1, keepdims=True) & (best == best.max(axis=1, keepdims=True))
    return np.asarray(inside)


def expected_coverage_interval(
    n_calibration: int, n_test: int, coverage: float, confidence: float = 0.95, repeats: int = 1
) -> Interval:
    """Where the share of test pictures whose true class is in the set falls with that confidence.

    Exact if calibration and test pictures come from one place, scores have no ties, and sets may be empty;
    the number of test pictures covered is then beta-binomial, whatever the model.

    Args:
        n_calibration: `rule.n`.
        n_test: test pictures.
        coverage: as asked, above 0 and below 1.
        confidence: of the interval, 0 … 1.
        repeats: number of random divisions into calibration and test pictures whose mean is looked at. They
            are independent even if all divide the same pictures.

    Returns:
        The ends, 0 … 1; (1, 1) where the calibration pictures are too few, (0, 1) without test pictures.

    >>> low, high = expected_coverage_interval(1000, 5000, 0.9)
    >>> round(low, 3), round(high, 3)
    (0.879, 0.92)
    """
    from scipy.stats import betabinom  # takes half a second to import

    place = place_of(n_calibration, coverage)
    if n_test < 1:
        return 0.0, 1.0
    if place > n_calibration:
        return 1.0, 1.0
    chances = betabinom.pmf(np.arange(n_test + 1), n_test, place, n_calibration + 1 - place)
    n_sums = n_test * repeats + 1
    # The chances of a sum of independent counts are a convolution, which is a power of the transform.
    sums = np.fft.irfft(np.fft.rfft(chances, n_sums) ** repeats, n_sums)
    up_to = np.cumsum(sums)
    low, high = np.searchsorted(up_to, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low / (n_sums - 1)), float(min(high, n_sums - 1) / (n_sums - 1))


@dataclass(frozen=True, eq=False)
class _Pictures:
    """Pictures of known class: probabilities `[n, K]`, targets `[n]`, and draws `[n]` where there are any."""

    probabilities: Floats
    targets: Ints
    draws: Floats | None

    def taken(self, rows: Flags) -> _Pictures:
        draws = None if self.draws is None else self.draws[rows]
        return _Pictures(self.probabilities[rows], self.targets[rows], draws)


def _salt(seed: int) -> str:
    return f"draw {seed}"


def _tuning_draws(ids: Sequence[str], seed: int) -> Floats:
    # Another set of pictures picks others, so that none is always spared where one pool is divided often.
    whole = hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()
    return draws_of(ids, f"tuning {seed} {whole}")


def _tuned(pictures: _Pictures, draws: Floats, coverage: float) -> tuple[Score, int, _Pictures]:
    """The score of RAPS, on how many pictures it was chosen, and the pictures that are left."""
    spared = kept_for_tuning(draws, coverage)
    if not spared.any():
        return FALLBACK, 0, pictures
    some, rest = pictures.taken(spared), pictures.taken(~spared)
    score = tuned(some.probabilities, some.targets, some.draws, coverage, len(rest.targets))
    return score, len(some.targets), rest


def _true_scores(pictures: _Pictures, score: Score, by_class: bool) -> list[Floats]:
    """Scores of the true classes, all together or class by class."""
    targets, n_classes = pictures.targets, pictures.probabilities.shape[1]
    scores = score.of(pictures.probabilities, pictures.draws)[np.arange(len(targets)), targets]
    return [scores[targets == k] for k in range(n_classes)] if by_class else [scores]


def _reason(coverage: float, score: Score, thresholds: tuple[float | None, ...], n: int, n_tuned: int) -> str:
    least, fitted = fewest(coverage), f"fitted on {n:,} pictures"
    if score.method == "raps":
        fitted += f", penalty {score.penalty:g} beyond rank {score.kreg}"
        fitted += f" chosen on {n_tuned:,} others" if n_tuned else ""
    missing = thresholds.count(None)
    if not missing:
        return fitted
    if len(thresholds) == 1:
        return (
            f"{fitted}: too few for sets that hold the true class with a chance of {coverage:g}, which takes "
            f"{least} or more, so every set holds all classes"
        )
    return (
        f"{fitted}: {missing} of {len(thresholds)} classes have fewer than the {least} pictures that a "
        f"chance of {coverage:g} takes, and are in every set"
    )


def _problems_of_settings(
    method: str, coverage: float, randomised: bool, penalty: float | None, kreg: int | None
) -> list[str]:
    problems = []
    if method not in _METHODS:
        problems.append(f"the method is '{method}', expected one of {', '.join(_METHODS)}")
    if not 0 < coverage < 1:
        problems.append(f"the coverage is {coverage}, expected above 0 and below 1, such as 0.95")
    if randomised and method == "lac":
        problems.append("lac was asked to be randomised, but has nothing to draw; expected aps or raps")
    given = [number for number in (penalty, kreg) if number is not None]
    if given and method != "raps":
        problems.append(f"a penalty or kreg was given with {method}, expected with raps alone")
    if len(given) == 1 or not all(np.isfinite(number) and number >= 0 for number in given):
        problems.append(f"penalty is {penalty} and kreg {kreg}, expected both, 0 or more, or neither")
    return problems


def _problems_of_ids(ids: Sequence[str], n: int, *, needed: bool) -> list[str]:
    if len(ids) == n or (not ids and not needed):
        return []
    return [f"{len(ids)} ids were given for {n} pictures, expected one each"]
