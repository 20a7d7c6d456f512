"""What RAPS chooses: smaller sets than those of APS in a long tail, and never by luck much larger ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import betabinom

from eighteen.core.predictions import softmax
from eighteen.measuring import _set_thresholds
from eighteen.measuring._set_scores import Score, ranks
from eighteen.measuring.conformal import fit_sets, sets

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def _long_tailed(n: int, seed: int) -> tuple[Floats, Ints, list[str]]:
    """A hundred classes of falling frequency, and probabilities with more or less noise in their tail."""
    generator = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, 101)
    targets = generator.choice(100, n, p=frequency / frequency.sum())
    logits = generator.normal(size=(n, 100)) + np.log(frequency)
    logits[np.arange(n), targets] += generator.choice([2.5, 5.0], n, p=[0.3, 0.7])
    noisy = generator.random((n, 1)) * 0.8
    table = (1 - noisy) * softmax(logits.astype(np.float32)) + noisy * generator.dirichlet(np.ones(100), n)
    return table, targets, [f"{row:05d}.png" for row in range(n)]


def _mean_sizes(coverage: float, n_halves: int, of: dict[str, dict[str, Any]]) -> dict[str, float]:
    table, targets, ids = _long_tailed(4000, seed=6)
    sizes: dict[str, list[float]] = {name: [] for name in of}
    for seed in range(n_halves):
        order = np.random.default_rng(seed).permutation(4000)
        seen, new = order[:2000], order[2000:]
        for name, settings in of.items():
            rule = fit_sets(table[seen], targets[seen], coverage, ids=[ids[row] for row in seen], **settings)
            inside = sets(rule, table[new], [ids[row] for row in new])
            assert inside[np.arange(2000), targets[new]].mean() > coverage - 0.02
            assert "chosen" not in rule.reason or ("chosen on 400 others" in rule.reason and rule.n == 1600)
            sizes[name].append(float(inside.sum(axis=1).mean()))
    return {name: float(np.mean(found)) for name, found in sizes.items()}


@pytest.mark.parametrize("coverage", [0.9, 0.95])
def test_raps_makes_smaller_sets_than_aps_in_a_long_tail(coverage: float) -> None:
    drawn: dict[str, Any] = {"randomised": True}
    given: dict[str, Any] = {"method": "raps", "penalty": 0.005, "kreg": 1}
    sizes = _mean_sizes(
        coverage,
        3,
        {
            "drawn aps": {"method": "aps", **drawn},
            "drawn raps": {"method": "raps", **drawn},
            "drawn raps given": given | drawn,
        },
    )
    assert sizes["drawn raps given"] < sizes["drawn aps"]
    assert sizes["drawn raps"] < 0.8 * sizes["drawn aps"]


def test_tuning_never_makes_sets_much_larger() -> None:
    """Without draws APS has hardly a tail to lose, and raps is calibrated on a fifth fewer pictures."""
    sizes = _mean_sizes(0.9, 10, {"aps": {"method": "aps"}, "raps": {"method": "raps"}})
    assert sizes["raps"] < 1.03 * sizes["aps"]


def test_the_tuned_penalty_makes_the_smallest_sets_over_likely_thresholds() -> None:
    table, targets, _ = _long_tailed(200, seed=7)
    enough = int(np.sort(ranks(table)[np.arange(200), targets])[180])  # place ceil(201 · 0.9) = 181
    chances = betabinom.pmf(np.arange(201), 200, 721, 80)  # place ceil(801 · 0.9) = 721 of 800

    def size(score: Score) -> float:
        scores = score.of(table)
        true = np.sort(scores[np.arange(200), targets])
        return sum(chances[m] * float((scores <= true[m - 1]).sum()) for m in range(1, 201))

    sizes = {
        (penalty, kreg): size(Score("raps", penalty, kreg))
        for penalty in (0.0, 0.001, 0.01, 0.1, 0.2, 0.5)
        for kreg in (1, enough)
    }
    best = _set_thresholds.tuned(table, targets, None, 0.9, 800)
    assert size(best) == pytest.approx(min(sizes.values()), abs=1e-5)
    assert best.penalty > 0 and max(sizes.values()) > 1.05 * size(best)


def test_tuning_needs_pictures_beyond_the_threshold() -> None:
    draws = np.random.default_rng(8).random(1000)
    spared = _set_thresholds.kept_for_tuning(draws, 0.95)
    np.testing.assert_array_equal(spared, draws <= np.sort(draws)[199])
    assert spared.sum() == 200 and not _set_thresholds.kept_for_tuning(draws[:994], 0.95).any()
    table, targets, ids = _long_tailed(300, seed=9)
    rule = fit_sets(table, targets, 0.95, "raps", ids=ids)
    assert (rule.penalty, rule.kreg, rule.n) == (0.01, 5, 300) and "beyond rank 5" in rule.reason
