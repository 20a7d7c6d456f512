"""A search: trials that are asked for, made and told, by any number of processes on one storage.

In come a space, a method and a function that makes one trial; out come records of all of them. The search
knows nothing of pictures: what a trial costs and means is the function's business. A trial that fails is kept
with its error and the search goes on; one whose process was killed is queued again, under the same name, so
that it can go on from what it had saved. The default comes first, also where it is made again.

The methods are optuna's: grid, random, TPE (Bergstra et al. 2011), Gaussian processes, and TPE with Hyperband
(Li et al. 2018). All but grid and hyperband stop a trial early that does worse than the median of the others
at the same step.
"""

from __future__ import annotations

import itertools
import os
import platform
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import psutil
from optuna import pruners, samplers
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from eighteen.core.errors import Interrupted, RecipeError, TrainingError
from eighteen.tuning import storage
from eighteen.tuning.records import Record, record_of
from eighteen.tuning.space import Parameter, Point
from eighteen.tuning.trial import Objective, Pruned, Trial

METHODS = ("tpe", "random", "gp", "hyperband", "grid")

HOPELESS = 20
"""So many failures in a row end a search: the next one would fail as well."""

MOST_GRID_POINTS = 2_000


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
    points = _grid_points(space) if method == "grid" else []
    made = optuna.create_study(
        storage=storage.opened(url),
        study_name=name,
        direction="maximize" if maximise else "minimize",
    )
    if default is not None:
        made.enqueue_trial(dict(default), user_attrs={"default": True})
    for point in points:
        made.enqueue_trial(point)


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
    """
    study = optuna.load_study(
        study_name=name,
        storage=storage.opened(url),
        sampler=_sampler(method, seed),
        pruner=_pruner(method, most_steps),
    )
    return Search(study, tuple(space), method == "grid")


def search_in_memory(
    space: Sequence[Parameter], *, method: str, maximise: bool, seed: int, most_steps: int
) -> Search:
    """A search that nobody else can join and that ends with this process."""
    study = optuna.create_study(
        storage=storage.opened(None),
        direction="maximize" if maximise else "minimize",
        sampler=_sampler(method, seed),
        pruner=_pruner(method, most_steps),
    )
    return Search(study, tuple(space), is_grid=False)


def run_trials(search: Search, objective: Objective, budget: Budget) -> None:
    """Makes trials until the budget is used up.

    Raises:
        Interrupted: the user stopped it; the trial is queued again.
        TrainingError: every one of many trials in a row failed.
    """
    while _goes_on(search, budget):
        trial = _next(search)
        if _is_surplus(search, trial, budget):
            # Another process asked at the same moment.
            trial.set_user_attr("surplus", True)
            search.study.tell(trial, state=TrialState.FAIL)
            return
        _make(search, trial, objective)
        _despair(records(search))


def requeue_lost(search: Search) -> int:
    """Queues the trials of killed processes of this machine again; returns how many."""
    lost = [trial for trial in search.study.get_trials(deepcopy=False) if _is_lost(trial)]
    for trial in lost:
        _queue_again(search, trial, "its process was killed")
    return len(lost)


def records(search: Search) -> list[Record]:
    """Every trial, in the order of asking; those made again stand once."""
    trials = search.study.get_trials(deepcopy=False)
    return [record_of(trial) for trial in trials if not _is_void(trial)]


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
    return sum(each.number < trial.number and not _is_void(each) for each in begun) >= budget.trials


def _make(search: Search, trial: optuna.Trial, objective: Objective) -> None:
    attributes = trial.user_attrs
    name = attributes.get("name", f"trial-{trial.number:04d}")
    # What a stopped or killed process spent on it counts too: budgets go by it.
    began = time.time() - attributes.get("seconds", 0.0)
    for key, value in {"name": name, "pid": os.getpid(), "host": platform.node(), "born": _born()}.items():
        trial.set_user_attr(key, value)
    is_default = bool(attributes.get("default", False))

    def spent() -> None:
        trial.set_user_attr("seconds", time.time() - began)

    def report(step: int, value: float) -> None:
        trial.report(value, step)
        spent()
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
            spent()
    except Pruned:
        search.study.tell(trial, state=TrialState.PRUNED)
    except (Interrupted, KeyboardInterrupt):
        _queue_again(search, search.study.get_trials(deepcopy=False)[trial.number], "stopped by the user")
        raise
    except Exception as error:  # noqa: BLE001 - whatever a trial dies of is kept, and the next one is made
        trial.set_user_attr("error", f"{type(error).__name__}: {error}")
        trial.set_user_attr("traceback", traceback.format_exc())
        search.study.tell(trial, state=TrialState.FAIL)
    else:
        search.study.tell(trial, value)


def _goes_on(search: Search, budget: Budget) -> bool:
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
    return sum(_is_void(trial) for trial in search.study.get_trials(deepcopy=False))


def _is_void(trial: FrozenTrial) -> bool:
    """Whether it stands for nothing: made again under another number, or one too many."""
    return bool(trial.user_attrs.keys() & {"surplus", "again"})


def _despair(rows: Sequence[Record]) -> None:
    ended = [row for row in rows if row.state in ("complete", "pruned", "failed")][-HOPELESS:]
    if len(ended) == HOPELESS and all(row.state == "failed" for row in ended):
        raise TrainingError(
            f"the last {HOPELESS} trials failed, the last one with: {ended[-1].error}; look at its settings, "
            f"narrow the space with --space, and go on with --resume"
        )


def _is_lost(trial: FrozenTrial) -> bool:
    """Whether a running trial's process is gone; of other machines nothing is known."""
    attributes = trial.user_attrs
    if trial.state != TrialState.RUNNING or attributes.get("host") != platform.node():
        return False
    return not _lives(int(attributes["pid"]), float(attributes["born"]))


