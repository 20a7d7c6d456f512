"""From the textbook's recipe to the best that these pictures give evidence for.

The climb (`climbing`) decides on folds which practices stay. Its end is then trained anew beside its start
and beside the program's default recipe, with fresh seeds on fresh folds; that comparison is the answer. At
last the recipe is trained once on the training split and, if asked for, scored once on the test split.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from eighteen.core.config import recipe_from_json
from eighteen.core.dataset import Dataset
from eighteen.core.errors import RecipeError
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.core.progress import Progress
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.core.study import Study
from eighteen.evaluating.heldout import Part, outside_test, parts
from eighteen.measuring.measure import measure
from eighteen.training.resolve import resolve
from eighteen.tuning import confirming
from eighteen.tuning.climbing import (
    ERROR,
    Climbed,
    Climber,
    Clock,
    Scored,
    Tried,
    TryPart,
    planned_trainings,
)
from eighteen.tuning.confirming import Confirmed, Effort, ScorePart
from eighteen.tuning.rungs import Rung, rungs
from eighteen.tuning.textbook import textbook

CLIMB_SHARE = 0.65
"""Of a budget; the rest is for the confirmation and the last training."""

FEWEST_EPOCHS_SHARE = 1 / 3
"""A budget shortens trainings to no less than this: shorter ones say little about longer ones."""

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "nll")
"""Differences in these have paired intervals."""

STARTS = ("textbook", "default")


@dataclass(frozen=True)
class AskedClimb:
    """What was asked for; stored with the study.

    Attributes:
        recipe: the default, as the user gave it.
        start: one of `STARTS`.
        only, without: names of rungs.
        metric: what is to get better.
        minutes: of everything together, or None.
        folds: of the climb and of the confirmation.
        seeds: of the confirmation, where time allows.
        open_test: whether the locked test split is opened once, at the end.
    """

    recipe: Recipe
    start: str
    only: tuple[str, ...]
    without: tuple[str, ...]
    metric: str
    minutes: float | None
    folds: int
    seeds: int
    open_test: bool

    def __post_init__(self) -> None:
        problems = [
            f"there is no {what} '{given}'; expected one of {', '.join(known)}"
            for what, given, known in (("start", self.start, STARTS), ("metric", self.metric, METRICS))
            if given not in known
        ]
        if min(self.folds, self.seeds) < 1:
            problems.append(f"{self.folds} folds, {self.seeds} seeds: expected 1 or more of each")
        if problems:
            raise RecipeError("; ".join(problems))
        rungs(self.only, self.without)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "recipe": self.recipe.to_json()}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        lists = {name: tuple(row[name]) for name in ("only", "without")}
        return cls(**{**row, **lists, "recipe": recipe_from_json(row["recipe"])})


@dataclass(frozen=True, eq=False)
class Outcome:
    """A climb with its confirmation.

    Attributes:
        start, default: the recipes that the end is compared with, as they were trained here.
        climbed: where it ended.
        search: out-of-fold measure of each contender in the climb, by name.
        confirmed: what fresh trainings say.
        epochs: of every training here, where a budget shortened them.
        tried: rungs that were offered.
    """

    start: Recipe
    default: Recipe
    climbed: Climbed
    search: Mapping[str, Measure | None]
    confirmed: Confirmed
    epochs: int | None
    tried: int


def climbed_and_confirmed(
    asked: AskedClimb,
    dataset: Dataset,
    try_part: TryPart,
    score_part: ScorePart,
    progress: Progress,
) -> Outcome:
    """Climbs and confirms; all training is done by the two functions that are given.

    Args:
        asked: what the user wants.
        dataset: audited, with splits; its test split is left out.
        try_part: trains and scores within the climb.
        score_part: trains and scores for the confirmation.
        progress: told how far it is.
    """
    known = outside_test(dataset)

    def resolved(recipe: Recipe) -> Recipe:
        return resolve(recipe, dataset)[0]

    chosen = rungs(asked.only, asked.without)
    default, start = asked.recipe, asked.recipe
    if asked.start == "textbook":
        start = textbook(default, resolved(default).model.weights != "none")
    total_s = math.inf if asked.minutes is None else 60 * asked.minutes
    clock = Clock(CLIMB_SHARE * total_s)
    folds = parts(known, asked.folds, 1, default.data.split_seed)
    climber = Climber(folds, try_part, resolved, asked.metric, clock, progress)
    epochs = _affordable_epochs(climber, clock, resolved(start), start, chosen, len(folds))
    if epochs is not None:
        progress("note", 0, 0, f"trainings are shortened to {epochs} epochs, so that they fit the budget")
        default, start = (each.changed(training={"epochs": epochs}) for each in (default, start))
    found = {"start": climber.scored("base", start, len(folds))}
    found["default"] = climber.scored("default", default, len(folds))
    climbed = climber.climb(start, chosen)
    found["best"] = climber.scored("base", climbed.recipe, len(folds))
    recipes = {"start": start, "default": default, "best": climbed.recipe}
    left_s = clock.left_s + (1 - CLIMB_SHARE) * total_s - clock.longest_s
    confirmed = _confirmed(recipes, known, asked, clock.longest_s, left_s, score_part, progress)
    search = {name: _measured(each, asked) for name, each in found.items()}
    tried = sum(row.round > 0 for row in climbed.rungs)
    return Outcome(start, default, climbed, search, confirmed, epochs, tried)


def folder_trainers(study: Study, known: Dataset, progress: Progress) -> tuple[TryPart, ScorePart]:
    """The functions that train in the study's folder, for the climb and for its confirmation."""

    def try_part(name: str, part: Part, recipe: Recipe) -> Scored:
        found = score_part(name, part, recipe)
        run = Run.open(study.run_path(confirming.run_name(name, part, recipe)))
        return Scored(found, sum(stage["seconds"] for stage in run.info["stages"]))

    score_part = confirming.part_scorer(study, known, progress)
    return try_part, score_part


