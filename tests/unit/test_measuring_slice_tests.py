"""The statistics behind slices: against scipy, a published example, definitions and simulations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact

from eighteen.measuring._slice_tests import chance_of_so_bad, difference, holm, share


def test_p_is_that_of_fishers_exact_test() -> None:
    for seed in range(20):
        generator = np.random.default_rng(seed)
        right, inside = generator.random(90) < 0.8, generator.random(90) < 0.3
        table = [[int((right & inside).sum()), int((~right & inside).sum())]]
        table += [[int((right & ~inside).sum()), int((~right & ~inside).sum())]]
        p, method = chance_of_so_bad(right, inside, np.arange(90))
        assert p == pytest.approx(fisher_exact(table, alternative="less")[1], abs=1e-12)
        assert method == "Fisher's exact test, one-sided"


def test_copies_of_pictures_add_no_certainty() -> None:
    generator = np.random.default_rng(9)
    inside = np.arange(120) < 40
    right = generator.random(120) < np.where(inside, 0.75, 0.9)
    single, _ = chance_of_so_bad(right, inside, np.arange(120))
    copied, _ = chance_of_so_bad(np.repeat(right, 6), np.repeat(inside, 6), np.repeat(np.arange(120), 6))
    as_if_new, _ = chance_of_so_bad(np.repeat(right, 6), np.repeat(inside, 6), np.arange(720))
    assert as_if_new < single / 100
    assert single <= copied < 20 * single
    alone = share(right, np.arange(120), 120, 0.95)
    grouped = share(np.repeat(right, 6), np.repeat(np.arange(120), 6), 720, 0.95)
    assert alone.low is not None and grouped.low is not None
    assert grouped.low == pytest.approx(alone.low, abs=0.005)


def test_a_slice_in_one_group_tells_nothing_about_others() -> None:
    groups, right = np.repeat(np.arange(10), 30), np.repeat(np.arange(10) > 0, 30)
    p, _ = chance_of_so_bad(right, groups == 0, groups)
    assert p == 1
    measure = share(right[groups == 0], groups[groups == 0], 30, 0.95)
    assert (measure.low, measure.value, measure.high) == (0, 0, 1)


def test_shares_of_groups_hold_the_truth() -> None:
    held = 0
    for seed in range(400):
        generator = np.random.default_rng(seed)
        groups, skill = generator.integers(0, 25, 150), generator.beta(4.0, 1.0, 25)
        measure = share(generator.random(150) < skill[groups], groups, 150, 0.95)
        assert measure.low is not None and measure.high is not None
        held += measure.low <= 0.8 <= measure.high
    assert held >= 0.92 * 400


def test_difference_equals_newcombes_published_example() -> None:
    unit = np.arange(80)
    first = share(np.arange(70) < 56, unit[:70], 70, 0.95)
    second = share(unit < 48, unit, 80, 0.95)
    found = difference(first, second, 0.95)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_holm_stops_at_the_first_chance_that_is_too_large() -> None:
    for seed in range(20):
        chances = np.random.default_rng(seed).beta(0.3, 1, 15)
        chances[3] = chances[7]
        for level in (0.01, 0.05, 0.2):
            rejected = set()
            for step, position in enumerate(np.argsort(chances, kind="stable")):
                if chances[position] * (15 - step) > level:
                    break
                rejected.add(int(position))
            assert set(np.flatnonzero(holm(chances) <= level)) == rejected
    assert holm(np.empty(0)).shape == (0,)
