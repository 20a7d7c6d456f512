"""The climb itself: which practices stay, decided by paired evidence on the same folds.

In come a starting recipe, the rungs, the folds, and a function that trains without a fold and scores it; out
come what was kept and what every rung was found to bring. Nothing here knows pictures or networks, so that
the decisions can be tested by themselves.

A round offers every rung that is left on top of the recipe so far. Budget is spread by successive halving
(Jamieson and Talwalkar 2016): all rungs are tried on the first fold, the better half of them on the next, and
so on; those that come through have seen all folds. Of them, the one with the best difference is kept if its
interval lies above zero; the others that did so alone are tried again on top of it. Another round follows
where something was kept.

Many rungs are looked at, and some look good by luck. The level of each round's intervals is therefore
corrected: round r may err with probability 5 % / 2^r in all, shared alike by every rung that was tried in it
and every second try (Bonferroni), so that a climb keeps a rung that brings nothing in at most 5 of 100 cases,
as far as the interval of one difference goes: see `measuring.paired` for what it leaves out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from eighteen.core.errors import RecipeError, TrainingError
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.core.progress import Progress
from eighteen.core.recipe import Recipe
from eighteen.evaluating.heldout import Part, together
from eighteen.measuring.metrics import macro_f1
from eighteen.measuring.paired import difference
from eighteen.tuning.rungs import Rung

ERROR = 0.05
"""Chance that a climb keeps anything that brings nothing."""

MOST_ROUNDS = 3
RESAMPLES = 10_000
"""Corrected levels lie far out, where few resamples say little."""

KEPT = "kept"
UNTOLD = "could not be told apart"
HURTS = "hurts"
NO_TIME = "no time was left"


@dataclass(frozen=True, eq=False)
class Scored:
    """What a training said about the part that it did not see, and how long it took."""

    predictions: Predictions
    seconds: float


TryPart = Callable[[str, Part, Recipe], Scored]
"""`try_part(name, part, recipe)`; it may be asked for the same again and should then remember."""

Resolve = Callable[[Recipe], Recipe]
"""The recipe with every value explicit, for these pictures."""


@dataclass(frozen=True)
class Tried:
    """What became of a rung.

    Attributes:
        name, title: of the rung.
        kept: whether it stays.
        difference: in the metric, with the practice minus without, at the corrected level; None where it was
            not tried.
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


class Clock:
    """Seconds of training so far, and how many there are."""

    def __init__(self, seconds: float) -> None:
        self.left_s = seconds
        self.longest_s = 0.0

    def spend(self, seconds: float) -> None:
        self.left_s -= seconds
        self.longest_s = max(self.longest_s, seconds)

    @property
    def allows_another(self) -> bool:
        return self.left_s >= self.longest_s


