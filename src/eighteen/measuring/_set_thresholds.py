"""Thresholds of prediction sets, and what RAPS chooses before.

In come scores of true classes on calibration pictures; out goes the score up to which classes are included:
number ceil((n + 1) · coverage), counted upwards. A new picture's score has the same chance of standing at
each of the n + 1 places among them, so that it is at most the threshold with that chance, whatever the
model.

Sources: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005), and Papadopoulos et al.,
ECML 2002, for the threshold; Angelopoulos et al., ICLR 2021, algorithm 4, for RAPS; its appendix
for the table of parameters.
"""

from __future__ import annotations

import math

import numpy as np

from eighteen.measuring._set_scores import Score, ranks
from eighteen.measuring.auroc import Flags
from eighteen.measuring.scored import Floats, Ints

TUNING_FRACTION = 0.2
# 0 is APS. The others are tried by Angelopoulos et al.
PENALTIES = (0.0, 0.001, 0.01, 0.1, 0.2, 0.5)
# Mild enough for any task. In their table of parameters it makes sets of 3.9 classes of ImageNet at 90 %,
# where APS needs 11.2 and the best choice 2.1; a penalty that is too high for a task makes larger sets.
FALLBACK = Score("raps", 0.01, 5)
# With fewer tuning pictures beyond the threshold, luck chooses. In 60 random halves of 2,496 pictures of
# CIFAR-10, 249 of them for tuning: at 99 %, with 2.5 beyond it, sets were 8 % larger than those of APS; at 95
# and 90 % (12 and 25) they were as small or smaller, and randomised ones 9 and 16 % smaller.
LEAST_BEYOND = 10


def place_of(n: int, coverage: float) -> int:
    """Which of n scores, counted upwards from 1, is the threshold; n + 1 where n is too small for it.

    >>> place_of(19, 0.95), place_of(18, 0.95)
    (19, 19)
    """
    # Less a trifle, since 20 · 0.95 may come out above 19.
    return math.ceil((n + 1) * coverage - 1e-9)


def fewest(coverage: float) -> int:
    """Fewest pictures with which a threshold can promise the coverage.

    >>> fewest(0.9), fewest(0.95)
    (9, 19)
    """
    return math.ceil(coverage / (1 - coverage) - 1e-9)


def threshold_of(scores: Floats, coverage: float) -> float | None:
    """The threshold, or None where the scores are too few and every class has to be included.

    Args:
        scores: of the true classes, `[n]`.
        coverage: above 0 and below 1.
    """
    place = place_of(len(scores), coverage)
    return None if place > len(scores) else float(np.partition(scores, place - 1)[place - 1])


def kept_for_tuning(draws: Floats, coverage: float) -> Flags:
    """Which pictures RAPS is tuned on and not calibrated on: those with the lowest draws, a fifth.

    None at all where a fifth is too few to choose by.

    Args:
        draws: `[N]`, 0 … 1, by the pictures' ids.
        coverage: above 0 and below 1.
    """
    n = int(len(draws) * TUNING_FRACTION)
    if n * (1 - coverage) < LEAST_BEYOND - 1e-9:
        return np.zeros(len(draws), dtype=np.bool_)
    return np.asarray(draws <= np.partition(draws, n - 1)[n - 1])


def tuned(probabilities: Floats, targets: Ints, draws: Floats | None, coverage: float, n: int) -> Score:
    """The RAPS score that makes the smallest sets on these pictures; of equal ones the smallest penalty.

    Without a penalty are the first rank alone, or the ranks that hold the true class with the coverage asked.
    The threshold will come from n other pictures, and how many of these it covers is beta-binomial: sizes are
    averaged over that. At a single threshold a high penalty looks best by luck: it makes small sets up to
    one rank, and very large ones if the threshold falls just beyond.

    Args:
        probabilities: `[T, K]`, T at least 1.
        targets: `[T]`, 0 … K - 1.
        draws: as in `Score.of`.
        coverage: above 0 and below 1.
        n: calibration pictures, enough for the coverage.
    """
    from scipy.stats import betabinom  # takes half a second to import

    n_rows, place = len(targets), place_of(n, coverage)
    rows = np.arange(n_rows)
    chances = betabinom.pmf(np.arange(1, n_rows + 1), n_rows, place, n + 1 - place)
    enough = threshold_of(ranks(probabilities)[rows, targets].astype(np.float64), coverage)

    def size(score: Score) -> float:
        scores = score.of(probabilities, draws)
        limits = np.sort(scores[rows, targets])  # a threshold that covers 1, 2, … of these pictures
        sizes = np.searchsorted(np.sort(scores, axis=None), limits, side="right")
        return round(float(chances @ sizes), 6)  # rounding must not choose

    kregs = sorted({1, int(enough or 1)})
    candidates = [Score("raps", penalty, kreg) for penalty in PENALTIES for kreg in kregs]
    return min(candidates, key=lambda score: (size(score), score.penalty, score.kreg))
