"""A search keeps to its budget, counts what comes after it, and confirms in the batches that memory holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from eighteen.core.dataset import Dataset
from eighteen.core.errors import Interrupted, TrainingError, WeightsError
from eighteen.core.measures import Measure
from eighteen.core.progress import silent
from eighteen.core.recipe import Recipe
from eighteen.core.study import Study
from eighteen.tuning import search as searching
from eighteen.tuning import storage, tune, tune_result
from eighteen.tuning.asked import Asked
from eighteen.tuning.confirming import ContenderFailed, Effort, fitting_choice
from eighteen.tuning.records import ranked
from eighteen.tuning.search import Search, records
from eighteen.tuning.space import Parameter, value_of
from tables import FakeScorer, dataset_of

RECIPE = Recipe().changed(training={"batch_size": 64, "epochs": 2}, loss={"label_smoothing": 0.1})
SPACE = (Parameter("loss.label_smoothing", 0.0, 0.3),)


def asked_for(**changes: Any) -> Asked:
    values: dict[str, Any] = {
        "recipe": RECIPE,
        "space": SPACE,
        "resolved": RECIPE,
        "method": "random",
        "metric": "accuracy",
        "trials": None,
        "minutes": None,
        "folds": 5,
        "seeds": 1,
        "winners": 1,
        "workers": 1,
        "storage": None,
        "search": "s",
    }
    return Asked(**{**values, **changes})


@dataclass
class Clock:
    """A time that only trainings spend."""

    now: float = 1e9

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (searching, tune):
        monkeypatch.setattr(module, "time", made)
    return made


@dataclass
class FakeTrainer:
    """Trains nothing: smoothing helps by `gain`, and batches above `holds` are too much for memory."""

    clock: Clock = field(default_factory=Clock)
    seconds: float = 60.0
    holds: int = 10**6
    gain: float = 1.0
    asked: list[tuple[str, Recipe]] = field(default_factory=list)
    on_the_way: Callable[[], None] = lambda: None
    slow: Callable[[Recipe], float] = lambda recipe: 1.0

    def __call__(self, name: str, recipe: Recipe, watch: Any) -> Any:
        self.asked.append((name, recipe))
        batch = recipe.training.batch_size
        assert batch != "auto"
        if batch > self.holds:
            raise MemoryError
        self.clock.now += self.seconds * self.slow(recipe)
        self.on_the_way()
        value = 0.5 + self.gain * recipe.loss.label_smoothing
        return SimpleNamespace(measures={"val": {"accuracy": Measure(value, value, value, 100, "")}})


@pytest.fixture
def url(tmp_path: Path) -> str:
    return storage.sqlite_url(tmp_path)


def begun(asked: Asked, url: str) -> Search:
    tune.begin(asked, url, url)
    return tune.opened(asked, url)


# The time of the search


def test_the_search_leaves_the_confirmation_its_half(clock: Clock, url: str) -> None:
    asked = asked_for(minutes=20)
    trainer = FakeTrainer(clock)
    tune.search_on(begun(asked, url), asked, trainer, silent)
    assert len(trainer.asked) == 10, "10 trials, and 2 times 5 folds"


def test_a_helper_learns_on_the_way_what_the_default_takes(clock: Clock, url: str) -> None:
    """It starts while the default's trial is running elsewhere, and cannot know how long that takes."""
    asked = asked_for(minutes=20)
    search = begun(asked, url)
    elsewhere = search.study.ask({each.name: each.distribution for each in SPACE})

    def ends() -> None:
        if records(search)[0].state == "running":
            elsewhere.set_user_attr("seconds", 60.0)
            search.study.tell(elsewhere, 0.6)

    trainer = FakeTrainer(clock, on_the_way=ends)
    tune.search_on(search, asked, trainer, silent)
    assert records(search)[0].is_default
    assert len(trainer.asked) == 10


