"""The number that counts: recipes trained anew, with fresh seeds, on folds that the search never saw.

The best of many trials is partly the luckiest, so what a search says of its winner is too good. Here every
contender is trained on freshly dealt folds of all pictures outside the test split, with seeds of its own, and
scored on what each training held out; the comparison is the one of `eighteen compare`. Where a single fold is
held out, validation is not in it: those pictures have chosen the winner.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError, EighteenError, RecipeError, TrainingError, WeightsError
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.core.progress import Progress
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.core.study import Study
from eighteen.evaluating import heldout
from eighteen.evaluating.heldout import FOLDS, Part, held_out_predictions, parts, together, with_seed
from eighteen.measuring.measure import measure
from eighteen.measuring.paired import compare
from eighteen.measuring.verdicts import MARGIN, Comparison
from eighteen.splitting import find_units
from eighteen.splitting import folds as deal

FRESH_SEEDS = 1_000
"""Added to the recipe's seed: no trial of a search has one of these."""

FRESH_DEALING = 1
"""Which dealing of the folds is confirmed on. The climb compares on dealing 0; `tune` chooses among
winners on dealing 2."""

FAILURES = (TrainingError, RecipeError, WeightsError, MemoryError, RuntimeError)
"""What a training may end with, a device without memory among them, that ends neither climb nor search."""

ScorePart = Callable[[str, Part, Recipe], Predictions]
"""`score_part(name, part, recipe)`: trains without a part and says what it thinks of it."""


class ContenderFailed(EighteenError):
    """A training of one contender failed; `name` says whose."""

    def __init__(self, name: str, error: BaseException) -> None:
        super().__init__(f"the {name} fails when it is trained anew ({error})")
        self.name, self._error = name, error

    def named(self, name: str) -> ContenderFailed:
        """The same, of a contender that is called otherwise elsewhere."""
        return ContenderFailed(name, self._error)


@dataclass(frozen=True)
class Effort:
    """How much a confirmation trains: `folds * seeds` trainings of each recipe."""

    folds: int
    seeds: int

    @property
    def trainings(self) -> int:
        return self.folds * self.seeds


@dataclass(frozen=True, eq=False)
class Confirmed:
    """What fresh trainings say.

    Attributes:
        predictions: of each contender on all held-out pictures, by name.
        measures: the chosen metric of each, with its interval, by name.
        effort: how much was trained.
        metric: the chosen one.
    """

    predictions: Mapping[str, Predictions]
    measures: Mapping[str, Measure]
    effort: Effort
    metric: str = "accuracy"

    def compared(self, first: str, second: str) -> Comparison:
        """Whether the second is better than the first in the chosen metric."""
        pair = self.predictions[first], self.predictions[second]
        names = (f"the {first}", f"the {second}")
        return compare(*pair, margin=MARGIN, split="held out", names=names, metric=self.metric)


def part_scorer(study: Study, known: Dataset, progress: Progress) -> ScorePart:
    """Trains in the study's folder; of the runs only what they measured is kept."""

    def score_part(name: str, part: Part, recipe: Recipe) -> Predictions:
        found = held_out_predictions(study, f"{tagged(name, recipe)}-", known, part, recipe, progress)
        run = Run.open(study.run_path(run_name(name, part, recipe)))
        if run.weights_path.exists():
            run.drop_weights("only its predictions were wanted")
        return found

    return score_part


def run_name(name: str, part: Part, recipe: Recipe) -> str:
    """Of the run folder; a recipe that changes gets another one, so that nothing old is taken for it."""
    return heldout.run_name(f"{tagged(name, recipe)}-", part, recipe)


def tagged(name: str, recipe: Recipe) -> str:
    """A name that no other recipe has."""
    return f"{name}-{hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()[:8]}"


def confirm(
    recipes: Mapping[str, Recipe],
    known: Dataset,
    effort: Effort,
    metric: str,
    score_part: ScorePart,
    progress: Progress,
    turn: int = 0,
) -> Confirmed:
    """Trains each recipe with every fresh seed on every fresh fold.

    Args:
        recipes: the contenders by name; equal ones are trained once.
        known: the data set without its test split.
        effort: folds and seeds.
        metric: what is measured.
        score_part: trains and scores.
        progress: told how far it is.
        turn: another one deals anew, or holds out another fold where it is a single one.

    Raises:
        ContenderFailed: a training failed; what was trained before is not lost.
    """
    salt = next(iter(recipes.values())).data.split_seed
    waiting = fresh_parts(known, effort.folds, salt, turn)
    found: dict[str, list[Predictions]] = {name: [] for name in recipes}
    total, done = len(recipes) * effort.trainings, 0
    # Seed by seed and fold by fold, so that all contenders have got equally far when it is stopped.
    for seed in range(effort.seeds):
        for part in waiting:
            for name, recipe in recipes.items():
                done += 1
                progress("note", done, total, f"confirming, training {done} of {total}: the {name}")
                seeded = with_seed(recipe, recipe.seed + FRESH_SEEDS + seed)
                try:
                    # Folds of one number are other folds where there are more of them.
                    found[name].append(score_part(f"confirm-{name}-of-{effort.folds}", part, seeded))
                except FAILURES as error:
                    raise ContenderFailed(name, error) from error
    predictions = {name: together(each) for name, each in found.items()}
    measures = {
        name: measure(each, "held out", confidence=_confidence(recipes[name]))[metric]
        for name, each in predictions.items()
    }
    return Confirmed(predictions, measures, effort, metric)


