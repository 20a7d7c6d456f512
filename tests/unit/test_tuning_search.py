"""A search keeps what fails, makes again what was killed, and shares its trials between processes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from eighteen.core.errors import Interrupted, RecipeError, RunError, TrainingError
from eighteen.tuning import storage
from eighteen.tuning.methods import METHODS
from eighteen.tuning.records import Record, ranked
from eighteen.tuning.search import (
    Budget,
    Search,
    importances,
    new_search,
    open_search,
    records,
    requeue_lost,
    run_trials,
)
from eighteen.tuning.space import Parameter
from eighteen.tuning.trial import Objective, Report, Trial

SPACE = (
    Parameter("lr", 0.001, 1.0, log=True),
    Parameter("smoothing", 0.0, 0.3),
    Parameter("fit", choices=("squash", "crop")),
)
DEFAULT = {"lr": 0.1, "smoothing": 0.1, "fit": "squash"}


def begun(url: str | None, method: str = "random", seed: int = 0) -> Search:
    new_search(url, SPACE, DEFAULT, name="s", maximise=True, method=method)
    return opened(url, method, seed)


def opened(url: str | None, method: str = "random", seed: int = 0) -> Search:
    return open_search(url, SPACE, name="s", method=method, seed=seed, most_steps=4)


def valley(trial: Trial, report: Report) -> float:
    """Best at lr 0.01; how good shows from the first step on."""
    value = 1 - abs(SPACE[0].share(trial.point["lr"]) - 1 / 3)
    for step in range(1, 5):
        report(step, value * step / 4)
    return value


@pytest.fixture
def url(tmp_path: Path) -> str:
    return storage.sqlite_url(tmp_path)


@pytest.mark.parametrize("method", METHODS)
def test_the_default_comes_first_and_every_method_searches(method: str, url: str) -> None:
    search = begun(url, method)
    run_trials(search, valley, Budget(trials=8))
    rows = records(search)
    made = [row for row in rows if row.state != "waiting"]
    assert len(made) == 8
    assert made[0].is_default and made[0].point == DEFAULT and made[0].state == "complete"
    assert not any(row.is_default for row in rows[1:])
    best = ranked(rows, maximise=True)
    assert best[0].value == max(row.value or 0 for row in rows if row.state == "complete")


def test_a_grid_ends_when_all_its_points_are_made(url: str) -> None:
    search = begun(url, "grid")
    run_trials(search, valley, Budget(trials=500))
    points = [tuple(row.point.values()) for row in records(search)[1:]]
    assert len(points) == len(set(points)) == 3 * 3 * 2


def test_a_grid_that_was_stopped_in_its_default_makes_that_first(url: str) -> None:
    def stopped(trial: Trial, report: Report) -> float:
        raise Interrupted("stopped")

    search = begun(url, "grid")
    for _ in range(2):
        with pytest.raises(Interrupted):
            run_trials(search, stopped, Budget(trials=4))
    made: list[bool] = []

    def watched(trial: Trial, report: Report) -> float:
        made.append(trial.is_default)
        return valley(trial, report)

    again = opened(url, "grid")
    run_trials(again, watched, Budget(trials=4))
    assert made == [True, False, False, False]
    (default,) = [row for row in records(again) if row.is_default]
    assert (default.state, default.point, default.name) == ("complete", DEFAULT, "trial-0000")


def test_a_grid_makes_points_again_that_were_stopped(url: str) -> None:
    """They wait behind the whole grid."""

    def stopped(trial: Trial, report: Report) -> float:
        if trial.number == 2:
            raise Interrupted("stopped")
        return valley(trial, report)

    search = begun(url, "grid")
    with pytest.raises(Interrupted):
        run_trials(search, stopped, Budget(trials=500))
    run_trials(search, valley, Budget(trials=500))
    points = [tuple(row.point.values()) for row in records(search) if not row.is_default]
    assert len(points) == len(set(points)) == 3 * 3 * 2
    assert {row.state for row in records(search)} == {"complete"}


def test_a_grid_that_is_too_large_says_how_to_make_it_smaller(url: str) -> None:
    space = [Parameter(f"p{number}", 0.0, 1.0) for number in range(8)]
    with pytest.raises(RecipeError, match=r"6,561 points.*--space none"):
        new_search(url, space, None, name="s", maximise=True, method="grid")
    with pytest.raises(RecipeError, match="there is no method 'best'; expected one of tpe"):
        new_search(url, space, None, name="s", maximise=True, method="best")


def test_a_failed_trial_is_kept_with_its_error_and_the_search_goes_on(url: str) -> None:
    def fails(trial: Trial, report: Report) -> float:
        if trial.number == 2:
            raise TrainingError("the loss is not finite")
        if trial.number == 3:
            raise KeyError("a bug")
        return valley(trial, report)

    search = begun(url)
    run_trials(search, fails, Budget(trials=6))
    states = [row.state for row in records(search)]
    assert states.count("failed") == 2 and len(states) == 6
    assert records(search)[2].error == "TrainingError: the loss is not finite"
    assert "a bug" in records(search)[3].error


def test_a_search_where_everything_fails_ends_with_the_reason(url: str) -> None:
    def fails(trial: Trial, report: Report) -> float:
        if trial.is_default:
            return valley(trial, report)
        raise TrainingError("no pictures")

    with pytest.raises(TrainingError, match=r"last 20 trials failed.*no pictures"):
        run_trials(begun(url), fails, Budget(trials=1000))


def test_without_a_default_nothing_is_searched(url: str) -> None:
    """Nothing could be compared with it, so the budget is not spent."""
    asked: list[str] = []

    def fails(trial: Trial, report: Report) -> float:
        asked.append(trial.name)
        raise TrainingError("the loss is not finite")

    search = begun(url)
    run_trials(search, fails, Budget(trials=8))
    run_trials(opened(url), fails, Budget(trials=8))
    assert asked == ["trial-0000"]


def test_the_time_of_a_stopped_trial_counts(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its process was killed after a step."""
    now = 1e9
    monkeypatch.setattr("eighteen.tuning.search.time.time", lambda: now)

    def stopped(trial: Trial, report: Report) -> float:
        nonlocal now
        now += 100.0
        report(1, 0.5)
        now += 50.0
        raise Interrupted("stopped")

    def killed(trial: Trial, report: Report) -> float:
        nonlocal now
        now += 7.0
        report(2, 0.5)
        raise SystemExit

    def ends(trial: Trial, report: Report) -> float:
        nonlocal now
        now += 2.0
        return 0.6

    search = begun(url)
    with pytest.raises(Interrupted):
        run_trials(search, stopped, Budget(trials=1))
    assert [row.seconds for row in records(search)] == [pytest.approx(150.0)]
    with pytest.raises(SystemExit):
        run_trials(search, killed, Budget(trials=1))
    monkeypatch.setattr("eighteen.tuning.owning._lives", lambda pid, born: False)
    assert requeue_lost(search) == 1
    run_trials(search, ends, Budget(trials=1))
    assert [row.seconds for row in records(search)] == [pytest.approx(159.0)]


