"""What a budget of time carries: how many practices a round of a climb may try, and whether one more fits.

Budget is spread by successive halving (Jamieson and Talwalkar 2016): what is tried is tried on the first
fold, the better half of it on the next, and so on. A round offers only as many practices as can go all that
way in the time that is left: a practice that was seen on one fold is evidence for nothing.
"""

from __future__ import annotations

import math
from statistics import median


class Clock:
    """Seconds of training so far, and how many there are."""

    def __init__(self, seconds: float) -> None:
        self.left_s = seconds
        self._spent: list[float] = []

    def spend(self, seconds: float) -> None:
        self.left_s -= seconds
        self._spent.append(seconds)

    def forget(self) -> None:
        """Trainings become shorter from here on: what the earlier ones took says nothing any more."""
        self._spent = []

    @property
    def usual_s(self) -> float:
        """Of one training; 0 before the first. Practices that train twice as long do not move it."""
        return median(self._spent) if self._spent else 0.0

    @property
    def allows_another(self) -> bool:
        return self.left_s >= self.usual_s

    @property
    def trainings_left(self) -> float:
        return self.left_s / self.usual_s if self.usual_s else math.inf


def stages(folds: int) -> tuple[int, ...]:
    """How many folds each stage of the halving has seen.

    >>> stages(5), stages(3), stages(1)
    ((1, 2, 5), (1, 3), (1,))
    """
    counts = [1, *([2] if folds > 3 else []), folds]
    return tuple(dict.fromkeys(counts))


def halving_trainings(rungs: int, folds: int) -> int:
    """Trainings of one round over so many practices, without those of the recipe that they are compared with.

    >>> halving_trainings(6, 3), halving_trainings(1, 5)
    (12, 5)
    """
    count, seen, left = 0, 0, rungs
    for upto in stages(folds):
        count += left * (upto - seen)
        seen, left = upto, math.ceil(left / 2)
    return count


def affordable_rungs(trainings: float, folds: int, rungs: int) -> int:
    """The most practices, of `rungs`, whose round fits into so many trainings.

    >>> affordable_rungs(12, 3, 30), affordable_rungs(2, 3, 30), affordable_rungs(math.inf, 3, 30)
    (6, 0, 30)
    """
    return next((count for count in range(rungs, 0, -1) if halving_trainings(count, folds) <= trainings), 0)
