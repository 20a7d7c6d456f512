"""From the textbook's recipe to the best that these pictures give evidence for.

The climb (`climbing`) decides on folds which practices stay. Where the default recipe did better than its
end on these same folds, the default is the end. It is then trained anew beside the default and the start,
with other seeds on folds dealt anew; that comparison is the answer. At last the recipe is trained once on the
training split and, if asked for, scored once on the test split.

A budget that cannot carry a climb from the textbook is spent on climbing from the default recipe. It also
shortens trainings and shrinks pictures, for all alike (`climb_plan`); the last one is made in full again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from eighteen.core.dataset import Dataset
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.core.progress import Progress
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.core.study import Study
from eighteen.evaluating.heldout import Part, outside_test, parts, training_side
from eighteen.measuring.measure import measure
from eighteen.training.resolve import resolve
from eighteen.training.teaching import ITSELF
from eighteen.tuning import confirming
from eighteen.tuning.affording import Clock
from eighteen.tuning.climb_plan import AskedClimb, Plan, planned
from eighteen.tuning.climbing import ERROR, Climber, Scored, TryPart, changes, value_of
from eighteen.tuning.confirming import FAILURES, Confirmed, ContenderFailed, Effort, ScorePart
from eighteen.tuning.rungs import rungs
from eighteen.tuning.tried import BEATEN, FAILED_ANEW, Climbed, kept_words

CLIMB_SHARE = 0.65
"""Of a budget; the rest is for the confirmation and the last training."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """A climb with its confirmation.

    Attributes:
        start, default: the recipes that the end is compared with, as they were trained here.
        default_run: name of a run of the default in the climb, which keeps what it measured.
        climbed: where it ended.
        final: the recipe of the last training: the end, as it is without a budget.
        search: out-of-fold measure of each contender in the climb, by name.
        confirmed: what fresh trainings say.
        plan: what a budget made of it.
        tried: rungs that were offered.
        notes: what was decided on the way, in sentences.
    """

    start: Recipe
    default: Recipe
    default_run: str
    climbed: Climbed
    final: Recipe
    search: Mapping[str, Measure | None]
    confirmed: Confirmed
    plan: Plan
    tried: int
    notes: tuple[str, ...]


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

    total_s = math.inf if asked.minutes is None else 60 * asked.minutes
    clock = Clock(CLIMB_SHARE * total_s)
    folds = parts(known, asked.folds, 1, asked.recipe.data.split_seed)
    # As on the folds: what a rung changes is a step from what is trained there.
    learned = training_side(known, folds[0], asked.recipe)

    def resolved(recipe: Recipe) -> Recipe:
        return resolve(recipe, learned)[0]

    climber = Climber(folds, try_part, resolved, asked.metric, clock, progress, asked.fixed)
    plan = planned(asked, climber, clock, resolved)
    for note in plan.notes:
        progress("note", 0, 0, note)
    default, start, count = plan.default, plan.start, len(folds)
    found = {"default": climber.scored("default", default, count)}
    notes = list(plan.notes)
    try:
        found["start"] = climber.scored("base", start, count)
    except FAILURES as error:
        notes.append(
            f"the textbook's recipe fails on these pictures ({error}); the climb starts at the default"
        )
        start, found["start"] = default, found["default"]
    climbed = climber.climb(start, rungs(asked.only, asked.without))
    found["best"] = climber.scored("base", climbed.recipe, count)
    if climbed.recipe != default and _is_worse(found["best"], found["default"], asked.metric):
        notes.append("on the folds of the climb the default recipe did better than its end, so it is kept")
        climbed, found["best"] = climbed.given_up(default, BEATEN), found["default"]
    recipes = {"default": default, "best": climbed.recipe, "start": start}
    left_s = clock.left_s + (1 - CLIMB_SHARE) * total_s - plan.full_s
    usual_s = clock.usual_s or plan.full_s
    confirmed, failed = _confirmed(recipes, known, asked, usual_s, left_s, score_part, progress)
    notes += failed.values()
    if "best" in failed:
        climbed, found["best"] = climbed.given_up(default, FAILED_ANEW), found["default"]
    search = {name: _measured(each, asked) for name, each in found.items()}
    tried = sum(row.round > 0 for row in climbed.rungs)
    final = plan.in_full(climbed.recipe, asked.recipe)
    trained = confirming.run_name("default", folds[0], default)
    return Outcome(start, default, trained, climbed, final, search, confirmed, plan, tried, tuple(notes))


def _is_worse(found: Predictions | None, default: Predictions | None, metric: str) -> bool:
    """Whether the climb's end did worse than the default on the same folds, or was not trained on all."""
    if found is None or default is None:
        return default is not None
    gap = value_of(found, metric) - value_of(default, metric)
    return gap > 0 if metric == "nll" else gap < 0