def fresh_parts(known: Dataset, folds: int, salt: int, turn: int = 0) -> list[Part]:
    """What the trainings of a confirmation hold out: every fold of a fresh dealing, or one fold of five.

    A single fold is left without the validation split, which chose the winner, and without pictures that
    belong with it, as a group that lies in both. Nor does it take the last pictures of a class from training.

    Args:
        known: the data set without its test split.
        folds: how many are held out, one after the other.
        salt: `data.split_seed`.
        turn: which dealing; of a single fold, which of those that are dealt.

    Raises:
        DatasetError: there are too few pictures or groups, or all of them have to do with validation.
    """
    if folds > 1:
        return parts(known, folds, 1, salt, first=FRESH_DEALING + turn)
    units = find_units(known)
    unit, classes = units.of_row, known.table["target"].to_numpy()
    unseen = ~np.isin(unit, unit[(known.table["split"] == "val").to_numpy()])
    dealt = deal(known, min(FOLDS, len(units)), salt + FRESH_DEALING)
    found = []
    for fold in range(FOLDS):
        held = unseen & (dealt == fold)
        lost = held & ~np.isin(classes, classes[~held])
        held &= ~np.isin(unit, unit[lost])
        if held.any():
            found.append(Part(fold, FRESH_DEALING, held))
    if not found:
        raise DatasetError(
            "one fold cannot confirm a search here: every group outside the test split holds validation "
            "pictures, on which the winner was chosen, or all that there is of a class. Take --folds 2 or "
            "more, or a validation split of whole groups (--resplit)"
        )
    if turn >= len(found):
        raise DatasetError(
            "only one fold here can be held out from a search, so winners cannot be chosen among on another "
            "one than they are confirmed on. Take --winners 1, or --folds 2 or more"
        )
    return [found[turn]]


def check_dealings(
    known: Dataset, wanted: Effort, salt: int, may_shorten: bool, turns: Sequence[int] = (0,)
) -> None:
    """Says before anything is trained that a confirmation could not be dealt.

    Args:
        known: the data set without its test split.
        wanted: the confirmation, where there is time.
        salt: `data.split_seed`.
        may_shorten: whether a budget may leave it fewer folds.
        turns: which dealings are needed.

    Raises:
        DatasetError: there are too few pictures or groups, or a fold would hold all pictures of a class.
    """
    for folds in {effort.folds for effort in (efforts(wanted) if may_shorten else [wanted])}:
        for turn in turns:
            fresh_parts(known, folds, salt, turn)


def _confidence(recipe: Recipe) -> float:
    return recipe.evaluation.confidence


def fitting_effort(wanted: Effort, contenders: int, training_s: float, seconds: float) -> Effort:
    """The largest confirmation that fits into a time, and never less than two folds with one seed.

    Args:
        wanted: what is done where there is time.
        contenders: recipes.
        training_s: of one training.
        seconds: that may be used.

    >>> fitting_effort(Effort(5, 2), 2, 10.0, 1000.0), fitting_effort(Effort(5, 2), 2, 10.0, 70.0)
    (Effort(folds=5, seeds=2), Effort(folds=3, seeds=1))
    """
    return fitting_choice(wanted, 1, contenders, training_s, seconds)[1]


def fitting_choice(
    wanted: Effort, winners: int, contenders: int, training_s: float, seconds: float
) -> tuple[int, Effort]:
    """The same where the best trials are first trained anew, on each fold once, to choose among them.

    The confirmation comes first: where time is short, fewer are chosen among before it gets fewer folds.

    Args:
        wanted: what is done where there is time.
        winners: how many are chosen among; of a single one nothing is chosen.
        contenders: recipes that are confirmed.
        training_s: of one training.
        seconds: that may be used for both.

    Returns:
        How many are chosen among, and the confirmation.

    >>> fitting_choice(Effort(5, 2), 3, 2, 10.0, 350.0), fitting_choice(Effort(5, 2), 3, 2, 10.0, 300.0)
    ((3, Effort(folds=5, seeds=2)), (2, Effort(folds=5, seeds=2)))
    """
    steps = efforts(wanted)
    for effort in steps:
        for count in range(winners, 0, -1):
            if trainings_after(count, contenders, effort) * training_s <= seconds:
                return count, effort
    return 1, steps[-1]


def trainings_after(winners: int, contenders: int, effort: Effort) -> int:
    """Trainings that follow a search: to choose among winners, and to confirm.

    >>> trainings_after(3, 2, Effort(5, 2)), trainings_after(1, 2, Effort(5, 2))
    (35, 20)
    """
    choosing = winners * effort.folds if winners > 1 else 0
    return choosing + contenders * effort.trainings


def efforts(wanted: Effort) -> list[Effort]:
    """What a confirmation may come to, the largest first."""
    return [wanted, Effort(wanted.folds, 1), *(Effort(folds, 1) for folds in (3, 2) if folds < wanted.folds)]


def contender(
    recipe: Recipe, search: Measure | None, confirmed: Measure | None, run: str | None
) -> dict[str, Any]:
    """One side of a result, as it is stored and printed."""
    return {
        "search": None if search is None else search.to_json(),
        "confirmed": None if confirmed is None else confirmed.to_json(),
        "recipe": recipe.to_json(),
        "run": run,
    }
