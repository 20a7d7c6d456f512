"""Intervals: against scipy, at the ends of the range, and how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_auc_score

from eighteen.measuring.intervals import (
    auroc_intervals,
    bootstrap_interval,
    effective_count,
    f1_intervals,
    interval_of_mean,
    studentised_interval,
    wilson,
)
from eighteen.measuring.resampling import affordable_resamples, resampled_sums, unit_sums


def _one(value: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([value], dtype=np.float64)


@pytest.mark.parametrize("n", [1, 2, 7, 60, 1000])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_wilson_equals_scipy(n: int, confidence: float) -> None:
    hits = np.unique(np.linspace(0, n, 8).astype(int))
    low, high = wilson(hits, np.full(len(hits), n), confidence)
    for position, count in enumerate(hits):
        expected = binomtest(int(count), n).proportion_ci(confidence, method="wilson")
        assert low[position] == pytest.approx(expected.low, abs=1e-9)
        assert high[position] == pytest.approx(expected.high, abs=1e-9)
        assert low[position] <= count / n <= high[position]


def test_wilson_of_nothing_is_the_whole_range() -> None:
    low, high = wilson(0, 0)
    assert (float(low), float(high)) == (0.0, 1.0)


def test_wilson_holds_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    for truth in (0.5, 0.9, 0.97):
        low, high = wilson(generator.binomial(60, truth, 4000), np.full(4000, 60))
        assert 0.92 <= ((low <= truth) & (truth <= high)).mean() <= 0.98


def test_few_groups_are_worth_fewer_images() -> None:
    worth = effective_count(100, [1, 2, 5, 50, 100_000])
    assert worth[0] == 0
    assert np.all(np.diff(worth) > 0)
    assert worth[-1] == pytest.approx(100, rel=1e-3)


def test_perfect_scores_do_not_shrink_to_a_point() -> None:
    low, high = f1_intervals(_one(30), _one(30), _one(30), _one(30))
    assert low[0] < 0.96 and high[0] == 1
    low, high = auroc_intervals(_one(1), _one(30), _one(30))
    assert 0.85 < low[0] < 0.99 and high[0] == 1
    low, high = auroc_intervals(_one(0), _one(30), _one(30))
    assert low[0] == 0 and 0.01 < high[0] < 0.15


def test_auroc_interval_solves_its_equation() -> None:
    area, m, n = 0.83, 20.0, 35.0
    low, high = auroc_intervals(_one(area), _one(m), _one(n))
    for end in (low[0], high[0]):
        mean = (m + n) / 2 - 1
        inflation = 1 + mean * (1 - end) / (2 - end) + mean * end / (1 + end)
        variance = end * (1 - end) * inflation / (m * n)
        assert abs(area - end) == pytest.approx(norm.ppf(0.975) * np.sqrt(variance), abs=1e-9)


def test_auroc_interval_holds_the_truth() -> None:
    generator = np.random.default_rng(1)
    truth = float(norm.cdf(1.5 / np.sqrt(2)))
    labels = np.repeat([0, 1], [40, 25])
    areas = np.array([roc_auc_score(labels, generator.normal(labels * 1.5, 1)) for _ in range(400)])
    low, high = auroc_intervals(areas, np.full(400, 25.0), np.full(400, 40.0))
    assert ((low <= truth) & (truth <= high)).mean() >= 0.92


def test_interval_of_mean_of_one_value_is_its_own() -> None:
    assert interval_of_mean(_one(0.5), _one(0.25), _one(0.875), shared=True) == (0.25, 0.875)


def test_interval_of_mean_shrinks_with_independent_values() -> None:
    values, lows, highs = np.full(4, 0.5), np.full(4, 0.3), np.full(4, 0.7)
    assert interval_of_mean(values, lows, highs, shared=False) == pytest.approx((0.4, 0.6))
    low, high = interval_of_mean(values, lows, highs, shared=True)
    assert (low, high) == pytest.approx((0.5 - 0.1 * np.sqrt(2), 0.5 + 0.1 * np.sqrt(2)))


def test_bootstrap_takes_its_bias_out() -> None:
    resampled = np.random.default_rng(2).normal(0.3, 0.02, 2000)
    low, high = bootstrap_interval(0.2, resampled, 100_000, (0.0, 1.0))
    assert (low, high) == pytest.approx((0.2 - 1.96 * 0.02, 0.2 + 1.96 * 0.02), abs=0.004)


def test_bootstrap_stays_within_limits_and_one_unit_says_nothing() -> None:
    resampled = np.random.default_rng(2).normal(0.99, 0.2, 500)
    low, high = bootstrap_interval(0.99, resampled, 50, (0.0, 1.0))
    assert low < 0.99 < high == 1.0
    assert bootstrap_interval(0.5, np.full(10, 0.5), 1, (0.0, 2.0)) == (0.0, 2.0)


def test_resampled_sums_are_sums_over_drawn_units() -> None:
    table = np.stack([np.ones(6), np.arange(6.0), np.array([1.0, 1, 1, 0, 0, 0])])
    unit = np.array([0, 0, 0, 1, 1, 1])
    units = unit_sums(csr_array(table), unit, 2)
    sums = resampled_sums(units, 50, seed=7)
    assert np.all(sums[:, 0] == 6)
    assert set(sums[:, 2]) == {0.0, 3.0, 6.0}  # whole units only
    assert np.all(sums[:, 1] == 24 - 3 * sums[:, 2])  # 3 a draw of the first unit, 12 of the second
    np.testing.assert_array_equal(sums, resampled_sums(units, 50, seed=7))
    assert np.any(sums != resampled_sums(units, 50, seed=8))


def test_resampling_has_the_mean_and_spread_of_drawing_with_replacement() -> None:
    losses = np.random.default_rng(3).exponential(size=200)
    sums = resampled_sums(csr_array(losses[None]), 4000, seed=1)[:, 0]
    assert sums.mean() == pytest.approx(losses.sum(), rel=0.01)
    assert sums.std() == pytest.approx(losses.std() * np.sqrt(200), rel=0.05)


def test_fewer_resamples_of_many_images_never_more_than_asked() -> None:
    assert affordable_resamples(10_000, 2000) == 2000
    assert affordable_resamples(400_000, 2000) == 500
    assert affordable_resamples(5_000_000, 2000) == 200
    assert affordable_resamples(5_000_000, 100) == 100


def test_bootstrap_t_follows_the_skew_of_a_mean() -> None:
    generator = np.random.default_rng(5)
    losses = generator.exponential(size=30)
    influence = (losses - losses.mean()) / 30
    sums = resampled_sums(csr_array(np.stack([influence, influence**2])), 4000, seed=2)
    errors = np.sqrt(sums[:, 1] - sums[:, 0] ** 2 / 30)
    error, limits = float(losses.std() / np.sqrt(30)), (0.0, np.inf)
    low, high = studentised_interval(losses.mean(), error, sums[:, 0], errors, limits=limits)
    assert low < losses.mean() < high
    first, last = bootstrap_interval(losses.mean(), losses.mean() + sums[:, 0], 30, limits)
    skew, skew_of_percentiles = (
        (high - losses.mean()) / (losses.mean() - low),
        (last - losses.mean()) / (losses.mean() - first),
    )
    assert skew > skew_of_percentiles > 1
    assert studentised_interval(0.5, 0.0, np.zeros(9), np.zeros(9), limits=limits) == (0.5, 0.5)
