"""How many pictures could tell.

In come an observed difference, how often the models disagree and how its variance is made up; out goes how
many pictures, and if need be how many trainings, make a verdict likely (80 %) if things are as they look:
either that the difference is not 0, or that it stays within the margin, whichever takes less.

Sources: Connor, Biometrics 43 (1987) for pictures of a McNemar test; Julious, Statistics in Medicine 23
(2004) for showing equivalence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from scipy.optimize import brentq

from eighteen.measuring._paired_draws import Spread

POWER = 0.8
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Enough:
    """What it takes.

    Attributes:
        images: number of pictures.
        seeds: number of trainings of each model; None where those at hand will do.
    """

    images: int
    seeds: int | None


def mcnemar_images(difference: float, discordant: float, quantile: float = 1.959964) -> float:
    """Gives the number of pictures with which McNemar's test finds a difference 8 times out of 10.

    (q · sqrt(p) + 0.84 · sqrt(p - d²))² / d², and not fewer than six discordant pictures: the exact test
    cannot find anything with five.

    Args:
        difference: d, in accuracy, not 0.
        discordant: p, share of pictures that just one of the models gets right, at least |d|.
        quantile: q, of the test's level.

    >>> round(mcnemar_images(0.02, 0.08))
    1567
    """
    found = math.sqrt(max(0.0, discordant - difference**2))
    arm = quantile * math.sqrt(discordant) + _NORMAL.inv_cdf(POWER) * found
    return max(arm**2 / difference**2, 6 / discordant)


def enough(
    difference: float, margin: float, n: int, discordant: float, worth: float, spread: Spread
) -> Enough:
    """Gives what would have told.

    Where seeds leave pictures less than half of the variance that a verdict allows, it takes more trainings,
    until half is left. Where either verdict could come, it comes more often than 8 times out of 10.

    Args:
        difference: observed, second minus first.
        margin: above 0.
        n: pictures at hand.
        discordant: share of pictures that just one of the models gets right; of another metric than accuracy,
            the mean square of what a picture adds to the difference.
        worth: number of independent pictures, seen by one training each, that one picture is worth.
        spread: variance of the difference.

    Returns:
        More pictures than there are, or more trainings, or both.
    """
    seen, share = abs(difference), max(discordant, abs(difference), 1 / (n + 2))
    least = min((each.trainings for each in spread.luck), default=1.0)
    # Student's t is wider than the normal quantile of this first guess, so it starts below what is needed
    trainings = max(least, math.floor(least * 2 * spread.seeds / _most_allowed(seen, margin, share)))
    while True:
        planned = spread.with_trainings(trainings / least)
        needed = [
            math.ceil(way.images / worth / (1 - planned.seeds / way.allowed))
            for way in _ways(seen, margin, share, planned.quantile(0.95), planned.quantile(0.9))
            if 2 * planned.seeds <= way.allowed
        ]
        if needed and trainings == least:
            return Enough(max(n + 1, min(needed)), None)
        if needed:
            return Enough(max(n, min(needed)), int(trainings))
        trainings += 1


@dataclass(frozen=True)
class _Way:
    images: float  # independent pictures, seen by one training each
    allowed: float  # variance of the difference with which it works


def _ways(seen: float, margin: float, share: float, two_sided: float, one_sided: float) -> list[_Way]:
    ways = []
    if seen > 0:
        allowed = (seen / (two_sided + _NORMAL.inv_cdf(POWER))) ** 2
        ways.append(_Way(mcnemar_images(seen, share, two_sided), allowed))
    if seen < margin:
        allowed = _equivalence_variance(seen, margin, one_sided)
        ways.append(_Way((share - seen**2) / allowed, allowed))
    return ways


def _most_allowed(seen: float, margin: float, share: float) -> float:
    quantiles = (_NORMAL.inv_cdf(0.975), _NORMAL.inv_cdf(0.95))
    return max(way.allowed for way in _ways(seen, margin, share, *quantiles))


def _equivalence_variance(seen: float, margin: float, quantile: float) -> float:
    # With which both one-sided tests reject together often enough
    near, far = 1 - seen / margin, 1 + seen / margin

    def excess(precision: float) -> float:
        rejected = (_NORMAL.cdf(precision * arm - quantile) for arm in (near, far))
        return sum(rejected) - 1 - POWER

    return (margin / brentq(excess, 0, (quantile + 3) / near)) ** 2
