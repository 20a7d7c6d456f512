"""Whose a trial is, and what becomes of it when its process is gone.

A running trial carries its owner: the machine, the process and when that process was born. It is lost when
that process lives no more, when one of another machine has given no sign of life for an hour, or when there
is no owner after some minutes: its process was killed before it could sign.

A lost trial is asked for again, under the same name, so that it goes on from what it had saved. A kill at any
moment, or two processes that find the same lost trial, must neither lose it nor make it twice: the successor
comes first and names its predecessor, and of two successors the later one is dropped when its turn comes.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from datetime import datetime

import optuna
import psutil
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

SIGN_OF_LIFE_S = 3600
"""So long may a process of another machine be silent; it gives a sign after every epoch."""

SIGNING_S = 600
"""So long may it take from asking for a trial to signing it."""

_LASTING = ("name", "default", "notes", "batch", "seconds")


def sign(trial: optuna.Trial) -> None:
    """Writes this process into a trial."""
    owner = {"host": platform.node(), "pid": os.getpid(), "born": psutil.Process().create_time()}
    trial.set_user_attr("owner", owner)
    give_sign(trial)


def give_sign(trial: optuna.Trial) -> None:
    """Says that the trial's process lives."""
    trial.set_user_attr("alive", time.time())


def lost(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that run without a process."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return [trial for trial in running if _is_lost(trial)]


def queue_again(study: optuna.Study, trial: FrozenTrial, why: str) -> None:
    """Asks for a trial again, as its first attempt was asked for, and ends this one."""
    if not _successors(study, trial.number):
        kept = {key: value for key, value in trial.user_attrs.items() if key in _LASTING}
        point = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        study.enqueue_trial(point, user_attrs={**kept, "instead_of": trial.number})
    try:
        study._storage.set_trial_user_attr(trial._trial_id, "again", why)
    except UpdateFinishedTrialError:
        # Another process found it too and was faster.
        return
    tell(study, trial.number, state=TrialState.FAIL)


def tell(
    study: optuna.Study,
    trial: optuna.Trial | int,
    value: float | None = None,
    state: TrialState | None = None,
) -> None:
    """Ends a trial, unless it was given up for lost meanwhile and is made elsewhere."""
    try:
        study.tell(trial, value, state=state, skip_if_finished=True)
    except UpdateFinishedTrialError:
        return


def is_second_successor(study: optuna.Study, trial: optuna.Trial) -> bool:
    """Whether another trial takes the same lost one's place already."""
    before = trial.user_attrs.get("instead_of")
    return before is not None and _successors(study, before)[0].number < trial.number


def is_void(trial: FrozenTrial) -> bool:
    """Whether it stands for nothing: made again under another number, or one too many."""
    return bool(trial.user_attrs.keys() & {"surplus", "again"})


def _successors(study: optuna.Study, number: int) -> Sequence[FrozenTrial]:
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if trial.user_attrs.get("instead_of") == number]


def _is_lost(trial: FrozenTrial) -> bool:
    owner = trial.user_attrs.get("owner")
    if owner is None:
        assert trial.datetime_start is not None
        return (datetime.now() - trial.datetime_start).total_seconds() > SIGNING_S
    if owner["host"] != platform.node():
        return bool(time.time() - trial.user_attrs.get("alive", 0.0) > SIGN_OF_LIFE_S)
    return not _lives(owner["pid"], owner["born"])


def _lives(pid: int, born: float) -> bool:
    try:
        process = psutil.Process(pid)
        return bool(abs(process.create_time() - born) < 2 and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
