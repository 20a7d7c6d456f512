"""Searching for better settings and practices, as functions: each leaves a study and resumes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from eighteen.api.data import PathLike, audited, pinned
from eighteen.api.locked import require_closed_test, require_test_split
from eighteen.core.config import set_by_user
from eighteen.core.dataset import SPLITS, Dataset
from eighteen.core.errors import EighteenError
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.core.run import require_absent
from eighteen.core.study import Study

if TYPE_CHECKING:
    from eighteen.tuning.asked import Asked


def tune(
    data: PathLike | Dataset,
    out: PathLike,
    recipe: Recipe | None = None,
    *,
    method: str = "tpe",
    metric: str = "balanced_accuracy",
    trials: int | None = None,
    minutes: float | None = None,
    space: tuple[str, ...] = (),
    folds: int | None = None,
    seeds: int = 2,
    winners: int = 1,
    workers: int = 1,
    storage: str | None = None,
    progress: Progress = silent,
) -> Study:
    """Searches for settings that beat the default recipe, and confirms the best on fresh seeds and folds.

    Args:
        data: a path for `read`, or a data set.
        out: the study's folder to make; it must not exist.
        recipe: the default that is to be beaten; None takes the default recipe.
        method: "tpe", "random", "gp", "hyperband" or "grid".
        metric: "accuracy", "balanced_accuracy", "macro_f1" or "nll", on validation.
        trials: most trials, the default among them.
        minutes: for search and confirmation together; at least one of the two is needed.
        space: `field=low..high` or `field=a,b,c`, changing or adding to what is searched.
        folds: of the confirmation; None takes 5 up to 5,000 pictures outside the test split, and 1 above: a
            fresh fold of five, without validation pictures.
        seeds: of the confirmation.
        winners: how many trials are trained anew, 1 to 3.
        workers: processes on this machine.
        storage: `postgresql://…`; None takes SQLite in the study's folder.

    Returns:
        The finished study; its `result` is the answer.

    Raises:
        RecipeError: a range that the recipe refuses, no budget, and the like; all at once. Or a teacher or
            the weights of a run have learned from these pictures, or the recipe opens the test split.
        DatasetError: the confirmation cannot be dealt, or a fold holds all pictures of a class.
        GateError: a finding blocks training.
        Interrupted: the user stopped it; `resume_tune` goes on.
    """
    _require_optuna()
    from eighteen.evaluating.heldout import default_folds
    from eighteen.training.unseen import check_weights_of_study
    from eighteen.tuning.asked import asked_for

    recipe, out = pinned(recipe or Recipe()), Path(out)
    require_absent(out)
    require_closed_test(recipe, "a search")
    found = audited(data, recipe, progress)
    check_weights_of_study(recipe, found.dataset, SPLITS)
    asked = asked_for(
        recipe,
        found.dataset,
        space,
        method=method,
        metric=metric,
        trials=trials,
        minutes=minutes,
        folds=folds or default_folds(found.dataset),
        seeds=seeds,
        winners=winners,
        workers=workers,
        storage_url=storage,
        search=f"{out.name}-{time.time_ns():x}",
    )
    _check_search(asked, found.dataset)
    with Study.creating(out, "tune", asked.to_json()) as staging:
        staging.save_dataset(found.dataset)
    return resume_tune(out, storage=storage, progress=progress)


def resume_tune(study: PathLike, *, storage: str | None = None, progress: Progress = silent) -> Study:
    """Goes on with a search; what was made is not made again, and a trial that was cut off goes on.

    Args:
        study: its folder.
        storage: its URL once more, where it holds a password.

    Raises:
        RunError: there is no such study, or its storage cannot be reached.
    """
    _require_optuna()
    from eighteen.evaluating.heldout import outside_test
    from eighteen.reporting.study_page import write_study_report
    from eighteen.tuning import confirming, tune, workers
    from eighteen.tuning.trials import trainer

    work = _tuning(study, storage)
    opened, asked = work.study, work.asked
    if opened.info["state"] == "complete":
        write_study_report(opened)
        return opened
    with opened.working():
        tune.begin(asked, work.url, asked.begun_in(opened.path))
        search = tune.opened(asked, work.url)
        train_run, until = trainer(opened, opened.dataset, progress), tune.ends_at(search, asked)
        with workers.helpers(opened.path, asked.workers - 1, work.url, progress):
            tune.search_on(search, asked, train_run, progress, until)
        # Once more, for what a killed helper has left.
        tune.search_on(search, asked, train_run, progress, until)
        scorer = confirming.part_scorer(opened, outside_test(opened.dataset), progress)
        opened.save_result(tune.finished(opened, search, asked, opened.dataset, scorer, progress))
        opened.set_state("complete")
    write_study_report(opened)
    return opened


def join_tune(study: PathLike, *, storage: str | None = None, progress: Progress = silent) -> int:
    """Makes trials of a search that runs elsewhere, until its budget is used up; returns how many are done.

    Raises:
        RunError: there is no such study, or its storage cannot be reached.
        Interrupted: the user stopped it; the trial is made again by another process.
    """
    _require_optuna()
    from eighteen.tuning import tune
    from eighteen.tuning.trials import trainer

    work = _tuning(study, storage)
    search = tune.opened(work.asked, work.url, worker=os.getpid())
    tune.search_on(search, work.asked, trainer(work.study, work.study.dataset, progress), progress)
    return len(tune.records_made(search))


def climb(
    data: PathLike | Dataset,
    out: PathLike,
    recipe: Recipe | None = None,
    *,
    start: str = "textbook",
    only: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
    metric: str = "accuracy",
    minutes: float | None = None,
    folds: int = 3,
    seeds: int = 2,
    open_test: bool = False,
    progress: Progress = silent,
) -> Study:
    """Climbs from the textbook's recipe through the best practices, and keeps what evidence speaks for.

    Args:
        data: a path for `read`, or a data set.
        out: the study's folder to make; it must not exist.
        recipe: the default recipe, which the end is compared with; the user's own settings stay everywhere.
        start: "textbook", or "default" to climb from the default recipe.
        only, without: names of rungs; all are offered where none is named.
        metric: "accuracy", "balanced_accuracy", "macro_f1" or "nll".
        minutes: for everything together; None sets no limit.
        folds: of the climb and of the confirmation.
        seeds: of the confirmation.
        open_test: score the locked test split once, with the last training; so does `evaluation.open_test`.

    Returns:
        The finished study; its `result` is the answer.

    Raises:
        RecipeError: an unknown rung, metric or start, or a teacher or the weights of a run have learned from
            these pictures.
        DatasetError: the test split is to be opened and there is none; folds cannot be dealt, or one holds
            all pictures of a class.
        GateError: a finding blocks training.
        Interrupted: the user stopped it; `resume_climb` goes on.
    """
    from eighteen.evaluating.heldout import check_study, outside_test
    from eighteen.tuning import confirming
    from eighteen.tuning.climb_plan import AskedClimb

    fixed = set_by_user(recipe or Recipe())
    recipe, out = pinned(recipe or Recipe()), Path(out)
    require_absent(out)
    open_test = open_test or recipe.evaluation.open_test
    asked = AskedClimb(recipe, start, only, without, metric, minutes, folds, seeds, open_test, fixed)
    found = audited(data, recipe, progress)
    if open_test:
        require_test_split(found.dataset, "--test (evaluation.open_test)")
    check_study(found.dataset, [recipe], folds, measured=SPLITS)
    effort, salt = confirming.Effort(folds, seeds), recipe.data.split_seed
    confirming.check_dealings(outside_test(found.dataset), effort, salt, minutes is not None)
    with Study.creating(out, "climb", asked.to_json()) as staging:
        staging.save_dataset(found.dataset)
    return resume_climb(out, progress)


def resume_climb(study: PathLike, progress: Progress = silent) -> Study:
    """Goes on with an interrupted climb; finished trainings are not made again.

    Raises:
        RunError: there is no such study.
    """
    from eighteen.evaluating.evaluate import evaluate_once
    from eighteen.evaluating.heldout import outside_test
    from eighteen.reporting.page import write_report
    from eighteen.reporting.study_page import write_study_report
    from eighteen.tuning import climb, confirming
    from eighteen.tuning.climb_plan import AskedClimb
    from eighteen.tuning.trials import trainer

    opened = Study.open(study, "climb")
    asked = AskedClimb.from_json(opened.asked)
    if opened.info["state"] == "complete":
        write_study_report(opened)
        return opened
    dataset = opened.dataset
    trainers = climb.folder_trainers(opened, outside_test(dataset), progress)
    with opened.working():
        outcome = climb.climbed_and_confirmed(asked, dataset, *trainers, progress)
        name = confirming.tagged("best", outcome.final)
        run = trainer(opened, dataset, progress)(name, outcome.final, lambda row: None)
        if asked.open_test:
            evaluate_once(run, "test", progress)
        write_report(run)
        runs = {"best": run.path.as_posix(), "default": opened.run_path(outcome.default_run).as_posix()}
        opened.save_result(climb.as_result(asked, outcome, runs))
        opened.set_state("complete")
    write_study_report(opened)
    return opened


@dataclass(frozen=True)
class _Tuning:
    """An opened search study and where its trials are."""

    study: Study
    asked: Asked
    url: str


def _check_search(asked: Asked, dataset: Dataset) -> None:
    """Says before the study is there what its trials or its confirmation could not do."""
    from eighteen.evaluating.heldout import outside_test
    from eighteen.training.teaching import require_foreign_teachers
    from eighteen.tuning import confirming
    from eighteen.tuning.space import with_point

    name = "training.teacher"
    chosen = [choice for each in asked.space if each.name == name for choice in each.choices]
    for recipe in (asked.recipe, *(with_point(asked.recipe, {name: each}) for each in chosen)):
        require_foreign_teachers(recipe, dataset)
    effort, salt = confirming.Effort(asked.folds, asked.seeds), asked.recipe.data.split_seed
    turns = (0, 1) if asked.winners > 1 else (0,)
    confirming.check_dealings(outside_test(dataset), effort, salt, asked.minutes is not None, turns)


def _require_optuna() -> None:
    if find_spec("optuna") is None:
        raise EighteenError(
            "searching needs optuna, which is not installed; install it with: "
            "python -m pip install -c constraints.txt '.[tune]'"
        )


def _tuning(study: PathLike, storage_url: str | None) -> _Tuning:
    from eighteen.tuning.asked import Asked

    opened = Study.open(study, "tune")
    asked = Asked.from_json(opened.asked)
    return _Tuning(opened, asked, storage_url or asked.begun_in(opened.path))