class Climber:
    """One climb; `climb` does it.

    Args:
        parts: the folds, the same for every recipe.
        try_part: trains and scores.
        resolve: makes a recipe explicit.
        metric: "accuracy", "balanced_accuracy", "macro_f1" or "nll".
        clock: how long it may take.
        progress: told how far it is.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        try_part: TryPart,
        resolve: Resolve,
        metric: str,
        clock: Clock,
        progress: Progress,
    ) -> None:
        self._parts = parts
        self._try_part = try_part
        self._resolve = resolve
        self._metric = metric
        self._sign = -1 if metric == "nll" else 1
        self._clock = clock
        self._progress = progress
        self._known: dict[tuple[str, int], Predictions] = {}
        self._minutes: dict[str, float] = {}

    def climb(self, start: Recipe, rungs: Sequence[Rung]) -> Climbed:
        """Climbs until a round keeps nothing, or time is up."""
        recipe, left, kept = start, list(rungs), list[Tried]()
        last: dict[str, Tried] = {}
        for number in range(1, MOST_ROUNDS + 1):
            recipe, gained, others = self._round(recipe, left, number)
            kept += gained
            last |= {row.name: row for row in others if row.round or row.name not in last}
            names = {row.name for row in gained}
            left = [rung for rung in left if rung.name not in names]
            if not gained or not left or not self._clock.allows_another:
                break
        names = {row.name for row in kept}
        return Climbed(recipe, (*kept, *(row for name, row in last.items() if name not in names)))

    def scored(self, name: str, recipe: Recipe, folds: int) -> Predictions | None:
        """What a recipe says about the first folds; None where there was no time for all of them."""
        found = []
        for part in self._parts[:folds]:
            each = self._one(name, recipe, part)
            if each is None:
                return None
            found.append(each)
        return together(found)

    def _one(self, name: str, recipe: Recipe, part: Part) -> Predictions | None:
        key = recipe.model_dump_json(), part.fold
        if key not in self._known:
            if not self._clock.allows_another:
                return None
            made = self._try_part(name, part, recipe)
            self._clock.spend(made.seconds)
            self._minutes[name] = self._minutes.get(name, 0.0) + made.seconds / 60
            self._known[key] = made.predictions
        return self._known[key]

    def _round(
        self, base: Recipe, rungs: Sequence[Rung], number: int
    ) -> tuple[Recipe, list[Tried], list[Tried]]:
        """The recipe afterwards, what was kept, and what was not."""
        offered, refused = self._offered(base, rungs)
        if not offered:
            return base, [], refused
        # Each rung may be tried twice: alone, and on top of what was kept.
        confidence = 1 - ERROR / 2**number / (2 * len(offered))
        finished, aside = self._halved(base, offered, number, confidence)
        recipe, kept, others = self._kept(base, finished, offered, number, confidence)
        return recipe, kept, [*others, *aside, *refused]

    def _offered(
        self, base: Recipe, rungs: Sequence[Rung]
    ) -> tuple[dict[str, tuple[Rung, Recipe]], list[Tried]]:
        resolved = self._resolve(base)
        offered: dict[str, tuple[Rung, Recipe]] = {}
        refused: list[Tried] = []
        for rung in rungs:
            stepped = _stepped(rung, base, resolved)
            if isinstance(stepped, str):
                refused.append(Tried(rung.name, rung.title, False, None, f"not tried: {stepped}", 0.0))
            else:
                offered[rung.name] = (rung, stepped)
        return offered, refused

    def _halved(
        self, base: Recipe, offered: Mapping[str, tuple[Rung, Recipe]], number: int, confidence: float
    ) -> tuple[list[Tried], list[Tried]]:
        """Those that came through all folds, best first, and those that were set aside."""
        left, aside = list(offered), list[Tried]()
        for folds in stages(len(self._parts)):
            found: list[Tried] = []
            for place, name in enumerate(left, start=1):
                where = f"round {number}, {folds} of {len(self._parts)} folds"
                self._progress("note", 0, 0, f"{where}, rung {place} of {len(left)}: {name}")
                rung, recipe = offered[name]
                found.append(self._tried(rung, base, recipe, folds, number, confidence))
            done = sorted((row for row in found if row.difference is not None), key=self._worth)
            aside += [row for row in found if row.difference is None]
            if folds == len(self._parts):
                return done, aside
            half = math.ceil(len(done) / 2)
            through = [row for place, row in enumerate(done) if place < half or row.verdict == KEPT]
            aside += [replace(row, verdict=_set_aside(row)) for row in done if row not in through]
            left = [row.name for row in through]
        return [], aside

    def _kept(
        self,
        base: Recipe,
        finished: Sequence[Tried],
        offered: Mapping[str, tuple[Rung, Recipe]],
        number: int,
        confidence: float,
    ) -> tuple[Recipe, list[Tried], list[Tried]]:
        """Goes through those that came through, best first, each on top of what was kept before it."""
        recipe, kept, others = base, list[Tried](), list[Tried]()
        folds = len(self._parts)
        for row in finished:
            tried, stepped = row, offered[row.name][1]
            if kept and row.verdict == KEPT:
                rung = offered[row.name][0]
                again = _stepped(rung, recipe, self._resolve(recipe))
                if isinstance(again, str):
                    others.append(replace(row, kept=False, verdict=f"not tried again: {again}"))
                    continue
                stepped = again
                tried = self._tried(rung, recipe, stepped, folds, number, confidence)
            if tried.verdict == KEPT:
                recipe = stepped
                kept.append(tried)
            else:
                others.append(tried)
        return recipe, kept, others

    def _tried(
        self, rung: Rung, base: Recipe, recipe: Recipe, folds: int, number: int, confidence: float
    ) -> Tried:
        before = self.scored("base", base, folds)
        try:
            after = self.scored(rung.name, recipe, folds)
        except (TrainingError, RecipeError) as error:
            return Tried(rung.name, rung.title, False, None, f"failed: {error}", 0.0)
        minutes = self._minutes.get(rung.name, 0.0)
        if before is None or after is None:
            return Tried(rung.name, rung.title, False, None, NO_TIME, minutes)
        found = difference(
            before, after, self._metric, confidence=confidence, resamples=RESAMPLES, split="held out"
        )
        verdict = self._verdict(found)
        value = value_of(before, self._metric)
        return Tried(rung.name, rung.title, verdict == KEPT, found, verdict, minutes, folds, number, value)

    def _verdict(self, found: Measure) -> str:
        assert found.low is not None and found.high is not None
        low, high = (found.low, found.high) if self._sign > 0 else (-found.high, -found.low)
        if low > 0:
            return KEPT
        return HURTS if high < 0 else UNTOLD

    def _worth(self, row: Tried) -> float:
        assert row.difference is not None and row.difference.value is not None
        return -self._sign * row.difference.value


def stages(folds: int) -> tuple[int, ...]:
    """How many folds each stage of the halving has seen.

    >>> stages(5), stages(3), stages(1)
    ((1, 2, 5), (1, 3), (1,))
    """
    counts = [1, *([2] if folds > 3 else []), folds]
    return tuple(dict.fromkeys(counts))


def planned_trainings(rungs: int, folds: int) -> int:
    """About how many trainings a first round and a little more takes, with the recipe that it starts from."""
    count, seen, left = folds, 0, rungs
    for upto in stages(folds):
        count += left * (upto - seen)
        seen, left = upto, math.ceil(left / 2)
    return count + folds


def value_of(predictions: Predictions, metric: str) -> float:
    """The metric's plain value, without an interval."""
    targets = predictions.targets
    known = targets >= 0
    right = (predictions.logits.argmax(axis=1) == targets)[known]
    if metric == "accuracy":
        return float(right.mean())
    if metric == "balanced_accuracy":
        return float(np.mean([right[targets[known] == k].mean() for k in np.unique(targets[known])]))
    if metric == "macro_f1":
        value = macro_f1(targets[known], predictions.probabilities[known])
        assert value is not None
        return value
    chosen = predictions.probabilities[known, targets[known]]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def _stepped(rung: Rung, recipe: Recipe, resolved: Recipe) -> Recipe | str:
    """The recipe with a practice; or why not, also where other settings contradict it."""
    try:
        return rung.step(recipe, resolved)
    except ValidationError as error:
        return "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())


def _set_aside(row: Tried) -> str:
    if row.verdict == HURTS:
        return HURTS
    return f"{UNTOLD}, set aside after {row.folds} fold{'s' if row.folds > 1 else ''}"
