"""What was asked of a climb, and what a budget makes of it.

One training of the default is timed, the shortest that would be made. Where the budget does not carry the
climb in full, trainings are shortened first; where they then still are too few, pictures are made smaller:
time falls with the square of their side. All that is compared is trained alike, and the last training is made
in full again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from eighteen.core.config import recipe_from_json
from eighteen.core.errors import RecipeError
from eighteen.core.recipe import Recipe
from eighteen.measuring.verdicts import METRICS
from eighteen.models.hub import only_size
from eighteen.training.budget import SIZES_PX
from eighteen.training.progressive import training_work
from eighteen.tuning.affording import Clock, affordable_rungs, halving_trainings
from eighteen.tuning.climbing import Climber, Resolve
from eighteen.tuning.rungs import rungs
from eighteen.tuning.textbook import textbook

FEWEST_EPOCHS_SHARE = 1 / 3
"""A budget shortens trainings to no less than this: shorter ones say little about longer ones."""

FEWEST_RUNGS = 8
"""A climb from the textbook that a budget cuts to fewer practices begins at the default recipe instead, and
one from the default sees smaller pictures."""

LEAST_PX = 128
"""Pictures are not made smaller than this: on smaller ones other practices help."""

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
        fixed: dotted names of the fields that the user set, which stay.
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
    fixed: tuple[str, ...] = ()

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
        lists = {name: tuple(row.get(name, ())) for name in ("only", "without", "fixed")}
        return cls(**{**row, **lists, "recipe": recipe_from_json(row["recipe"])})


@dataclass(frozen=True)
class Plan:
    """What a budget makes of a climb.

    Attributes:
        default, start: as they are trained in the climb.
        epochs: of each training, where they are shortened.
        size_px: of pictures, where they are made smaller.
        full_s: what a training in full takes, as far as it is known.
        notes: what was decided, in sentences.
    """

    default: Recipe
    start: Recipe
    epochs: int | None = None
    size_px: int | None = None
    full_s: float = 0.0
    notes: tuple[str, ...] = ()

    def in_full(self, recipe: Recipe, asked: Recipe) -> Recipe:
        """A recipe of the climb with the length and the size that were asked for."""
        if self.epochs is not None:
            recipe = recipe.changed(training={"epochs": asked.training.epochs})
        if self.size_px is not None:
            recipe = recipe.changed(inputs={"size": asked.inputs.size})
        return recipe


def planned(asked: AskedClimb, climber: Climber, clock: Clock, resolved: Resolve) -> Plan:
    """Times one short training, and fits the climb into the budget.

    Args:
        asked: what the user wants.
        climber: trains the default once, where there is a budget.
        clock: of the climb.
        resolved: makes a recipe explicit, as it is trained on a fold.
    """
    default, chosen = asked.recipe, rungs(asked.only, asked.without)
    full, plain = resolved(default), default
    if asked.start == "textbook":
        plain = textbook(default, full.model.weights != "none", asked.fixed)
    if math.isinf(clock.left_s):
        return Plan(default, plain)
    epochs, size = full.training.epochs, full.inputs.size
    assert epochs != "auto" and size != "auto"
    shortest = epochs if _has_its_length(asked) else _shortest(full)
    timed = _sized(default, shortest if shortest < epochs else None, None)
    climber.scored("default", timed, 1)
    # The head on frozen features and the like take as long whatever the epochs and the size.
    short_s = climber.epoch_s * shortest
    long_s = short_s * _work(full) * epochs / (_work(resolved(timed)) * shortest)
    fixed_s = max(0.0, clock.usual_s - short_s)
    budget_s, folds, wanted = clock.left_s, asked.folds, min(FEWEST_RUNGS, len(chosen))
    notes = []

    def carries(px: int, contenders: int) -> int:
        training_s = fixed_s + short_s * (px / size) ** 2
        return affordable_rungs(budget_s / training_s - contenders * folds, folds, len(chosen))

    start, contenders = plain, 1 + (plain != default)
    if contenders > 1 and carries(size, contenders) < wanted:
        notes.append("the budget does not carry a climb from the textbook: it starts at the default recipe")
        start, contenders = default, 1
    sizes = [size, *(px for px in SIZES_PX if LEAST_PX <= px < size and not _has_its_size(asked))]
    size_px = next((px for px in sizes if carries(px, contenders) >= wanted), sizes[-1])
    if not carries(size_px, contenders):
        size_px = size
    each_s = budget_s / (contenders * folds + halving_trainings(len(chosen), folds)) - fixed_s
    room = (each_s / (size_px / size) ** 2 - short_s) / (long_s - short_s) if long_s > short_s else 1.0
    shown = shortest + math.floor(min(1.0, max(0.0, room)) * (epochs - shortest))
    if shown < epochs:
        notes.append(
            f"trainings are shortened from {epochs} to {shown} epochs, so that the budget carries more"
        )
    if size_px < size:
        climber.one_size = True
        notes.append(
            f"pictures are made smaller, {size_px} instead of {size} px, so that the budget carries more: "
            f"all that is compared here is compared at that size"
        )
    fewer, smaller = (shown if shown < epochs else None), (size_px if size_px < size else None)
    small, start = (_sized(each, fewer, smaller) for each in (default, start))
    if small != timed:
        clock.forget()
    return Plan(small, start, fewer, smaller, fixed_s + long_s, tuple(notes))


def _has_its_length(asked: AskedClimb) -> bool:
    """Whether a budget leaves the epochs as they are."""
    return "training.epochs" in asked.fixed or asked.recipe.training.budget_minutes is not None


def _has_its_size(asked: AskedClimb) -> bool:
    """Whether a budget leaves the size of pictures as it is: also where it is what is asked about."""
    recipe, about_it = asked.recipe, asked.only == ("resolution",)
    budgeted = recipe.training.budget_minutes is not None
    return "inputs.size" in asked.fixed or about_it or budgeted or only_size(recipe.model.name) is not None


def _shortest(full: Recipe) -> int:
    """The fewest epochs that a budget leaves of a training; every layer learns in one of them at least."""
    epochs = full.training.epochs
    assert epochs != "auto"
    frozen = max(full.training.freeze_until.values(), default=0)
    return min(epochs, max(math.ceil(FEWEST_EPOCHS_SHARE * epochs), frozen + 1))


def _work(full: Recipe) -> float:
    """What an epoch costs, on average, of one at full size."""
    training, size = full.training, full.inputs.size
    assert training.epochs != "auto" and training.progressive_from != "auto" and size != "auto"
    return training_work(training.epochs, size, training.progressive_from, training.side_fraction)


def _sized(recipe: Recipe, epochs: int | None, size_px: int | None) -> Recipe:
    if epochs is not None:
        recipe = recipe.changed(training={"epochs": epochs})
    return recipe if size_px is None else recipe.changed(inputs={"size": size_px})