def _lives(pid: int, born: float) -> bool:
    try:
        return bool(abs(psutil.Process(pid).create_time() - born) < 2)
    except psutil.NoSuchProcess:
        return False


def _born() -> float:
    return float(psutil.Process().create_time())


def _queue_again(search: Search, trial: FrozenTrial, why: str) -> None:
    lasting = ("name", "default", "notes", "batch", "seconds")
    kept = {key: value for key, value in trial.user_attrs.items() if key in lasting}
    search.study._storage.set_trial_user_attr(trial._trial_id, "again", why)
    search.study.tell(trial.number, state=TrialState.FAIL)
    search.study.enqueue_trial(dict(trial.params), user_attrs=kept)


def _grid_points(space: Sequence[Parameter]) -> list[dict[str, Any]]:
    """All combinations, in an order without a system, so that a grid that is cut short has seen all sides."""
    values = [each.grid for each in space]
    count = int(np.prod([len(each) for each in values]))
    if count > MOST_GRID_POINTS:
        raise RecipeError(
            f"the grid has {count:,} points, {len(space)} fields with up to {max(map(len, values))} values; "
            f"expected at most {MOST_GRID_POINTS:,}. Name fewer: --space none "
            f"--space optimizer.lr=0.01,0.03,0.1"
        )
    names = [each.name for each in space]
    points = [dict(zip(names, each, strict=True)) for each in itertools.product(*values)]
    return [points[row] for row in np.random.default_rng(0).permutation(len(points))]


def _sampler(method: str, seed: int) -> samplers.BaseSampler:
    if method == "gp":
        return samplers.GPSampler(seed=seed, deterministic_objective=False)
    if method in ("tpe", "hyperband"):
        return samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
    return samplers.RandomSampler(seed=seed)


def _pruner(method: str, most_steps: int) -> pruners.BasePruner:
    if method == "hyperband":
        return pruners.HyperbandPruner(min_resource=1, max_resource=max(1, most_steps), reduction_factor=3)
    return pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=max(1, most_steps // 3))