def folder_trainers(study: Study, known: Dataset, progress: Progress) -> tuple[TryPart, ScorePart]:
    """The functions that train in the study's folder, for the climb and for its confirmation."""

    def try_part(name: str, part: Part, recipe: Recipe) -> Scored:
        found = score_part(name, part, recipe)
        run = Run.open(study.run_path(confirming.run_name(name, part, recipe)))
        rows = run.history
        epochs_s = float(rows[-1]["seconds"]) * (1 + (ITSELF in run.recipe.training.teacher))
        took_s = sum(stage["seconds"] for stage in run.info["stages"])
        return Scored(found, took_s, epochs_s / len(rows))

    score_part = confirming.part_scorer(study, known, progress)
    return try_part, score_part


def as_result(asked: AskedClimb, outcome: Outcome, runs: Mapping[str, str]) -> dict[str, Any]:
    """The answer as it is stored and printed.

    Args:
        asked: what the user wanted.
        outcome: what came of it.
        runs: paths of the run of "best", which is the last training, and of "default".
    """
    best = outcome.climbed.recipe
    recipes = {"start": outcome.start, "default": outcome.default, "best": best}
    measures = outcome.confirmed.measures
    climbs = best != outcome.start and "start" in measures
    compared = outcome.confirmed.compared("default", "best") if best != outcome.default else None
    gained = outcome.confirmed.compared("start", "best") if climbs else None
    return {
        "kind": "climb",
        "metric": asked.metric,
        **{
            name: confirming.contender(recipe, outcome.search[name], measures.get(name), runs.get(name))
            for name, recipe in recipes.items()
        },
        "rungs": [row.to_json() for row in outcome.climbed.rungs],
        "changes": changes(outcome.start, best),
        "comparison": None if compared is None else compared.to_json(),
        "climbed": None if gained is None else gained.to_json(),
        "sentence": " ".join([kept_words(outcome.climbed.rungs), *([compared.sentence] if compared else [])]),
        "notes": list(outcome.notes),
        "correction": (
            f"Intervals are corrected for {outcome.tried} practices that were tried: in all, a practice that "
            f"brings nothing is kept in at most {100 * ERROR:g} of 100 climbs, as far as the interval of one "
            f"difference goes."
        ),
        "confirmation": asdict(outcome.confirmed.effort),
        "epochs": outcome.plan.epochs,
        "size_px": outcome.plan.size_px,
    }


def _confirmed(
    recipes: Mapping[str, Recipe],
    known: Dataset,
    asked: AskedClimb,
    training_s: float,
    left_s: float,
    score_part: ScorePart,
    progress: Progress,
) -> tuple[Confirmed, dict[str, str]]:
    """What fresh trainings say, and why some contenders have none; equal recipes are trained once."""
    first = {name: next(n for n, other in recipes.items() if other == each) for name, each in recipes.items()}
    different = {name: recipes[name] for name in dict.fromkeys(first.values())}
    effort = confirming.fitting_effort(Effort(asked.folds, asked.seeds), len(different), training_s, left_s)
    failed: dict[str, str] = {}
    while True:
        try:
            found = confirming.confirm(different, known, effort, asked.metric, score_part, progress)
            break
        except ContenderFailed as error:
            if error.name == "default":
                raise
            failed[error.name] = str(error)
            del different[error.name]
    if first["best"] in failed:
        first["best"] = "default"
    answered = {name: same for name, same in first.items() if same in different}
    return (
        Confirmed(
            {name: found.predictions[same] for name, same in answered.items()},
            {name: found.measures[same] for name, same in answered.items()},
            effort,
            asked.metric,
        ),
        failed,
    )


def _measured(predictions: Predictions | None, asked: AskedClimb) -> Measure | None:
    if predictions is None:
        return None
    return measure(predictions, "held out", confidence=asked.recipe.evaluation.confidence)[asked.metric]