def as_result(asked: AskedClimb, outcome: Outcome, run: str) -> dict[str, Any]:
    """The answer as it is stored and printed.

    Args:
        asked: what the user wanted.
        outcome: what came of it.
        run: path of the last training.
    """
    best = outcome.climbed.recipe
    recipes = {"start": outcome.start, "default": outcome.default, "best": best}
    measures, climbs = outcome.confirmed.measures, best != outcome.start
    compared = outcome.confirmed.compared("default", "best") if best != outcome.default else None
    gained = outcome.confirmed.compared("start", "best") if climbs else None
    return {
        "kind": "climb",
        "metric": asked.metric,
        **{
            name: confirming.contender(
                recipe, outcome.search[name], measures[name], run if name == "best" else None
            )
            for name, recipe in recipes.items()
        },
        "rungs": [row.to_json() for row in outcome.climbed.rungs],
        "changes": _changes(outcome.start, best),
        "comparison": None if compared is None else compared.to_json(),
        "climbed": None if gained is None else gained.to_json(),
        "sentence": " ".join(
            [_kept_words(outcome.climbed.rungs), *([compared.sentence] if compared else [])]
        ),
        "correction": (
            f"Intervals are corrected for {outcome.tried} practices that were tried: in all, a practice that "
            f"brings nothing is kept in at most {100 * ERROR:g} of 100 climbs, as far as the interval of one "
            f"difference goes."
        ),
        "confirmation": asdict(outcome.confirmed.effort),
        "epochs": outcome.epochs,
    }


def _affordable_epochs(
    climber: Climber, clock: Clock, resolved: Recipe, start: Recipe, chosen: tuple[Rung, ...], folds: int
) -> int | None:
    """Fewer epochs than the recipe's own, where the budget asks for it; None where it does not."""
    if math.isinf(clock.left_s):
        return None
    budget_s, epochs = clock.left_s, resolved.training.epochs
    assert epochs != "auto"
    climber.scored("base", start, 1)
    needed_s = planned_trainings(len(chosen), folds) * clock.longest_s
    if needed_s <= budget_s:
        return None
    fewer = max(math.ceil(FEWEST_EPOCHS_SHARE * epochs), int(epochs * budget_s / needed_s))
    clock.longest_s *= fewer / epochs
    return fewer if fewer < epochs else None


def _confirmed(
    recipes: Mapping[str, Recipe],
    known: Dataset,
    asked: AskedClimb,
    training_s: float,
    left_s: float,
    score_part: ScorePart,
    progress: Progress,
) -> Confirmed:
    """Equal recipes are trained once."""
    first = {name: next(n for n, other in recipes.items() if other == each) for name, each in recipes.items()}
    different = {name: recipes[name] for name in dict.fromkeys(first.values())}
    effort = confirming.fitting_effort(Effort(asked.folds, asked.seeds), len(different), training_s, left_s)
    found = confirming.confirm(different, known, effort, asked.metric, score_part, progress)
    return Confirmed(
        {name: found.predictions[same] for name, same in first.items()},
        {name: found.measures[same] for name, same in first.items()},
        effort,
    )


def _measured(predictions: Predictions | None, asked: AskedClimb) -> Measure | None:
    if predictions is None:
        return None
    return measure(predictions, "held out", confidence=asked.recipe.evaluation.confidence)[asked.metric]


def _changes(start: Recipe, best: Recipe) -> dict[str, Any]:
    """What the climb set, by dotted name."""
    before, after = start.to_json(), best.to_json()
    return {
        f"{section}.{key}": value
        for section, values in after.items()
        if isinstance(values, dict)
        for key, value in values.items()
        if value != before[section][key]
    }


def _kept_words(rows: tuple[Tried, ...]) -> str:
    kept = [row.title for row in rows if row.kept]
    tried = sum(row.round > 0 for row in rows)
    if not tried:
        return "No practice could be tried on these pictures."
    if not kept:
        return f"Nothing helps here: of {tried} practices, none could be told apart from doing without."
    rest = tried - len(kept)
    return f"What helps here: {', '.join(kept)}." + (
        f" The rest ({rest}) could not be told apart, or hurts." if rest else ""
    )
