"""The climb itself: which practices stay, decided by paired evidence on the same folds.

In come a starting recipe, the rungs, the folds, and a function that trains without a fold and scores it; out
come what was kept and what every rung was found to bring. Nothing here knows pictures or networks, so that
the decisions can be tested by themselves.

A round offers rungs on top of the recipe so far, as many as can be judged in the time that is left
(`affording`): all are tried on the first fold, the better half of them on the next, and so on. Of those that
come through all folds, the one with the best difference is kept if its interval lies above zero; the others
that did so alone are tried again on top of it. Another round follows where something was kept, or where
there are rungs that no round has offered yet.

Many rungs are looked at, and some look good by luck. The level of each round's intervals is therefore
corrected: round r may err with probability 5 % / 2^r in all, shared alike by every rung that was tried in it
and every second try (Bonferroni), so that a climb keeps a rung that brings nothing in at most 5 of 100 cases,
as far as the interval of one difference goes: see `measuring.paired` for what it leaves out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.core.progress import Progress
from eighteen.core.recipe import Recipe
from eighteen.evaluating.heldout import Part, together
from eighteen.measuring.metrics import macro_f1
from eighteen.measuring.paired import difference
from eighteen.measuring.verdicts import NO_TIME, NOT_TRIED, gained
from eighteen.tuning.affording import Clock, affordable_rungs, stages
from eighteen.tuning.confirming import FAILURES
from eighteen.tuning.rungs import Rung
from eighteen.tuning.tried import HURTS, KEPT, UNTOLD, Climbed, Tried, seen_on

ERROR = 0.05
"""Chance that a climb keeps anything that brings nothing."""

MOST_ROUNDS = 6
RESAMPLES = 10_000
"""Corrected levels lie far out, where few resamples say little."""


@dataclass(frozen=True, eq=False)
class Scored:
    """What a training said about the part that it did not see, and how long it and one of its epochs took."""

    predictions: Predictions
    seconds: float
    epoch_s: float = 0.0


TryPart = Callable[[str, Part, Recipe], Scored]
"""`try_part(name, part, recipe)`; it may be asked for the same again and should then remember."""

Resolve = Callable[[Recipe], Recipe]
"""The recipe with every value explicit, for these pictures."""


class Climber:
    """One climb; `climb` does it.

    Args:
        parts: the folds, the same for every recipe.
        try_part: trains and scores.
        resolve: makes a recipe explicit.
        metric: "accuracy", "balanced_accuracy", "macro_f1" or "nll".
        clock: how long it may take.
        progress: told how far it is.
        fixed: dotted names of fields that the user set; a rung that would change one is not tried.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        try_part: TryPart,
        resolve: Resolve,
        metric: str,
        clock: Clock,
        progress: Progress,
        fixed: Sequence[str] = (),
    ) -> None:
        self._parts = parts
        self._try_part = try_part
        self._resolve = resolve
        self._metric = metric
        self._sign = -1 if metric == "nll" else 1
        self._clock = clock
        self._progress = progress
        self._fixed = frozenset(fixed)
        self._known: dict[tuple[str, int], Predictions] = {}
        self._minutes: dict[str, float] = {}
        self.epoch_s = 0.0
        """Of the last training that was made."""
        self.one_size = False
        """Whether pictures are made smaller than they are to be, so that no rung may change their size."""

    def climb(self, start: Recipe, rungs: Sequence[Rung]) -> Climbed:
        """Climbs until there is nothing left to try, or time is up."""
        recipe, kept, last = start, list[Tried](), dict[str, Tried]()
        waiting, before = list(rungs), list[Rung]()
        for number in range(1, MOST_ROUNDS + 1):
            recipe, gained, others = self._round(recipe, [*waiting, *before], number)
            kept += gained
            last |= {row.name: row for row in others if row.round or row.name not in last}
            gone = {row.name for row in kept}
            offered = {row.name for row in (*gained, *others) if row.verdict != NO_TIME or row.folds}
            # What was offered before is worth another try only on top of something new.
            before = [rung for rung in (*before, *waiting) if rung.name in offered - gone] if gained else []
            waiting = [rung for rung in waiting if rung.name not in offered]
            if not (waiting or before) or not offered or not self._clock.allows_another:
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
            began = time.perf_counter()
            try:
                made = self._try_part(name, part, recipe)
            except FAILURES:
                self._clock.left_s -= time.perf_counter() - began
                raise
            self._clock.spend(made.seconds)
            self.epoch_s = made.epoch_s
            self._minutes[name] = self._minutes.get(name, 0.0) + made.seconds / 60
            self._known[key] = made.predictions
        return self._known[key]

    def _round(
        self, base: Recipe, rungs: Sequence[Rung], number: int
    ) -> tuple[Recipe, list[Tried], list[Tried]]:
        """The recipe afterwards, what was kept, and what was not."""
        offered, refused = self._offered(base, rungs)
        if not offered or self.scored("base", base, len(self._parts)) is None:
            return base, [], [*refused, *(self._untried(rung) for rung, _ in offered.values())]
        count = affordable_rungs(self._clock.trainings_left, len(self._parts), len(offered))
        later = [self._untried(rung) for rung, _ in list(offered.values())[count:]]
        offered = dict(list(offered.items())[:count])
        # Each rung may be tried twice: alone, and on top of what was kept.
        confidence = 1 - ERROR / 2**number / (2 * max(1, count))
        finished, aside = self._halved(base, offered, number, confidence)
        recipe, kept, others = self._kept(base, finished, offered, number, confidence)
        return recipe, kept, [*others, *aside, *later, *refused]

    def _untried(self, rung: Rung) -> Tried:
        return Tried(rung.name, rung.title, False, None, NO_TIME, 0.0)

    def _offered(
        self, base: Recipe, rungs: Sequence[Rung]
    ) -> tuple[dict[str, tuple[Rung, Recipe]], list[Tried]]:
        resolved = self._resolve(base)
        offered: dict[str, tuple[Rung, Recipe]] = {}
        refused: list[Tried] = []
        for rung in rungs:
            stepped = self._stepped(rung, base, resolved)
            if isinstance(stepped, str):
                refused.append(Tried(rung.name, rung.title, False, None, f"{NOT_TRIED}{stepped}", 0.0))
            else:
                offered[rung.name] = (rung, stepped)
        return offered, refused

    def _halved(
        self, base: Recipe, offered: Mapping[str, tuple[Rung, Recipe]], number: int, confidence: float
    ) -> tuple[list[Tried], list[Tried]]:
        """Those that came through all folds, best first, and those that were set aside."""
        left, aside = list(offered), list[Tried]()
        earlier: dict[str, Tried] = {}
        for folds in stages(len(self._parts)):
            found: list[Tried] = []
            for place, name in enumerate(left, start=1):
                where = f"round {number}, {folds} of {len(self._parts)} folds"
                self._progress("note", 0, 0, f"{where}, rung {place} of {len(left)}: {name}")
                rung, recipe = offered[name]
                found.append(self._tried(rung, base, recipe, folds, number, confidence))
            done = sorted((row for row in found if row.difference is not None), key=self._worth)
            aside += [_last_word(row, earlier) for row in found if row.difference is None]
            if folds == len(self._parts):
                return done, aside
            earlier = {row.name: row for row in done}
            half = math.ceil(len(done) / 2)
            through = [row for place, row in enumerate(done) if place < half or row.verdict == KEPT]
            aside += [
                replace(row, kept=False, verdict=seen_on(row, "set aside"))
                for row in done
                if row not in through
            ]
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
                again = self._stepped(rung, recipe, self._resolve(recipe))
                if isinstance(again, str):
                    others.append(replace(row, kept=False, verdict=f"not tried again: {again}"))
                    continue
                stepped = again
                tried = self._tried(rung, recipe, stepped, folds, number, confidence)
                if tried.difference is None:
                    others.append(replace(row, kept=False, verdict=f"not tried again: {tried.verdict}"))
                    continue
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
        except FAILURES as error:
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

    def _stepped(self, rung: Rung, recipe: Recipe, resolved: Recipe) -> Recipe | str:
        """The recipe with a practice; or why not, also where other settings contradict it."""
        try:
            stepped = rung.step(recipe, resolved)
        except ValidationError as error:
            return "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
        if isinstance(stepped, str):
            return stepped
        changed = changes(recipe, stepped)
        if self.one_size and "inputs.size" in changed:
            return "the budget makes pictures smaller, and what their size brings is not told by smaller ones"
        own = sorted(self._fixed.intersection(changed))
        return f"your own {', '.join(own)} stands" if own else stepped

    def _verdict(self, found: Measure) -> str:
        assert found.low is not None and found.high is not None
        low, high = gained((found.low, found.high), self._metric)
        if low > 0:
            return KEPT
        return HURTS if high < 0 else UNTOLD

    def _worth(self, row: Tried) -> float:
        assert row.difference is not None and row.difference.value is not None
        return -self._sign * row.difference.value


def changes(before: Recipe, after: Recipe) -> dict[str, Any]:
    """Values of the second that differ from the first, by dotted name."""
    old, new = before.to_json(), after.to_json()
    return {
        f"{section}.{key}": value
        for section, values in new.items()
        if isinstance(values, dict)
        for key, value in values.items()
        if value != old[section][key]
    }


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


def _last_word(row: Tried, earlier: Mapping[str, Tried]) -> Tried:
    """What fewer folds said, where there was no time for all of them."""
    if row.verdict != NO_TIME or row.name not in earlier:
        return row
    known = earlier[row.name]
    return replace(known, kept=False, verdict=seen_on(known, NO_TIME), minutes=row.minutes)
