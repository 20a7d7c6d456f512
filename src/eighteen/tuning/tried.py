"""What became of each practice of a climb, and where the climb ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from eighteen.core.measures import Measure
from eighteen.core.recipe import Recipe
from eighteen.measuring.verdicts import NO_TIME

KEPT = "kept"
UNTOLD = "could not be told apart"
HURTS = "hurts"
BEATEN = "kept in the climb, whose end the default beat"
FAILED_ANEW = "kept in the climb, whose end failed when it was trained anew"


@dataclass(frozen=True)
class Tried:
    """What became of a rung.

    Attributes:
        name, title: of the rung.
        kept: whether it stays.
        difference: in the metric, with the practice minus without, at the corrected level, on the folds that
            it was tried on; None where it was not tried.
        verdict: in words.
        minutes: that its trainings took.
        folds: that it was tried on.
        round: from 1; 0 where it was not tried.
        before: value of the metric without it, on the folds that it was tried on.
    """

    name: str
    title: str
    kept: bool
    difference: Measure | None
    verdict: str
    minutes: float
    folds: int = 0
    round: int = 0
    before: float | None = None

    def to_json(self) -> dict[str, Any]:
        made = None if self.difference is None else self.difference.to_json()
        return {**vars(self), "difference": made}


@dataclass(frozen=True, eq=False)
class Climbed:
    """Where a climb ended.

    Attributes:
        recipe: with everything that was kept.
        rungs: the last word on each, those that were kept first and in the order of keeping.
    """

    recipe: Recipe
    rungs: tuple[Tried, ...]

    def given_up(self, default: Recipe, verdict: str) -> Climbed:
        """With the default as its end, so that nothing is kept of what had been."""
        rows = (replace(row, kept=False, verdict=verdict) if row.kept else row for row in self.rungs)
        return Climbed(default, tuple(rows))


def seen_on(row: Tried, why: str) -> str:
    """The verdict on a rung that did not come through all folds.

    >>> seen_on(Tried("mixup", "mixup", False, None, UNTOLD, 1.0, folds=1, round=1), "set aside")
    'could not be told apart, set aside after 1 fold'
    """
    if row.verdict == HURTS:
        return HURTS
    return f"{UNTOLD}, {why} after {row.folds} fold{'s' if row.folds > 1 else ''}"


def kept_words(rows: Sequence[Tried]) -> str:
    """What a climb found, in a sentence or two."""
    kept = [row.title for row in rows if row.kept]
    tried = sum(row.round > 0 for row in rows)
    waiting = sum(row.verdict == NO_TIME for row in rows)
    untried = f" For {waiting} more no time was left." if waiting else ""
    beaten = [row.title for row in rows if row.verdict in (BEATEN, FAILED_ANEW)]
    if beaten:
        return f"The climb had kept {', '.join(beaten)}, but the default recipe is the better end.{untried}"
    if not tried:
        return f"No practice could be tried on these pictures.{untried}"
    if not kept:
        return f"Of {tried} practices, none could be told apart from doing without.{untried}"
    rest = tried - len(kept)
    told = f" The rest ({rest}) could not be told apart, or hurts." if rest else ""
    return f"What helps here: {', '.join(kept)}.{told}{untried}"
