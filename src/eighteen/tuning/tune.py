"""From a space to settings that are better, or to the honest answer that none were found.

A search over validation comes first, by one or several processes on one storage, with the default recipe as
its first trial. Its winner is then trained anew beside the default, on fresh folds with fresh seeds, and only
that comparison is reported as the answer; what the search said stands beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from eighteen.core.dataset import Dataset
from eighteen.core.errors import RunError, TrainingError
from eighteen.core.progress import Progress
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.core.study import Study
from eighteen.evaluating.heldout import outside_test
from eighteen.tuning import confirming, storage
from eighteen.tuning.asked import Asked
from eighteen.tuning.confirming import Confirmed, ContenderFailed, Effort, ScorePart
from eighteen.tuning.records import Record, ranked
from eighteen.tuning.search import (
    Budget,
    Search,
    end_search,
    is_made,
    is_over,
    new_search,
    open_search,
    records,
    requeue_lost,
    run_trials,
)
from eighteen.tuning.space import point_of
from eighteen.tuning.trials import TrainRun, objective, recipe_of
from eighteen.tuning.tune_result import as_result

SEARCH_SHARE = 0.5
"""Least share of a time budget that the search gets; the confirmation gets what it needs of the rest."""


def begin(asked: Asked, url: str, begun_in: str) -> None:
    """Makes the search in its storage, with the default as its first trial; one that is there stays.

    Args:
        asked: what is searched.
        url: the storage that is given now.
        begun_in: the storage of the study.

    Raises:
        RunError: it was begun in another storage.
    """
    if is_made(url, asked.search):
        return
    if storage.without_password(url) != begun_in:
        raise RunError(
            f"the storage {storage.without_password(url)} does not hold this search, which was begun in "
            f"{begun_in}; give that one with --storage or EIGHTEEN_STORAGE"
        )
    default = point_of(asked.resolved, asked.space)
    new_search(url, asked.space, default, name=asked.search, maximise=asked.maximise, method=asked.method)


def opened(asked: Asked, url: str, worker: int = 0) -> Search:
    """The search, with a sampler of its own for each process."""
    epochs = asked.resolved.training.epochs
    assert epochs != "auto"
    return open_search(
        url,
        asked.space,
        name=asked.search,
        method=asked.method,
        seed=asked.recipe.seed + 7_919 * worker,
        most_steps=epochs,
    )


def search_on(
    search: Search,
    asked: Asked,
    train_run: TrainRun,
    progress: Progress,
    until: Callable[[], float] | None = None,
) -> None:
    """Makes trials until the budget of the search is used up; what processes have lost is made again.

    Args:
        search: where trials are asked for and told.
        asked: the budget, among others.
        train_run: makes a run.
        progress: told how far it is.
        until: when it has to end, if that was settled before, as `ends_at` gives it.

    Raises:
        Interrupted: the user stopped it.
    """
    again = 0 if is_over(search) else requeue_lost(search)
    if again:
        progress("note", 0, 0, f"{again} trials were cut off and are made again")
    batch = asked.resolved.training.batch_size
    assert batch != "auto"
    made = objective(_told(train_run, search, asked, progress), asked.recipe, batch, asked.metric)
    run_trials(search, made, Budget(asked.trials, until or ends_at(search, asked)))


def records_made(search: Search) -> list[Record]:
    """Trials that have ended well or badly."""
    return [row for row in records(search) if row.state in ("complete", "pruned", "failed")]


def finished(
    study: Study,
    search: Search,
    asked: Asked,
    dataset: Dataset,
    score_part: ScorePart,
    progress: Progress,
) -> dict[str, Any]:
    """Confirms the winners and puts everything into one answer.

    Raises:
        TrainingError: the default trial failed, so that there is nothing to compare with.
        ContenderFailed: so did one of its trainings on fresh folds.
    """
    rows = records(search)
    default = _default(rows)
    known = outside_test(dataset)
    best = [row for row in ranked(rows, asked.maximise) if not row.is_default and _beats(row, default, asked)]
    failed: list[str] = []
    end_search(search)
    while True:
        try:
            chosen, confirmed = _confirmed(asked, default, best, known, score_part, progress)
            break
        except ContenderFailed as error:
            lost = next((row for row in best if _winner(row) == error.name), None)
            if lost is None:
                raise
            best.remove(lost)
            failed.append(f"Trial {lost.number} did better on validation and is left out: {error}.")
            progress("note", 0, 0, failed[-1])
    return as_result(study, search, asked, rows, default, chosen, confirmed, failed)


def _confirmed(
    asked: Asked,
    default: Record,
    best: list[Record],
    known: Dataset,
    score_part: ScorePart,
    progress: Progress,
) -> tuple[Record | None, Confirmed]:
    """The winner, if any trial did better than the default, and what fresh trainings say of both."""
    wanted = max(1, min(asked.winners, len(best)))
    winners, effort = _after_search(asked, _usual_s([default, *best[:wanted]]), wanted, 1 + bool(best))
    if winners < wanted:
        progress("note", 0, 0, f"no time is left to choose among {wanted} winners; {winners} instead")
    chosen = _chosen(best[:winners], asked, Effort(effort.folds, 1), known, score_part, progress)
    recipes = {"default": recipe_of(default, asked)}
    if chosen is not None:
        recipes["best"] = recipe_of(chosen, asked)
    try:
        confirmed = confirming.confirm(recipes, known, effort, asked.metric, score_part, progress)
    except ContenderFailed as error:
        if chosen is None or error.name != "best":
            raise
        raise error.named(_winner(chosen)) from error
    return chosen, confirmed


def _winner(row: Record) -> str:
    return f"winner-{row.number}"


def _usual_s(rows: Sequence[Record]) -> float:
    """Seconds of a training of these, on average: a winner may take several times as long as the default."""
    return fmean(row.seconds or 0.0 for row in rows)


def _told(train_run: TrainRun, search: Search, asked: Asked, progress: Progress) -> TrainRun:
    def told(name: str, recipe: Recipe, watch: Any) -> Run:
        begun = len(records(search))
        of = f" of {asked.trials}" if asked.trials else ""
        best = ranked(records(search), asked.maximise)
        so_far = f", best {asked.metric} so far {best[0].value:.4f}" if best else ""
        progress("note", begun, asked.trials or 0, f"trial {begun}{of}{so_far}")
        return train_run(name, recipe, watch)

    return told


def ends_at(search: Search, asked: Asked) -> Callable[[], float] | None:
    """When searching has to end, so that what comes after it still fits into the budget.

    The default's trial tells how long a training takes. It may be made elsewhere and still be running here,
    so the answer is computed each time anew.
    """
    if asked.minutes is None:
        return None
    total_s = 60 * asked.minutes
    spent_s = sum(row.seconds or 0.0 for row in records(search)) / asked.workers
    ends = time.time() + total_s - spent_s

    def until() -> float:
        rows = records(search)
        known = [row for row in rows if row.is_default and row.seconds]
        training_s = _usual_s([*known, *ranked(rows, asked.maximise)[:1]]) if known else 0.0
        winners, effort = _after_search(asked, training_s, asked.winners, contenders=2)
        return ends - confirming.trainings_after(winners, 2, effort) * training_s

    return until


def _after_search(asked: Asked, training_s: float, winners: int, contenders: int) -> tuple[int, Effort]:
    """How many winners are chosen among, and how they are confirmed."""
    wanted = Effort(asked.folds, asked.seeds)
    if asked.minutes is None:
        return winners, wanted
    seconds = (1 - SEARCH_SHARE) * 60 * asked.minutes
    return confirming.fitting_choice(wanted, winners, contenders, training_s, seconds)


def _default(rows: list[Record]) -> Record:
    row = next((row for row in rows if row.is_default), None)
    if row is None or row.state != "complete":
        if row is not None and row.state == "running":
            raise TrainingError(
                "the default recipe, which everything is compared with, is being trained by another process, "
                "or was cut off when it began: go on with --resume in ten minutes"
            )
        why = "it was not made" if row is None else row.error or f"it is {row.state}"
        raise TrainingError(
            f"the default recipe, which everything is compared with, has no result: {why}. Change what it "
            f"starts from with --set and start a new study"
        )
    return row


def _beats(row: Record, default: Record, asked: Asked) -> bool:
    assert row.value is not None and default.value is not None
    return row.value > default.value if asked.maximise else row.value < default.value


def _chosen(
    winners: list[Record],
    asked: Asked,
    effort: Effort,
    known: Dataset,
    score_part: ScorePart,
    progress: Progress,
) -> Record | None:
    """The winner; of several, the best with a seed and on folds that the confirmation does not use."""
    if len(winners) < 2:
        return winners[0] if winners else None
    recipes = {_winner(row): recipe_of(row, asked) for row in winners}
    recipes = {
        name: recipe.model_copy(update={"seed": recipe.seed + confirming.FRESH_SEEDS})
        for name, recipe in recipes.items()
    }
    found = confirming.confirm(recipes, known, effort, asked.metric, score_part, progress, turn=1).measures
    sign = 1 if asked.maximise else -1
    values = [sign * (found[name].value or 0.0) for name in recipes]
    return winners[values.index(max(values))]
