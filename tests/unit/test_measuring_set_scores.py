"""Scores of prediction sets: by their definition, and sets against those of crepes and mapie."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from eighteen.measuring._set_scores import Method, Score, draws_of, ranks
from eighteen.measuring.conformal import fit_sets, sets
from synthetic import honest, tied

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def _score_by_definition(row: Floats, k: int, u: float, penalty: float, kreg: int) -> float:
    """The sum of higher probabilities, u times that of equal ones, and the penalty of the rank."""
    above = math.fsum(p for p in row if p > row[k])
    equal = math.fsum(p for p in row if p == row[k])
    rank = 1 + sum(p > row[k] for p in row)
    return above + u * equal + penalty * max(0, rank - kreg)


@pytest.mark.parametrize("ties", [False, True])
def test_scores_follow_their_definition(ties: bool) -> None:
    table = tied(60, 5, seed=12)[0] if ties else honest(60, 5, seed=12)[0]
    draws = np.random.default_rng(12).random(60)
    np.testing.assert_allclose(Score("lac").of(table, draws), 1 - table, atol=1e-12)
    for penalty, kreg in ((0.0, 0), (0.3, 2)):
        score = Score("raps" if penalty else "aps", penalty, kreg)
        for given in (draws, None):
            expected = [
                [
                    _score_by_definition(row, k, 0.0 if given is None else given[n], penalty, kreg)
                    for k in range(5)
                ]
                for n, row in enumerate(table)
            ]
            np.testing.assert_allclose(score.of(table, given), expected, atol=1e-11)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_sets_are_those_of_crepes(coverage: float, ties: bool) -> None:
    """The peer turns scores into p-values; the scores are those by definition."""
    base = pytest.importorskip("crepes.base")
    n = 97  # (n + 1) · (1 - coverage) is not whole: the peer counts p = 1 - coverage as inside
    table, targets = tied(n + 60, 5, seed=13) if ties else honest(n + 60, 5, seed=13)[:2]
    ids = [str(row) for row in range(len(table))]
    for penalty, kreg, randomised in ((0.0, 0, False), (0.0, 0, True), (0.2, 1, False), (0.2, 1, True)):
        draws = draws_of(ids, "draw 0") if randomised else np.zeros(len(ids))
        scores = np.array(
            [
                [_score_by_definition(row, k, draws[number], penalty, kreg) for k in range(5)]
                for number, row in enumerate(table)
            ]
        ).round(10)
        p = base.p_values_batch(scores[:n][np.arange(n), targets[:n]], scores[n:], smoothing=False)
        method: Method = "raps" if penalty else "aps"
        given: dict[str, Any] = {"penalty": penalty, "kreg": kreg} if penalty else {}
        rule = fit_sets(table[:n], targets[:n], coverage, method, ids=ids[:n], randomised=randomised, **given)
        inside = sets(rule, table[n:], ids[n:], allow_empty=True)
        np.testing.assert_array_equal(inside, p >= 1 - coverage)
        assert 0 < inside.mean() < 1


class _GivenDraws(np.random.RandomState):
    """Hands out the draws that are asked for, told apart by their number."""

    def __init__(self, *draws: Floats) -> None:
        super().__init__(0)
        self.draws = {len(values): values for values in draws}

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return self.draws[int(np.prod(size))].reshape(size)


def _sets_of_mapie(
    seen: Floats, targets: Ints, new: Floats, coverage: float, method: str, *, draws: Any, last: Any
) -> Flags:
    classification = pytest.importorskip("mapie.classification")
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        """A model whose features are its probabilities."""

        def __init__(self, n_classes: int = 2) -> None:
            self.n_classes = n_classes
            self.classes_ = np.arange(n_classes)
            self.n_features_in_ = n_classes

        def fit(self, x: Any, y: Any) -> Any:
            return self

        def predict_proba(self, x: Any) -> Any:
            return np.asarray(x)

        def predict(self, x: Any) -> Any:
            return np.asarray(x).argmax(axis=1)

        def __sklearn_is_fitted__(self) -> bool:
            return True

    peer = classification.SplitConformalClassifier(
        Given(seen.shape[1]), confidence_level=coverage, conformity_score=method, random_state=draws
    )
    peer.conformalize(seen, targets)
    found = peer.predict_set(new, {"include_last_label": last})[1]
    return np.asarray(found[:, :, 0], dtype=np.bool_)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("ties", [False, True])
def test_lac_sets_are_those_of_mapie(ties: bool, coverage: float) -> None:
    table, targets = tied(250, 5, seed=14) if ties else honest(250, 5, seed=14)[:2]
    targets[:5] = np.arange(5)  # the peer wants to see all classes
    peer = _sets_of_mapie(table[:150], targets[:150], table[150:], coverage, "lac", draws=0, last=True)
    rule = fit_sets(table[:150], targets[:150], coverage)
    np.testing.assert_array_equal(sets(rule, table[150:], allow_empty=True), peer)
    assert 0 < peer.mean() < 1


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("ties", [False, True])
def test_aps_sets_are_those_of_mapie(ties: bool, coverage: float) -> None:
    """Ties are equal rows here: among equal classes the peer takes one order, we take all."""
    table, targets, ids = honest(250, 5, seed=15)
    if ties:
        generator = np.random.default_rng(15)
        table = generator.permuted(np.tile([0.45, 0.25, 0.15, 0.1, 0.05], (250, 1)), axis=1)
        targets = np.minimum((table.cumsum(axis=1) < generator.random((250, 1))).sum(axis=1), 4)
    targets[:5] = np.arange(5)
    draws = draws_of(ids, "draw 0")
    given = _GivenDraws(1 - draws[:150], 1 - draws[150:])  # the peer takes off what we add
    peer = _sets_of_mapie(
        table[:150], targets[:150], table[150:], coverage, "aps", draws=given, last="randomized"
    )
    rule = fit_sets(table[:150], targets[:150], coverage, "aps", ids=ids[:150], randomised=True)
    np.testing.assert_array_equal(sets(rule, table[150:], ids[150:], allow_empty=True), peer)
    assert 0 < peer.mean() < 1


@pytest.mark.filterwarnings("ignore")
def test_aps_sets_without_draws_are_those_of_mapie_with_the_last_label() -> None:
    table, targets, _ = honest(250, 5, seed=16)
    targets[:5] = np.arange(5)
    given = _GivenDraws(np.ones(150), np.ones(100))
    peer = _sets_of_mapie(table[:150], targets[:150], table[150:], 0.9, "aps", draws=given, last=True)
    rule = fit_sets(table[:150], targets[:150], 0.9, "aps")
    np.testing.assert_array_equal(sets(rule, table[150:]), peer)


def test_equal_classes_share_the_best_rank() -> None:
    table = np.array([[0.2, 0.3, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4], [0.25] * 4])
    assert ranks(table).tolist() == [[3, 1, 3, 1], [4, 3, 2, 1], [1, 1, 1, 1]]


def test_draws_look_uniform() -> None:
    draws = np.sort(draws_of([f"{row}.png" for row in range(2000)], "draw 0"))
    assert np.abs(draws - (np.arange(2000) + 0.5) / 2000).max() < 1.63 / math.sqrt(2000)  # Kolmogorov, 1 %
    assert len(np.unique(draws)) == 2000