def test_what_an_earlier_process_spent_is_not_spent_again(clock: Clock, url: str) -> None:
    asked = asked_for(minutes=20)
    search = begun(asked, url)

    def stops() -> None:
        if len(records(search)) == 4:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        tune.search_on(search, asked, FakeTrainer(clock, on_the_way=stops, gain=0.0), silent)
    clock.now += 1e6
    # All are worth the same: the trial that took twice as long is not the one to be confirmed.
    trainer = FakeTrainer(clock, gain=0.0)
    tune.search_on(search, asked, trainer, silent)
    assert len(trainer.asked) == 6, "ten minutes in all, and the fourth was spent in vain"


def test_winners_that_are_trained_anew_are_counted(clock: Clock, url: str) -> None:
    """20 minutes hold 15 + 10 trainings of 20 s, and 10 minutes of trials."""
    asked = asked_for(minutes=20, winners=3)
    trainer = FakeTrainer(clock, seconds=20.0)
    tune.search_on(begun(asked, url), asked, trainer, silent)
    assert len(trainer.asked) == (1200 - 25 * 20) / 20


def test_fewer_winners_are_compared_where_time_is_short() -> None:
    def fitted(seconds: float) -> tuple[int, Effort]:
        return fitting_choice(Effort(5, 1), 3, 2, 1.0, seconds)

    assert fitted(25) == (3, Effort(5, 1))
    assert fitted(24) == (2, Effort(5, 1))
    assert fitted(19) == (1, Effort(5, 1))
    assert fitted(9) == (1, Effort(3, 1))
    assert fitted(0) == (1, Effort(2, 1))
    for seconds in range(4, 30):
        count, effort = fitted(seconds)
        chosen = count * effort.folds if count > 1 else 0
        assert chosen + 2 * effort.trainings <= seconds


# After the search


def pictures(n: int = 200) -> Dataset:
    return dataset_of(["cat", "dog"] * (n // 2), splits=["train", "train", "train", "val"] * (n // 4))


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Mapping[str, Any], FakeScorer]]:
    """The result of a search whose runs are not on the disk, and what was trained for it."""
    monkeypatch.setattr(tune_result, "_both", lambda study, row, asked, confirmed: (confirmed, confirmed))

    def finish(
        search: Search,
        asked: Asked,
        told: list[str] | None = None,
        sure: Callable[[Recipe], float] = lambda recipe: 1.0,
    ) -> Any:
        scorer = FakeScorer(pictures(), sure)

        def progress(stage: str, done: int, total: int, note: str) -> None:
            (told if told is not None else []).append(note)

        result = tune.finished(Study(Path("study")), search, asked, scorer.dataset, scorer, progress)
        return result, scorer

    return finish


def test_a_winner_that_fails_anew_is_left_out(clock: Clock, url: str, answered: Callable[..., Any]) -> None:
    asked, told = asked_for(trials=8), list[str]()
    search = begun(asked, url)
    tune.search_on(search, asked, FakeTrainer(clock), silent)
    first, second = ranked(records(search), maximise=True)[:2]

    def sure(recipe: Recipe) -> float:
        if recipe.loss.label_smoothing == first.point["loss.label_smoothing"]:
            raise TrainingError("the loss is not finite")
        return 1.0

    result, _ = answered(search, asked, told, sure)
    assert result["changes"] == second.point
    assert f"Trial {first.number} did better on validation and is left out" in result["sentence"]
    assert "the loss is not finite" in result["sentence"] and any("is left out" in each for each in told)


def test_a_default_that_fails_anew_ends_the_search(
    clock: Clock, url: str, answered: Callable[..., Any]
) -> None:
    asked = asked_for(trials=4)
    search = begun(asked, url)
    tune.search_on(search, asked, FakeTrainer(clock), silent)

    def sure(recipe: Recipe) -> float:
        raise WeightsError("cannot be fetched")

    with pytest.raises(ContenderFailed, match=r"the default fails when it is trained anew \(cannot be"):
        answered(search, asked, None, sure)


