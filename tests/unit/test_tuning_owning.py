"""A trial whose process is gone is made again, exactly once, whatever moment it was killed at."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from eighteen.core.errors import RunError
from eighteen.tuning import owning, storage, tune
from eighteen.tuning.search import (
    Budget,
    Search,
    end_search,
    is_made,
    new_search,
    open_search,
    records,
    requeue_lost,
    run_trials,
)
from eighteen.tuning.space import Parameter
from eighteen.tuning.trial import Report, Trial

SPACE = (Parameter("lr", 0.001, 1.0, log=True),)


def opened(url: str, method: str = "random") -> Search:
    return open_search(url, SPACE, name="s", method=method, seed=0, most_steps=1)


def begun(url: str, method: str = "random") -> Search:
    new_search(url, SPACE, {"lr": 0.1}, name="s", maximise=True, method=method)
    return opened(url, method)


def worth(trial: Trial, report: Report) -> float:
    return float(trial.point["lr"])


@pytest.fixture
def url(tmp_path: Path) -> str:
    return storage.sqlite_url(tmp_path)


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_a_search_that_goes_on_draws_other_points(url: str, method: str) -> None:
    run_trials(begun(url, method), worth, Budget(trials=5))
    run_trials(opened(url, method), worth, Budget(trials=9))
    points = [row.point["lr"] for row in records(opened(url, method))]
    assert len(points) == len(set(points)) == 9


def test_a_trial_that_was_killed_before_it_could_sign_is_made_again(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = begun(url)
    search.study.ask()
    assert requeue_lost(search) == 0, "it may still be on its way"
    monkeypatch.setattr(owning, "SIGNING_S", -1)
    assert requeue_lost(search) == 1
    run_trials(search, worth, Budget(trials=2))
    rows = records(search)
    assert [(row.is_default, row.state) for row in rows] == [(True, "complete"), (False, "complete")]
    assert rows[0].point == {"lr": 0.1}


def test_a_process_of_another_machine_lives_as_long_as_it_gives_signs(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = begun(url)
    trial = search.study.ask()
    with monkeypatch.context() as patch:
        patch.setattr(owning.platform, "node", lambda: "elsewhere")
        owning.sign(trial)
    assert requeue_lost(search) == 0
    monkeypatch.setattr(owning, "SIGN_OF_LIFE_S", -1)
    assert requeue_lost(search) == 1


@pytest.mark.parametrize("last", ["enqueue_trial", "set_trial_user_attr", "tell"])
def test_a_kill_while_a_lost_trial_is_queued_again_neither_loses_nor_doubles_it(
    url: str, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    """The process gets as far as `last`, and is killed right after it."""
    search = begun(url)
    trial = search.study.ask()
    owning.sign(trial)
    monkeypatch.setattr(owning, "_lives", lambda pid, born: False)
    place = search.study if hasattr(optuna.Study, last) else search.study._storage
    made = getattr(place, last)

    def then_killed(*arguments: Any, **named: Any) -> None:
        made(*arguments, **named)
        raise SystemExit

    monkeypatch.setattr(place, last, then_killed)
    with pytest.raises(SystemExit):
        requeue_lost(search)
    monkeypatch.setattr(place, last, made)
    requeue_lost(search)
    run_trials(search, worth, Budget(trials=3))
    rows = records(search)
    assert [row.state for row in rows] == ["complete"] * 3
    assert [row.is_default for row in rows] == [True, False, False]


def test_two_processes_that_find_the_same_lost_trial_make_it_once(url: str) -> None:
    search = begun(url)
    lost = search.study.get_trials()[search.study.ask().number]
    owning.queue_again(search.study, lost, "killed")
    # The slower one has looked for successors before there was one.
    search.study.enqueue_trial({"lr": 0.1}, user_attrs={"default": True, "instead_of": lost.number})
    owning.queue_again(search.study, lost, "killed")
    made: list[int] = []

    def counted(trial: Trial, report: Report) -> float:
        made.append(trial.number)
        return worth(trial, report)

    run_trials(search, counted, Budget(trials=2))
    assert len(made) == 2
    assert [row.is_default for row in records(search)] == [True, False]


def test_a_trial_that_was_given_up_for_lost_ends_without_a_word(url: str) -> None:
    """Its process lives, and learns at its end that the trial is made elsewhere."""
    search = begun(url)

    def given_up(trial: Trial, report: Report) -> float:
        if trial.number == 0:
            row = search.study.get_trials()[0]
            owning.queue_again(search.study, row, "no sign of life")
        return worth(trial, report)

    run_trials(search, given_up, Budget(trials=2))
    assert [row.state for row in records(search)] == ["complete"] * 2


def test_a_search_that_was_killed_while_it_was_made_is_made_anew(url: str) -> None:
    torso = optuna.create_study(storage=storage.opened(url), study_name="s", direction="maximize")
    torso.enqueue_trial({"lr": 0.5})
    assert not is_made(url, "s")
    with pytest.raises(RunError, match=r"no search 's'.*just been started.*--storage"):
        opened(url)
    search = begun(url)
    run_trials(search, worth, Budget(trials=2))
    assert records(search)[0].point == {"lr": 0.1}


def test_a_search_is_not_begun_again_in_another_storage(url: str, tmp_path: Path) -> None:
    """Not even where the study names none: its trials are in its own folder."""
    elsewhere = f"sqlite:///{tmp_path}/elsewhere.db"
    asked: Any = SimpleNamespace(search="s", storage=None)
    with pytest.raises(RunError, match=r"not hold this search, which was begun in sqlite.*EIGHTEEN_STORAGE"):
        tune.begin(asked, elsewhere, url)


def test_nobody_makes_trials_of_a_search_that_is_over(url: str) -> None:
    search = begun(url)
    run_trials(search, worth, Budget(trials=2))
    end_search(search)
    run_trials(opened(url), worth, Budget(trials=9))
    assert len(records(search)) == 2
    assert all(trial.state == TrialState.COMPLETE for trial in search.study.get_trials())