@pytest.mark.parametrize("method", ["random", "hyperband"])
def test_bad_trials_are_stopped_early_but_never_the_default(method: str, url: str) -> None:
    def default_is_worst(trial: Trial, report: Report) -> float:
        value = 0.0 if trial.is_default else 1.0 / (1 + trial.number)
        for step in range(1, 5):
            report(step, value)
        return value

    search = begun(url, method)
    run_trials(search, default_is_worst, Budget(trials=30))
    rows = records(search)
    assert rows[0].state == "complete"
    pruned = [row for row in rows if row.state == "pruned"]
    assert pruned and all(len(row.steps) < 4 and row.value is not None for row in pruned)


def test_an_interrupted_trial_is_made_again_under_its_name(url: str) -> None:
    def stopped(trial: Trial, report: Report) -> float:
        if trial.number == 1:
            raise Interrupted("stopped")
        return valley(trial, report)

    search = begun(url)
    with pytest.raises(Interrupted):
        run_trials(search, stopped, Budget(trials=4))
    seen: list[Trial] = []

    def watched(trial: Trial, report: Report) -> float:
        seen.append(trial)
        return valley(trial, report)

    again = opened(url)
    run_trials(again, watched, Budget(trials=4))
    assert [trial.name for trial in seen] == ["trial-0001", "trial-0003", "trial-0004"]
    rows = records(again)
    assert [row.state for row in rows] == ["complete"] * 4 and len({row.name for row in rows}) == 4


