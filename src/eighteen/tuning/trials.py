"""One trial of a search: a recipe trained on the training split and measured on validation.

After each epoch the search hears what validation says and may stop the trial. Where memory does not suffice,
the batch is halved until it does, and the trial says so. The weights of a trial that is neither the default
nor the best so far are not kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from eighteen.core.dataset import Dataset
from eighteen.core.errors import TrainingError
from eighteen.core.locking import AtWorkError
from eighteen.core.progress import Progress
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.core.study import Study
from eighteen.evaluating.finishing import finish
from eighteen.training import fitting, planning
from eighteen.tuning.asked import Asked
from eighteen.tuning.records import Record
from eighteen.tuning.space import with_point
from eighteen.tuning.trial import Objective, Pruned, Report, Trial

SMALLEST_BATCH = 2

WAIT_S = 10
"""Between two looks whether another process has ended."""

_MEMORY_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory")

Watch = Callable[[Mapping[str, Any]], None]

TrainRun = Callable[[str, Recipe, Watch], Run]
"""`train_run(name, recipe, watch)`: a finished run of that name; `watch` sees each epoch."""


def objective(train_run: TrainRun, recipe: Recipe, usual_batch: int, metric: str) -> Objective:
    """The function that a search calls for each trial.

    Args:
        train_run: makes a run.
        recipe: the default one, whose values a trial's point replaces.
        usual_batch: pictures a step, where the recipe says "auto".
        metric: one of `verdicts.METRICS`, on validation.
    """

    def made(trial: Trial, report: Report) -> float:
        chosen = in_batches(recipe if trial.is_default else with_point(recipe, trial.point), trial.batch)

        def watch(row: Mapping[str, Any]) -> None:
            report(int(row["epoch"]), float(row[f"val_{metric}"]))

        run = _in_memory(train_run, trial, chosen, usual_batch, watch)
        value = run.measures["val"][metric].value
        if value is None:
            raise TrainingError(f"{metric} is not defined on validation; choose another --metric")
        return value

    return made


def in_batches(recipe: Recipe, batch: int | None) -> Recipe:
    """The recipe with the batch that memory sufficed for; None leaves its own."""
    return recipe if batch is None else recipe.changed(training={"batch_size": batch})


def recipe_of(row: Record, asked: Asked) -> Recipe:
    """What a trial trained, in the batches that memory sufficed for."""
    recipe = asked.recipe if row.is_default else with_point(asked.recipe, row.point)
    return in_batches(recipe, row.batch)


def trainer(study: Study, dataset: Dataset, progress: Progress) -> TrainRun:
    """Trains in the study's folder; a run that is there already goes on."""

    def train_run(name: str, recipe: Recipe, watch: Watch) -> Run:
        while True:
            try:
                return made(name, recipe, watch)
            except AtWorkError:
                # It was given up for lost, and its process lives: what that makes is as good.
                progress("note", 0, 0, f"another process is training {name}; waiting for it")
                time.sleep(WAIT_S)

    def made(name: str, recipe: Recipe, watch: Watch) -> Run:
        path = study.run_path(name)
        if (path / "run.json").exists():
            run = Run.open(path)
            _retell(run, watch)
        else:
            plan = planning.plan(recipe, dataset)
            run = fitting.start(plan, dataset, [], pl.DataFrame(), path)
        if run.info["state"] == "complete":
            return run
        try:
            finish(run, dataset, ("val",), progress, watch)
        except Pruned:
            run.set_state("failed")
            run.drop_weights("the search stopped this trial early")
            raise
        run.set_state("complete")
        return run

    return train_run


def _retell(run: Run, watch: Watch) -> None:
    for row in run.history:
        watch(row)


def _in_memory(train_run: TrainRun, trial: Trial, recipe: Recipe, usual_batch: int, watch: Watch) -> Run:
    name, first = trial.name, trial.name.partition("-batch-")[0]
    while True:
        try:
            return train_run(name, recipe, watch)
        except (MemoryError, RuntimeError) as error:
            batch = recipe.training.batch_size
            batch = usual_batch if batch == "auto" else batch
            if not _lacks_memory(error) or batch <= SMALLEST_BATCH:
                raise
            half = max(SMALLEST_BATCH, batch // 2)
            trial.note(f"memory did not suffice for batches of {batch}; tried again with {half}")
            recipe, name = in_batches(recipe, half), f"{first}-batch-{half}"
            trial.shrink(half, name)


def _lacks_memory(error: Exception) -> bool:
    """Whether a smaller batch may help; PyTorch says so in words, by the kind of device."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _MEMORY_WORDS)
