"""Paired comparisons by simulation: how often verdicts are wrong and right, and what they are made from.

Limits of counts are the 99.9 % quantiles of a binomial around the promised rate.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binom, binomtest, norm

from eighteen.measuring import paired
from eighteen.measuring._paired_draws import SeedLuck, Spread
from eighteen.measuring._paired_intervals import exact_ends, score_ends
from eighteen.measuring._paired_power import enough, mcnemar_images
from eighteen.measuring._paired_rows import Pairs, Side
from eighteen.measuring.intervals import wilson
from eighteen.measuring.scored import Scored

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def pairs_of(first: Flags, second: Flags, unit: Ints | None = None) -> Pairs:
    """The same without tables, for many simulations: which pictures were right, `[M, N]` each."""
    n = first.shape[1]
    units = np.arange(n) if unit is None else np.unique(unit, return_inverse=True)[1]
    none, one_class = np.zeros(n, dtype=np.int64), np.ones((n, 1))
    seed = int(first.sum()) * n + int(second.sum())
    scored = Scored(none, none, one_class, units, int(units.max()) + 1, n, ("a",), seed)
    sides = [
        Side(tuple(range(len(right))), right, np.where(right, 0.1, 2.0), np.where(right, 0, 1))
        for right in (first, second)
    ]
    return Pairs(scored, sides[0], sides[1], ())


def trained(
    generator: np.random.Generator,
    n: int,
    trainings: int,
    unit: Ints | None = None,
    seed_sd: float = 0.0,
    accuracy: float = 0.9,
) -> tuple[Flags, Flags]:
    """Two recipes of equal accuracy.

    Whether a picture is right depends on how hard it and its group are, for everyone and for the recipe, on
    the luck of the training as a whole (`seed_sd`, in accuracy), and on that of the training with it.
    """
    units = np.arange(n) if unit is None else unit
    shared, own, single, grouped = 1.0, 0.5, 0.5, 0.0 if unit is None else 0.7
    spread = math.sqrt(shared**2 + own**2 + single**2 + 2 * grouped**2)
    level = float(norm.ppf(accuracy)) * spread

    def hardness(size: float) -> npt.NDArray[np.float64]:
        by_group = grouped * generator.normal(size=int(units.max()) + 1)[units]
        return np.asarray(size * generator.normal(size=n) + by_group)

    everyone = hardness(shared)

    def side() -> Flags:
        luck = generator.normal(size=(trainings, 1)) * seed_sd / norm.pdf(norm.ppf(accuracy)) * spread
        noise = single * generator.normal(size=(trainings, n))
        return np.asarray(everyone + hardness(own) + luck + noise + level > 0)

    return side(), side()


def discordant_pair(generator: np.random.Generator, n: int, first: float, second: float) -> Pairs:
    """Independent pictures: with these chances only the first or only the second is right."""
    drawn = generator.random(n)
    only_first, only_second = drawn < first, (drawn >= first) & (drawn < first + second)
    both = generator.random(n) < 0.9
    return pairs_of((only_first | both & ~only_second)[None], (only_second | both & ~only_first)[None])


def wrong(verdicts: Counter[str]) -> int:
    return verdicts["helps"] + verdicts["hurts"]


# How often verdicts are wrong -----------------------------------------------------------------------


def _equal_models(n: int, grouped: bool, times: int) -> Counter[str]:
    generator, found = np.random.default_rng(n + grouped), Counter[str]()
    for _ in range(times):
        shares = generator.lognormal(size=n // 8)
        unit = np.sort(generator.choice(n // 8, n, p=shares / shares.sum())) if grouped else None
        first, second = trained(generator, n, 1, unit)
        found[paired._compare(pairs_of(first, second, unit), 0.01, 200).verdict] += 1
    return found


def test_equal_models_seldom_help_or_hurt() -> None:
    times, total = 200, 0
    for n in (200, 1000):
        for grouped in (False, True):
            found = wrong(_equal_models(n, grouped, times))
            assert found <= binom.ppf(0.999, times, 0.05), (n, grouped)
            total += found
    # All four together: 7.5 % of 800 at most, where 5 % are promised
    assert 0 < total <= binom.ppf(0.999, 4 * times, 0.05)


@pytest.mark.parametrize("found", [*range(1, 60), 100, 400, 1601])
def test_equal_models_are_told_apart_at_most_five_times_in_a_hundred_exactly(found: int) -> None:
    n = 4 * found
    rejected = [second for second in range(found + 1) if exact_ends(found - second, second, n)[0] > 0]
    rejected += [second for second in range(found + 1) if exact_ends(found - second, second, n)[1] < 0]
    assert np.sum(binom.pmf(rejected, found, 0.5)) <= 0.05
    # Just where the exact McNemar test rejects
    assert set(rejected) == {k for k in range(found + 1) if binomtest(k, found).pvalue < 0.05}


def test_groups_that_are_wrong_together_do_not_count_as_pictures() -> None:
    generator, by_picture, by_group, times = np.random.default_rng(0), 0, 0, 150
    unit = np.repeat(np.arange(40), 10)
    for _ in range(times):
        first, second = (generator.random((1, 40)) < 0.8 for _ in range(2))
        first, second = first[:, unit], second[:, unit]
        by_picture += wrong(Counter([paired._compare(pairs_of(first, second), 0.01, 200).verdict]))
        by_group += wrong(Counter([paired._compare(pairs_of(first, second, unit), 0.01, 200).verdict]))
    assert by_picture > 0.4 * times
    assert by_group <= binom.ppf(0.999, times, 0.05)


@pytest.mark.parametrize("seed_sd", [0.003, 0.01])
def test_recipes_that_differ_by_luck_of_seeds_seldom_help_or_hurt(seed_sd: float) -> None:
    generator, times, alone, several = np.random.default_rng(3), 150, 0, 0
    for _ in range(times):
        first, second = trained(generator, 1000, 3, seed_sd=seed_sd)
        several += wrong(Counter([paired._compare(pairs_of(first, second), 0.01, 200).verdict]))
        if seed_sd == 0.01:
            once = pairs_of(first[:1], second[:1])
            alone += wrong(Counter([paired._compare(once, 0.01, 200).verdict]))
    assert several <= binom.ppf(0.999, times, 0.05)
    if seed_sd == 0.01:
        # The simulation has luck enough: by one seed each, recipes would often be judged wrongly
        assert alone > 0.12 * times and several < alone / 2


def test_a_difference_of_the_margin_is_seldom_called_none() -> None:
    generator, times, missed = np.random.default_rng(4), 150, 0
    for _ in range(times):
        pairs = discordant_pair(generator, 4000, 0.02, 0.03)
        missed += paired._compare(pairs, 0.01, 200).verdict == "no difference that matters"
    assert missed <= binom.ppf(0.999, times, 0.05)


# How often verdicts are right -----------------------------------------------------------------------


def _formula_power(difference: float, discordant: float, n: int) -> float:
    # Connor, Biometrics 43 (1987)
    shift = abs(difference) * math.sqrt(n) - 1.959964 * math.sqrt(discordant)
    return float(norm.cdf(shift / math.sqrt(discordant - difference**2)))


def _exact_power(first: float, second: float, n: int) -> float:
    # Of the exact test: over all numbers of discordant pictures, and the splits of them that it rejects
    power = 0.0
    for found in range(n + 1):
        chance = binom.pmf(found, n, first + second)
        if chance > 1e-9:
            fewest = int(binom.isf(0.025, found, 0.5)) + 1
            power += chance * binom.sf(fewest - 1, found, second / (first + second))
    return float(power)


def test_a_gain_of_two_points_is_found_as_often_as_theory_says() -> None:
    generator, times, found = np.random.default_rng(5), 250, 0
    for _ in range(times):
        found += paired._compare(discordant_pair(generator, 2000, 0.03, 0.05), 0.01, 500).verdict == "helps"
    exact, formula = _exact_power(0.03, 0.05, 2000), _formula_power(0.02, 0.08, 2000)
    assert 0.85 < exact < formula < 0.9 and formula - exact < 0.02
    assert abs(found / times - exact) < 3 * math.sqrt(exact * (1 - exact) / times)


def test_images_needed_are_those_of_the_formula() -> None:
    for difference, discordant in ((0.02, 0.08), (0.05, 0.1), (0.01, 0.02)):
        n = math.ceil(mcnemar_images(difference, discordant))
        assert _formula_power(difference, discordant, n) == pytest.approx(0.8, abs=0.001)
    assert mcnemar_images(1.0, 1.0) == 6
    assert [binomtest(k, k).pvalue < 0.05 for k in (5, 6)] == [False, True]
    # Half as many pictures as it takes for 3 points
    first, second = (np.ones((1, 400), dtype=bool) for _ in range(2))
    first[:, :22], second[:, 22:32] = False, False
    found = paired._compare(pairs_of(first, second), 0.01, 2000)
    assert (found.verdict, found.only_first, found.only_second) == ("cannot tell", 10, 22)
    assert found.images_needed == pytest.approx(mcnemar_images(0.03, 0.08), rel=0.01)


@pytest.mark.parametrize(("difference", "margin"), [(0.03, 0.01), (0.0, 0.02), (0.012, 0.03)])
def test_images_needed_would_tell(difference: float, margin: float) -> None:
    spread = Spread(0.08 / 100, 10**9, ())
    n = enough(difference, margin, 100, 0.08, 1.0, spread).images
    generator, times, told = np.random.default_rng(6), 100, 0
    for _ in range(times):
        pairs = discordant_pair(generator, n, 0.04 - difference / 2, 0.04 + difference / 2)
        told += paired._compare(pairs, margin, 400).verdict != "cannot tell"
    assert told >= binom.ppf(0.001, times, 0.8)
    if difference in (0.0, 0.03):
        # Only one of the two verdicts can come; where either can, more are told
        assert told <= binom.ppf(0.999, times, 0.8)


def test_images_needed_count_groups() -> None:
    generator = np.random.default_rng(7)
    first, second = (generator.random((1, 60)) < chance for chance in (0.8, 0.85))
    unit = np.repeat(np.arange(60), 10)
    single = paired._compare(pairs_of(first, second), 0.01, 2000)
    tenfold = paired._compare(pairs_of(first[:, unit], second[:, unit], unit), 0.01, 2000)
    assert single.verdict == tenfold.verdict == "cannot tell" and tenfold.n_units == 60
    assert single.images_needed is not None and tenfold.images_needed is not None
    assert tenfold.images_needed / 10 == pytest.approx(single.images_needed, rel=0.1)


def test_where_seeds_hide_a_difference_more_of_them_are_asked_for() -> None:
    wild = Spread(1e-6, 10_000, (SeedLuck(1e-4, 1e-4, 3), SeedLuck(1e-4, 1e-4, 3)))
    needed = enough(0.02, 0.01, 10_000, 0.01, 1.0, wild)
    assert needed.seeds is not None and needed.images == 10_000
    # Half of the variance that (2.0 + 0.84) standard deviations allow, from 2e-4 with three seeds
    assert needed.seeds == pytest.approx(3 * 2e-4 / (0.5 * (0.02 / 2.84) ** 2), rel=0.05)
    calm = Spread(1e-4, 10_000, (SeedLuck(0.0, 1e-6, 3), SeedLuck(0.0, 1e-6, 3)))
    assert enough(0.02, 0.01, 1000, 0.1, 1.0, calm).seeds is None


def test_luck_of_seeds_and_of_pictures_are_kept_apart() -> None:
    generator, sds = np.random.default_rng(8), []
    for seed_sd in (0.0, 0.03):
        first, second = trained(generator, 4000, 20, seed_sd=seed_sd)
        found = paired._compare(pairs_of(first, second), 0.01, 500)
        assert found.image_sd is not None and found.seed_sd is not None
        # Given the trainings, only the pictures are drawn
        gain = second.mean(axis=0) - first.mean(axis=0)
        assert found.image_sd == pytest.approx(gain.std() / math.sqrt(4000), rel=0.1)
        sds.append(found.seed_sd)
    assert sds[0] < 0.001 and sds[1] == pytest.approx(0.03 * math.sqrt(2 / 20), rel=0.4)


def test_score_interval_is_tangos() -> None:
    # Tango 1998: 1 discordant picture of 44; and without any it is Wilson's for none of n
    low, high = score_ends(np.array([1.0, 0.0]), np.array([0.0, 0.0]), np.array([44.0, 30.0]))
    assert (low[0], high[0]) == (pytest.approx(-0.1181, abs=1e-4), pytest.approx(0.0594, abs=1e-4))
    assert (-low[1], high[1]) == (pytest.approx(wilson(0, 30)[1]), pytest.approx(wilson(0, 30)[1]))
    # At its ends the score is z: with the likeliest share of discordant pictures, found by search
    only_first, only_second, n = 7.0, 15.0, 90.0
    ends = score_ends(np.array([only_first]), np.array([only_second]), np.array([n]))
    for end in (float(ends[0][0]), float(ends[1][0])):
        rare = np.linspace(max(0.0, -end) + 1e-9, (1 - end) / 2 - 1e-9, 200_001)
        likelihood = only_first * np.log(rare) + only_second * np.log(rare + end)
        likelihood += (n - only_first - only_second) * np.log(1 - 2 * rare - end)
        variance = (2 * rare[likelihood.argmax()] + end * (1 - end)) / n
        assert abs((only_second - only_first) / n - end) / math.sqrt(variance) == pytest.approx(
            1.96, abs=1e-3
        )