JOIN = """
import sys, time
from eighteen.tuning.search import Budget, open_search, run_trials
from eighteen.tuning.space import Parameter

SPACE = {space!r}

def objective(trial, report):
    time.sleep({sleep})
    return trial.point["lr"]

search = open_search({url!r}, SPACE, name="s", method="random", seed=5, most_steps=4)
run_trials(search, objective, Budget(trials=8))
"""


def joining(url: str, sleep: float) -> subprocess.Popen[bytes]:
    """Another process that makes trials of the same search."""
    return subprocess.Popen([sys.executable, "-c", JOIN.format(space=SPACE, url=url, sleep=sleep)])


def test_a_killed_process_loses_nothing(url: str) -> None:
    search = begun(url)
    run_trials(search, valley, Budget(trials=2))
    process = joining(url, 600)
    deadline = time.monotonic() + 180
    while not any(row.state == "running" for row in records(search)) and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(1)
    assert requeue_lost(search) == 0, "a living process keeps its trial"
    process.kill()
    process.wait()
    lost = next(row for row in records(search) if row.state == "running")
    assert requeue_lost(search) == 1
    run_trials(search, valley, Budget(trials=5))
    rows = records(search)
    assert [row.state for row in rows] == ["complete"] * 5
    assert [row.point for row in rows if row.name == lost.name] == [lost.point]


def test_several_processes_share_one_search_and_make_exactly_its_trials(url: str) -> None:
    search = begun(url)
    other = joining(url, 0.01)
    run_trials(search, _plain(valley), Budget(trials=8))
    assert other.wait() == 0
    rows = records(search)
    assert len(rows) == 8 and {row.state for row in rows} == {"complete"}
    assert sum(row.is_default for row in rows) == 1


def test_what_mattered_is_told_once_there_are_trials_enough(url: str) -> None:
    search = begun(url)
    run_trials(search, valley, Budget(trials=5))
    assert importances(search) == {}
    run_trials(search, _plain(valley), Budget(trials=20))
    told = importances(search)
    assert max(told, key=lambda name: told[name]) == "lr" and told["lr"] > 0.8


def _plain(objective: Objective) -> Objective:
    """Without a word on the way, so that nothing is stopped early."""
    return lambda trial, report: objective(trial, lambda step, value: None)


def test_the_best_is_the_earliest_of_equal_ones() -> None:
    def row(number: int, value: float, state: str = "complete") -> Record:
        return Record(number, f"t{number}", state, value, {}, {}, 1.0, "", (), False)

    rows = [row(0, 0.5), row(1, 0.9), row(2, 0.9), row(3, 0.95, "pruned"), row(4, 0.1)]
    assert [each.number for each in ranked(rows, maximise=True)] == [1, 2, 0, 4]
    assert [each.number for each in ranked(rows, maximise=False)] == [4, 0, 1, 2]


def test_a_time_budget_makes_at_least_the_default(url: str) -> None:
    search = begun(url)
    run_trials(search, valley, Budget(until=lambda: time.time() - 1))
    assert [row.is_default for row in records(search)] == [True]


def test_a_storage_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(RunError, match=r"storage postgresql://ann@127\.0\.0\.1:1/x.* cannot be used"):
        storage.opened("postgresql://ann:secret@127.0.0.1:1/x?connect_timeout=2")
    with pytest.raises(RunError, match="is no database"):
        storage.opened("trials")