def test_the_confirmation_reckons_with_slow_winners(
    clock: Clock, url: str, answered: Callable[..., Any]
) -> None:
    """Large smoothing takes five times as long here, and wins."""
    asked = asked_for(minutes=40, seeds=2)
    search = begun(asked, url)
    trainer = FakeTrainer(clock, slow=lambda recipe: 5.0 if recipe.loss.label_smoothing > 0.1 else 1.0)
    tune.search_on(search, asked, trainer, silent)
    result, _ = answered(search, asked)
    assert result["changes"]["loss.label_smoothing"] > 0.1
    assert result["confirmation"] == {"folds": 3, "seeds": 1}, "6 trainings of 3 minutes, not 20 of one"


def test_winners_are_limited_to_the_time_that_is_left(
    clock: Clock, url: str, answered: Callable[..., Any]
) -> None:
    asked, told = asked_for(minutes=12, winners=3, trials=8), list[str]()
    search = begun(asked, url)
    tune.search_on(search, asked, FakeTrainer(clock, seconds=25.0), silent)
    result, scorer = answered(search, asked, told)
    names = [name for name, _, _ in scorer.asked]
    assert len([name for name in names if name.startswith("confirm-winner-")]) == 0
    assert len(names) == 2 * 5 and result["confirmation"] == {"folds": 5, "seeds": 1}
    assert "no time is left to choose among 3 winners; 1 instead" in told
    unlimited = asked_for(winners=3, trials=8)
    _, scorer = answered(search, unlimited)
    assert len(scorer.asked) == 3 * 5 + 2 * 5


def test_where_nothing_is_better_the_default_is_confirmed_in_full(
    clock: Clock, url: str, answered: Callable[..., Any]
) -> None:
    asked = asked_for(minutes=60, winners=3, trials=4)
    search = begun(asked, url)
    tune.search_on(search, asked, FakeTrainer(clock, gain=0.0), silent)
    result, scorer = answered(search, asked)
    assert [name for name, _, _ in scorer.asked] == ["confirm-default-of-5"] * 5
    assert result["confirmation"] == {"folds": 5, "seeds": 1} and result["comparison"] is None


def test_what_memory_did_not_hold_is_confirmed_in_the_batches_that_it_did(
    clock: Clock, url: str, answered: Callable[..., Any]
) -> None:
    asked = asked_for(trials=4)
    search = begun(asked, url)
    trainer = FakeTrainer(clock, holds=20)
    tune.search_on(search, asked, trainer, silent)
    default = records(search)[0]
    assert (default.batch, default.name) == (16, "trial-0000-batch-16")
    assert default.notes[-1] == "memory did not suffice for batches of 32; tried again with 16"
    result, scorer = answered(search, asked)
    assert {name for name, _, _ in scorer.asked} == {"confirm-default-of-5", "confirm-best-of-5"}
    assert {recipe.training.batch_size for _, _, recipe in scorer.asked} == {16}
    for side in ("default", "best"):
        assert result[side]["recipe"]["training"]["batch_size"] == 16
        assert (
            f"the batches of the {side} in the search, so it was confirmed in batches of 16."
            in result["sentence"]
        )
    assert result["changes"]["training.batch_size"] == 16


def test_a_trial_that_is_made_again_begins_with_the_batches_that_memory_held(clock: Clock, url: str) -> None:
    asked = asked_for(trials=2)
    search = begun(asked, url)

    def stops() -> None:
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        tune.search_on(search, asked, FakeTrainer(clock, holds=20, on_the_way=stops), silent)
    trainer = FakeTrainer(clock, holds=10)
    tune.search_on(search, asked, trainer, silent)
    again = [(name, value_of(recipe, "training.batch_size")) for name, recipe in trainer.asked[:2]]
    assert again == [("trial-0000-batch-16", 16), ("trial-0000-batch-8", 8)]
