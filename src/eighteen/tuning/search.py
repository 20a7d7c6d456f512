"""A search: trials that are asked for, made and told, by any number of processes on one storage.

In come a space, a method and a function that makes one trial; out come records of all of them. The search
knows nothing of pictures: what a trial costs and means is the function's business. A trial that fails is kept
with its error and the search goes on; one whose process is gone is asked for again (`owning`). The default
comes first, also where it is made again.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from eighteen.core.errors import Interrupted, RecipeError, RunError, TrainingError
from eighteen.tuning import storage
from eighteen.tuning.methods import METHODS, grid_points, pruner_of, sampler_of
from eighteen.tuning.owning import give_sign, is_second_successor, is_void, lost, queue_again, sign, tell
from eighteen.tuning.records import Record, record_of
from eighteen.tuning.space import Parameter, Point
from eighteen.tuning.trial import Objective, Pruned, Trial

HOPELESS = 20
"""So many failures in a row end a search: the next one would fail as well."""

READY, OVER = "ready", "over"
"""Attributes of a search that has all that it begins with, and of one whose budget was used up."""


@dataclass(frozen=True)
class Budget:
    """When a search ends, whichever comes first.

    Attributes:
        trials: so many trials in all.
        until: gives a time as `time.time()` does; asked before each trial, as each tells more of the costs.
    """

    trials: int | None = None
    until: Callable[[], float] | None = None


@dataclass(frozen=True)
class Search:
    """An opened search."""

    study: optuna.Study
    space: tuple[Parameter, ...]
    is_grid: bool


def new_search(
    url: str | None,
    space: Sequence[Parameter],
    default: Point | None,
    *,
    name: str,
    maximise: bool,
    method: str,
) -> None:
    """Makes a search whose first trial is the default.

    Raises:
        RecipeError: the method is not known, or the grid is too large.
        RunError: the storage cannot be reached.
    """
    if method not in METHODS:
        raise RecipeError(f"there is no method '{method}'; expected one of {', '.join(METHODS)}")
    points = grid_points(space) if method == "grid" else []
    where = storage.opened(url)
    if _is_there(where, name) and not _is_whole(where, name):
        optuna.delete_study(study_name=name, storage=where)
    made = optuna.create_study(
        storage=where, study_name=name, direction="maximize" if maximise else "minimize"
    )
    if default is not None:
        made.enqueue_trial(dict(default), user_attrs={"default": True})
    for point in points:
        made.enqueue_trial(point)
    made.set_user_attr(READY, True)


def is_made(url: str | None, name: str) -> bool:
    """Whether there is such a search, with all that it begins with."""
    where = storage.opened(url)
    return _is_there(where, name) and _is_whole(where, name)


def _is_there(where: BaseStorage, name: str) -> bool:
    return name in optuna.get_all_study_names(where)


def _is_whole(where: BaseStorage, name: str) -> bool:
    """Whether the process that was making it came to an end; it did where a trial has begun."""
    found = optuna.load_study(study_name=name, storage=where)
    begun = any(trial.state != TrialState.WAITING for trial in found.get_trials(deepcopy=False))
    return begun or READY in found.user_attrs


def open_search(
    url: str | None, space: Sequence[Parameter], *, name: str, method: str, seed: int, most_steps: int
) -> Search:
    """Opens a search that was made before.

    Args:
        url: its storage.
        space: as it was made with.
        name: as it was made with.
        method: one of `METHODS`.
        seed: of the sampler; processes on one storage take different ones.
        most_steps: steps of a whole trial.

    Raises:
        RunError: there is no such search.
    """
    where = storage.opened(url)
    if not (_is_there(where, name) and _is_whole(where, name)):
        raise RunError(
            f"the storage holds no search '{name}'; if it has just been started, try again in a minute, and "
            f"if its trials are elsewhere, name that with --storage"
        )
    study = optuna.load_study(study_name=name, storage=where, pruner=pruner_of(method, most_steps))
    # A search that goes on draws other points than those it began with.
    begun = len(study.get_trials(deepcopy=False))
    study.sampler = sampler_of(method, int(np.random.SeedSequence((seed, begun)).generate_state(1)[0]))
    return Search(study, tuple(space), method == "grid")


def search_in_memory(
    space: Sequence[Parameter], *, method: str, maximise: bool, seed: int, most_steps: int
) -> Search:
    """A search that nobody else can join and that ends with this process."""
    study = optuna.create_study(
        storage=storage.opened(None),
        direction="maximize" if maximise else "minimize",
        sampler=sampler_of(method, seed),
        pruner=pruner_of(method, most_steps),
    )
    return Search(study, tuple(space), is_grid=False)


def run_trials(search: Search, objective: Objective, budget: Budget) -> None:
    """Makes trials until the budget is used up.

    Raises:
        Interrupted: the user stopped it; the trial is queued again.
        TrainingError: every one of many trials in a row failed.
    """
    failed_before = {row.number for row in records(search) if row.state == "failed"}
    while _goes_on(search, budget):
        trial = _next(search)
        if is_second_successor(search.study, trial) or _is_surplus(search, trial, budget):
            # Another process asked at the same moment.
            trial.set_user_attr("surplus", True)
            tell(search.study, trial, state=TrialState.FAIL)
            continue
        try:
            _make(search, trial, objective)
        except UpdateFinishedTrialError:
            # It was given up for lost and is made elsewhere.
            continue
        _despair([row for row in records(search) if row.number not in failed_before])


def requeue_lost(search: Search) -> int:
    """Queues the trials of processes that are gone again; returns how many."""
    found = lost(search.study)
    for trial in found:
        queue_again(search.study, trial, "its process was killed")
    return len(found)


def end_search(search: Search) -> None:
    """Writes down that the budget of the search was used up: nobody makes further trials."""
    search.study.set_user_attr(OVER, True)


def is_over(search: Search) -> bool:
    return OVER in search.study.user_attrs


def records(search: Search) -> list[Record]:
    """Every trial, in the order of asking; those made again stand once."""
    trials = search.study.get_trials(deepcopy=False)
    return [record_of(trial) for trial in trials if not is_void(trial)]


def importances(search: Search) -> dict[str, float]:
    """How much of what differs between trials each parameter explains; {} with too few trials to tell.

    Source: Hutter, Hoos and Leyton-Brown, An Efficient Approach for Assessing Hyperparameter Importance,
    ICML 2014 (fANOVA), as optuna computes it.
    """
    whole = [row for row in records(search) if row.state == "complete"]
    if len(whole) < 4 * max(2, len(search.space)) or len({row.value for row in whole}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return dict(optuna.importance.get_param_importances(search.study, evaluator=evaluator))


def _next(search: Search) -> optuna.Trial:
    """The default where it waits, which after a stop lies behind all else; then what the method asks for."""
    distributions = {each.name: each.distribution for each in search.space}
    waiting = _waiting_default(search)
    if waiting is None or not _claimed(search, waiting):
        return search.study.ask(distributions)
    trial = optuna.Trial(search.study, waiting._trial_id)
    for name, distribution in distributions.items():
        trial._suggest(name, distribution)
    return trial


def _waiting_default(search: Search) -> FrozenTrial | None:
    waiting = search.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    return next((trial for trial in waiting if trial.user_attrs.get("default")), None)


def _claimed(search: Search, trial: FrozenTrial) -> bool:
    """Whether no other process was faster."""
    try:
        return search.study._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
    except UpdateFinishedTrialError:
        return False


def _is_surplus(search: Search, trial: optuna.Trial, budget: Budget) -> bool:
    """Whether the budget was used up by trials that others asked for at the same moment."""
    if budget.trials is None or trial.user_attrs.get("default"):
        return False
    begun = [each for each in search.study.get_trials(deepcopy=False) if each.state != TrialState.WAITING]
    return sum(each.number < trial.number and not is_void(each) for each in begun) >= budget.trials


def _make(search: Search, trial: optuna.Trial, objective: Objective) -> None:
    attributes = trial.user_attrs
    name = attributes.get("name", f"trial-{trial.number:04d}")
    # What a stopped or killed process spent on it counts too: budgets go by it.
    began = time.time() - attributes.get("seconds", 0.0)
    sign(trial)
    trial.set_user_attr("name", name)
    is_default = bool(attributes.get("default", False))

    def spent() -> None:
        trial.set_user_attr("seconds", time.time() - began)

    def report(step: int, value: float) -> None:
        trial.report(value, step)
        spent()
        give_sign(trial)
        if not is_default and not search.is_grid and trial.should_prune():
            raise Pruned(f"stopped after step {step}")

    def note(sentence: str) -> None:
        trial.set_user_attr("notes", [*trial.user_attrs.get("notes", []), sentence])

    def shrink(batch: int, name: str) -> None:
        trial.set_user_attr("batch", batch)
        trial.set_user_attr("name", name)

    batch = attributes.get("batch")
    asked = Trial(trial.number, name, dict(trial.params), is_default, batch, note, shrink)
    try:
        try:
            value = objective(asked, report)
        finally:
            # One that was given up for lost takes no more words, and must not hide what ended it.
            with suppress(UpdateFinishedTrialError):
                spent()
    except Pruned:
        tell(search.study, trial, state=TrialState.PRUNED)
    except (Interrupted, KeyboardInterrupt):
        queue_again(
            search.study, search.study.get_trials(deepcopy=False)[trial.number], "stopped by the user"
        )
        raise
    except Exception as error:  # noqa: BLE001 - whatever a trial dies of is kept, and the next one is made
        trial.set_user_attr("error", f"{type(error).__name__}: {error}")
        trial.set_user_attr("traceback", traceback.format_exc())
        tell(search.study, trial, state=TrialState.FAIL)
    else:
        tell(search.study, trial, value)


def _goes_on(search: Search, budget: Budget) -> bool:
    if is_over(search):
        return False
    # The default is always made, however short the time, and nothing can be compared without it.
    if _waiting_default(search) is not None:
        return True
    if any(row.is_default and row.state == "failed" for row in records(search)):
        return False
    trials = search.study.get_trials(deepcopy=False)
    begun = [trial for trial in trials if trial.state != TrialState.WAITING]
    if budget.trials is not None and len(begun) >= budget.trials + _lost(search):
        return False
    if search.is_grid and len(begun) == len(trials):
        return False
    return budget.until is None or time.time() < budget.until()


def _lost(search: Search) -> int:
    return sum(is_void(trial) for trial in search.study.get_trials(deepcopy=False))


def _despair(rows: Sequence[Record]) -> None:
    ended = [row for row in rows if row.state in ("complete", "pruned", "failed")][-HOPELESS:]
    if len(ended) == HOPELESS and all(row.state == "failed" for row in ended):
        raise TrainingError(
            f"the last {HOPELESS} trials failed, the last one with: {ended[-1].error}; look at its "
            f"settings, and start a new study with a narrower --space"
        )
