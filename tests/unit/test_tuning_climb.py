"""A climb keeps the practice that helps and no other, says so where nothing helps, and spends its budget."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest

from eighteen.core.errors import RecipeError, TrainingError, WeightsError
from eighteen.core.predictions import Predictions, softmax
from eighteen.core.progress import silent
from eighteen.core.recipe import Recipe
from eighteen.evaluating.heldout import Part
from eighteen.measuring.paired import compare, difference
from eighteen.reporting.waterfall import MOST_LETTERS
from eighteen.tuning import climb as climb_module
from eighteen.tuning import climbing, confirming
from eighteen.tuning.affording import Clock, halving_trainings, stages
from eighteen.tuning.climb import Outcome, as_result, climbed_and_confirmed
from eighteen.tuning.climb_plan import AskedClimb
from eighteen.tuning.climbing import Climber, Scored
from eighteen.tuning.confirming import Effort, fitting_effort
from eighteen.tuning.rungs import Rung, rungs
from eighteen.tuning.textbook import textbook
from eighteen.tuning.tried import BEATEN, HURTS, KEPT, NO_TIME

PICTURES, FOLDS = 300, 3
Skill = Callable[[Recipe], float]
"""Share of pictures that a recipe names right."""


@dataclass
class FakeTrainer:
    """Trains nothing: which pictures a recipe names right is drawn with its skill.

    Every picture has a difficulty that all recipes share, so that two recipes mostly agree; the luck of a
    training moves each picture's difficulty a little.
    """

    skill: Skill
    seconds: float = 1.0
    asked: list[tuple[str, int]] = field(default_factory=list)
    luck: float = 0.04
    data_seed: int = 0

    def __call__(self, name: str, part: Part, recipe: Recipe) -> Scored:
        self.asked.append((name, part.fold))
        rows = np.flatnonzero(part.held)
        hard = np.random.default_rng(self.data_seed).uniform(size=PICTURES)[rows]
        words = f"{recipe.model_dump_json()} {part.fold} {self.data_seed}"
        own = np.random.default_rng(int(hashlib.sha256(words.encode()).hexdigest()[:8], 16))
        right = hard + own.normal(0, self.luck, len(rows)) < self.skill(recipe)
        return Scored(answers(rows, right, part.fold, recipe.seed), self.seconds)


def answers(rows: np.ndarray, right: np.ndarray, fold: int, seed: int) -> Predictions:
    targets = rows % 2
    said = np.where(right, targets, 1 - targets)
    logits = np.where(np.arange(2) == said[:, None], 1.0, -1.0).astype(np.float32)
    ids, names = [f"{row:04d}" for row in rows], ("a", "b")
    table = pl.DataFrame(
        {
            "id": ids,
            "path": ids,
            "target": [names[k] for k in targets],
            "predicted": [names[k] for k in said],
            "score": softmax(logits).max(axis=1),
            "split": ["val"] * len(ids),
            "group": [""] * len(ids),
            "fold": [fold] * len(ids),
            "seed": [seed] * len(ids),
        }
    )
    return Predictions(table, {"logits": logits}, names, len(ids))


PARTS = [Part(fold, 0, np.arange(PICTURES) % FOLDS == fold) for fold in range(FOLDS)]


def setting(name: str, section: str, key: str, value: float) -> Rung:
    return Rung(name, name, 0, lambda recipe, resolved: recipe.changed(**{section: {key: value}}))


RUNGS = (
    setting("smoothing", "loss", "label_smoothing", 0.2),
    setting("clipping", "training", "clip_norm", 5.0),
    setting("dropout", "model", "dropout", 0.3),
    setting("mirrored", "augment", "horizontal_flip", 0.0),
    setting("colour", "augment", "hue", 0.2),
    setting("decay", "optimizer", "weight_decay", 0.01),
)


def climber(trainer: FakeTrainer, seconds: float = 1e6) -> Climber:
    return Climber(PARTS, trainer, lambda recipe: recipe, "accuracy", Clock(seconds), silent)


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The closed forms keep intervals honest; many resamples only take time here."""
    monkeypatch.setattr(climbing, "RESAMPLES", 300)


def only_mirror_helps(recipe: Recipe) -> float:
    return 0.9 if recipe.augment.horizontal_flip == 0.0 else 0.75


def test_the_only_practice_that_helps_is_found_and_the_rest_is_rejected() -> None:
    trainer = FakeTrainer(only_mirror_helps)
    climbed = climber(trainer).climb(Recipe(), RUNGS)
    assert [row.name for row in climbed.rungs if row.kept] == ["mirrored"]
    assert climbed.recipe == Recipe().changed(augment={"horizontal_flip": 0.0})
    mirrored = climbed.rungs[0]
    assert mirrored.difference is not None and mirrored.verdict == KEPT
    assert mirrored.difference.low is not None and mirrored.difference.low > 0
    assert mirrored.difference.value == pytest.approx(0.15, abs=0.08)
    assert {row.name for row in climbed.rungs} == {rung.name for rung in RUNGS}
    assert all("could not be told apart" in row.verdict for row in climbed.rungs[1:])


def test_where_nothing_helps_nothing_is_kept() -> None:
    kept = 0
    for seed in range(6):
        climbed = climber(FakeTrainer(lambda recipe: 0.8, data_seed=seed)).climb(Recipe(), RUNGS)
        kept += sum(row.kept for row in climbed.rungs)
    assert kept == 0


def test_shuffled_labels_and_perfect_answers_give_no_evidence() -> None:
    for skill, luck in ((0.5, 10.0), (1.0, 0.0)):
        climbed = climber(FakeTrainer(lambda recipe, skill=skill: skill, luck=luck)).climb(Recipe(), RUNGS)
        assert not any(row.kept for row in climbed.rungs)


def test_what_hurts_is_said_to_hurt() -> None:
    trainer = FakeTrainer(lambda recipe: 0.5 if recipe.augment.hue > 0 else 0.8)
    climbed = climber(trainer).climb(Recipe(), RUNGS)
    assert {row.name: row.verdict for row in climbed.rungs}["colour"] == HURTS


def test_two_practices_that_help_are_both_kept_the_second_on_top_of_the_first() -> None:
    def both(recipe: Recipe) -> float:
        return only_mirror_helps(recipe) - 0.15 + (0.1 if recipe.model.dropout else 0.0)

    climbed = climber(FakeTrainer(both)).climb(Recipe(), RUNGS)
    assert [row.name for row in climbed.rungs if row.kept] == ["mirrored", "dropout"]
    assert climbed.rungs[1].before == pytest.approx(0.75, abs=0.1)


def test_a_practice_that_helps_only_alone_is_not_kept_twice() -> None:
    def either(recipe: Recipe) -> float:
        return 0.9 if recipe.model.dropout or recipe.augment.horizontal_flip == 0.0 else 0.7

    climbed = climber(FakeTrainer(either)).climb(Recipe(), RUNGS)
    assert sum(row.kept for row in climbed.rungs) == 1


def test_budget_is_halved_and_no_training_is_made_twice() -> None:
    trainer = FakeTrainer(lambda recipe: 0.8)
    climber(trainer).climb(Recipe(), RUNGS)
    assert len(set(trainer.asked)) == len(trainer.asked)
    assert len(trainer.asked) == FOLDS + 6 * 1 + 3 * 2
    assert FOLDS + halving_trainings(6, FOLDS) == len(trainer.asked)
    assert (stages(5), stages(3), stages(1)) == ((1, 2, 5), (1, 3), (1,))


def test_without_time_the_rest_is_not_tried_and_says_so() -> None:
    trainer = FakeTrainer(only_mirror_helps, seconds=10)
    climbed = climber(trainer, seconds=45).climb(Recipe(), RUNGS)
    assert len(trainer.asked) <= 4
    assert [row.verdict for row in climbed.rungs].count(NO_TIME) >= 3
    assert climbed.recipe == Recipe()


def test_only_what_time_can_judge_is_begun_and_the_rest_comes_later() -> None:
    trainer = FakeTrainer(only_mirror_helps, seconds=10)
    # The base on three folds, and a round of two rungs: two trainings, then the better one on two more folds.
    climbed = climber(trainer, seconds=30 + 40).climb(Recipe(), RUNGS)
    rows = {row.name: row for row in climbed.rungs}
    assert {name for name, row in rows.items() if row.round} == {"smoothing", "clipping"}
    assert sorted(rows[name].folds for name in ("smoothing", "clipping")) == [1, 3]
    assert {rows[name].verdict for name in ("dropout", "mirrored", "colour", "decay")} == {NO_TIME}


def test_time_that_failed_practices_leave_goes_to_those_that_waited() -> None:
    def fails(recipe: Recipe) -> float:
        if recipe.loss.label_smoothing == 0.2 or recipe.training.clip_norm == 5.0:
            raise TrainingError("the loss is not finite")
        return only_mirror_helps(recipe)

    climbed = climber(FakeTrainer(fails, seconds=10), seconds=30 + 40.5).climb(Recipe(), RUNGS)
    kept = [row for row in climbed.rungs if row.kept]
    assert [row.name for row in kept] == ["mirrored"] and kept[0].round == 2


def test_what_was_measured_stays_known_when_time_ends() -> None:
    class Slower(FakeTrainer):
        def __call__(self, name: str, part: Part, recipe: Recipe) -> Scored:
            made = super().__call__(name, part, recipe)
            return made if part.fold == 0 or name == "base" else Scored(made.predictions, 1000.0)

    climbed = climber(Slower(only_mirror_helps, seconds=10), seconds=30 + 120).climb(Recipe(), RUNGS)
    tried = [row for row in climbed.rungs if row.round]
    assert len(tried) == len(RUNGS) and all(row.difference is not None for row in tried)
    assert any(row.verdict.endswith("no time was left after 1 fold") for row in tried)


def test_a_device_without_memory_ends_no_climb_and_takes_its_time() -> None:
    def fails(recipe: Recipe) -> float:
        if recipe.model.dropout:
            raise RuntimeError("CUDA out of memory")
        return only_mirror_helps(recipe)

    climbed = climber(FakeTrainer(fails)).climb(Recipe(), RUNGS)
    assert {row.name: row.verdict for row in climbed.rungs}["dropout"] == "failed: CUDA out of memory"


def test_no_rung_changes_what_the_user_set() -> None:
    made = Climber(
        PARTS,
        FakeTrainer(only_mirror_helps),
        lambda recipe: recipe,
        "accuracy",
        Clock(1e6),
        silent,
        ("augment.horizontal_flip",),
    )
    rows = {row.name: row for row in made.climb(Recipe(), RUNGS).rungs}
    assert rows["mirrored"].verdict == "not tried: your own augment.horizontal_flip stands"
    kept = textbook(Recipe(), True, ("loss.label_smoothing", "training.clip_norm"))
    assert (kept.loss.label_smoothing, kept.training.clip_norm) == (0.1, 2.0)
    assert kept.training.head_first is False


# A whole climb with its confirmation


def whole(
    monkeypatch: pytest.MonkeyPatch,
    skill: Skill,
    minutes: float | None = None,
    training_s: float = 60.0,
    metric: str = "accuracy",
    recipe: Recipe | None = None,
    fixed: tuple[str, ...] = (),
    fixed_s: float = 0.0,
) -> tuple[Outcome, FakeTrainer, AskedClimb]:
    """Of trainings that take as long as they have epochs, 12 where nothing else is said, and pixels."""

    def seconds(recipe: Recipe) -> float:
        epochs, size = recipe.training.epochs, recipe.inputs.size
        asked_px = 224 if size == "auto" else size
        return training_s * (1 if epochs == "auto" else epochs / 12) * (asked_px / 224) ** 2

    fake = FakeTrainer(skill)

    def try_part(name: str, part: Part, recipe: Recipe) -> Scored:
        epochs = 12 if recipe.training.epochs == "auto" else recipe.training.epochs
        shown_s = seconds(recipe)
        return Scored(fake(name, part, recipe).predictions, fixed_s + shown_s, shown_s / epochs)

    monkeypatch.setattr(climb_module, "parts", lambda *given: PARTS)
    monkeypatch.setattr(confirming, "fresh_parts", lambda *given: PARTS)
    monkeypatch.setattr(climb_module, "outside_test", lambda dataset: dataset)
    monkeypatch.setattr(climb_module, "training_side", lambda *given: None)
    monkeypatch.setattr(climb_module, "resolve", lambda recipe, dataset: (explicit(recipe, "file"), {}))
    asked = AskedClimb(recipe or Recipe(), "textbook", (), (), metric, minutes, FOLDS, 1, False, fixed)
    outcome = climbed_and_confirmed(
        asked,
        None,
        try_part,
        lambda *given: try_part(*given).predictions,
        silent,  # type: ignore[arg-type]
    )
    return outcome, fake, asked


def default_is_better(recipe: Recipe) -> float:
    return 0.9 if recipe.training.head_first == "auto" else 0.7


def test_the_end_is_the_default_where_that_did_better_on_the_same_folds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outcome, _, asked = whole(monkeypatch, default_is_better)
    assert outcome.climbed.recipe == outcome.default == outcome.final == Recipe()
    assert any("the default recipe did better" in note for note in outcome.notes)
    result = as_result(asked, outcome, {"best": "runs/best", "default": "runs/default"})
    assert result["default"]["run"] == "runs/default" and result["best"]["run"] == "runs/best"
    assert result["comparison"] is None and result["notes"] == list(outcome.notes)


def test_what_a_beaten_climb_had_kept_is_not_said_to_help(monkeypatch: pytest.MonkeyPatch) -> None:
    def helped_but_beaten(recipe: Recipe) -> float:
        if recipe.training.head_first == "auto":
            return 0.9
        return 0.8 if recipe.loss.label_smoothing else 0.6

    outcome, _, asked = whole(monkeypatch, helped_but_beaten)
    result = as_result(asked, outcome, {})
    beaten = [row["title"] for row in result["rungs"] if row["verdict"] == BEATEN]
    assert beaten and not any(row["kept"] for row in result["rungs"])
    assert result["best"]["recipe"] == result["default"]["recipe"]
    assert result["sentence"].startswith(f"The climb had kept {', '.join(beaten)}, but the default recipe is")


@pytest.mark.parametrize("fails", ["start", "best"])
def test_a_contender_that_fails_when_it_is_confirmed_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def smoothed(recipe: Recipe) -> float:
        confirmed = recipe.seed >= confirming.FRESH_SEEDS
        failing = {
            "start": recipe.training.head_first is False and not recipe.loss.label_smoothing,
            "best": recipe.training.head_first is False and recipe.loss.label_smoothing > 0,
        }
        if confirmed and failing[fails]:
            raise TrainingError("the loss is not finite")
        if recipe.training.head_first == "auto":
            return 0.6
        return 0.9 if recipe.loss.label_smoothing else 0.7

    outcome, _, asked = whole(monkeypatch, smoothed)
    result = as_result(asked, outcome, {})
    assert any("when it is trained anew (the loss is not finite)" in note for note in outcome.notes)
    if fails == "start":
        assert result["start"]["confirmed"] is None and result["climbed"] is None
        assert result["best"]["confirmed"]["n"] and result["comparison"]["verdict"] == "helps"
    else:
        assert result["best"]["recipe"] == result["default"]["recipe"] and result["comparison"] is None
        assert "the default recipe is the better end" in result["sentence"]
        assert not any(row["kept"] for row in result["rungs"])


def test_the_verdict_of_a_climb_is_about_its_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome, _, asked = whole(
        monkeypatch, lambda recipe: 0.9 if recipe.model.dropout else 0.6, metric="balanced_accuracy"
    )
    assert outcome.confirmed.metric == asked.metric == "balanced_accuracy"


def test_a_small_budget_starts_at_the_default_and_judges_what_it_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outcome, fake, _ = whole(monkeypatch, lambda recipe: 0.8, minutes=60, training_s=400.0)
    assert outcome.start == outcome.default and (outcome.plan.epochs, outcome.plan.size_px) == (4, None)
    assert any("starts at the default recipe" in note for note in outcome.notes)
    assert any("shortened from 12 to 4 epochs" in note for note in outcome.notes)
    # The last training has its full length.
    assert outcome.final.training.epochs == "auto"
    rows = [row for row in outcome.climbed.rungs if row.round]
    assert len(rows) >= 5 and max(row.folds for row in rows) == FOLDS
    trained_s = 400 / 3 * len(set(fake.asked))
    assert trained_s <= 60 * 60 - 400


LARGE = Recipe().changed(inputs={"size": 224})


def test_a_budget_that_carries_few_practices_makes_pictures_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome, fake, asked = whole(monkeypatch, only_mirror_helps, 60, 800.0, recipe=LARGE)
    assert outcome.start == outcome.default and (outcome.plan.epochs, outcome.plan.size_px) == (4, 128)
    assert any("128 instead of 224 px" in note for note in outcome.notes)
    assert outcome.default.inputs.size == 128
    assert (outcome.final.inputs.size, outcome.final.training.epochs) == (224, "auto")
    rows = {row.name: row for row in outcome.climbed.rungs}
    assert rows["resolution"].verdict.startswith("not tried: the budget makes pictures smaller")
    assert sum(row.folds > 0 for row in rows.values()) >= 8
    assert as_result(asked, outcome, {})["size_px"] == 128
    # The first training is the only one at full size.
    short_s = 800 / 3
    assert short_s + (128 / 224) ** 2 * short_s * (len(set(fake.asked)) - 1) <= 60 * 60 - 800


def test_what_takes_as_long_at_any_size_is_reckoned_with(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome, fake, _ = whole(monkeypatch, lambda _: 0.8, 60, 600.0, recipe=LARGE, fixed_s=100.0)
    assert (outcome.plan.epochs, outcome.plan.size_px, outcome.plan.full_s) == (4, 128, pytest.approx(700.0))
    short_s = 100 + 200 * (128 / 224) ** 2
    assert 300 + short_s * (len(set(fake.asked)) - 1) <= 60 * 60 - 700
    # Had it reckoned with less, it would have begun more than it could judge.
    offered = [row for row in outcome.climbed.rungs if row.round]
    assert offered and not any(row.folds == 0 for row in offered)
    assert max(row.folds for row in offered) == FOLDS


@pytest.mark.parametrize(
    ("changes", "fixed"),
    [
        ({}, ("inputs.size",)),
        ({"model": {"name": "vit_tiny_patch16_224"}}, ()),
        ({"training": {"budget_minutes": 2.0}}, ()),
    ],
)
def test_a_size_stays_where_the_user_or_the_network_wants_it(
    changes: dict[str, dict[str, object]], fixed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = LARGE.changed(**changes)
    outcome, _, _ = whole(monkeypatch, lambda _: 0.8, 60, 800.0, recipe=asked, fixed=fixed)
    assert outcome.plan.size_px is None and outcome.final.inputs.size == 224
    # A training with a budget of its own fits its epochs to that.
    assert (outcome.plan.epochs is None) == ("training" in changes)


def test_shortened_trainings_reach_beyond_frozen_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = LARGE.changed(training={"freeze_until": {"backbone": 5}})
    outcome, _, _ = whole(monkeypatch, lambda _: 0.8, 60, 800.0, recipe=frozen)
    assert outcome.plan.epochs == 6


def test_where_smaller_pictures_carry_no_practice_either_the_size_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outcome, _, _ = whole(monkeypatch, lambda _: 0.8, 10, 1200.0, recipe=LARGE)
    assert outcome.plan.size_px is None and outcome.plan.epochs == 4
    assert not any(row.round for row in outcome.climbed.rungs)
    assert outcome.default_run and outcome.search["default"] is None


def test_a_large_budget_climbs_from_the_textbook_at_full_length(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome, _, _ = whole(monkeypatch, lambda recipe: 0.8, minutes=600, training_s=60.0)
    assert outcome.start != outcome.default and not outcome.notes
    assert outcome.plan.epochs is None and outcome.plan.size_px is None


def test_a_textbook_that_cannot_be_trained_leaves_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(recipe: Recipe) -> float:
        if recipe.schedule.name == "cosine":
            raise TrainingError("the loss is not finite")
        return 0.8

    outcome, _, _ = whole(monkeypatch, fails)
    assert outcome.start == outcome.default
    assert any("fails on these pictures (the loss is not finite)" in note for note in outcome.notes)


@pytest.mark.parametrize("error", [TrainingError, WeightsError])
def test_a_rung_whose_training_fails_ends_nothing(error: type[Exception]) -> None:
    def fails(recipe: Recipe) -> float:
        if recipe.optimizer.weight_decay == 0.01:
            raise error("the loss is not finite")
        return only_mirror_helps(recipe)

    climbed = climber(FakeTrainer(fails)).climb(Recipe(), RUNGS)
    verdicts = {row.name: row.verdict for row in climbed.rungs}
    assert verdicts["decay"] == "failed: the loss is not finite"
    assert verdicts["mirrored"] == KEPT


def test_a_difference_of_any_level_is_that_of_compare_at_95_percent() -> None:
    trainer = FakeTrainer(only_mirror_helps)
    first, second = (
        trainer("", Part(0, 0, np.ones(PICTURES, bool)), Recipe().changed(augment={"horizontal_flip": flip}))
        for flip in (0.5, 0.0)
    )
    plain = compare(first.predictions, second.predictions)
    assert difference(first.predictions, second.predictions) == plain.difference
    strict = difference(first.predictions, second.predictions, confidence=0.999, resamples=4_000)
    assert strict.low is not None and strict.high is not None
    assert plain.difference.low is not None and plain.difference.high is not None
    assert strict.low < plain.difference.low < plain.difference.high < strict.high
    assert "99.9 %" in strict.method


# The rungs themselves


def explicit(recipe: Recipe, weights: str = "none") -> Recipe:
    """As `resolve` would leave it, for coloured pictures of 64 pixels."""
    chosen = {
        "inputs": {"channels": 3, "size": 64, "fit": "squash", "mirror_average": False},
        "model": {"weights": weights, "stem": "imagenet"},
        "augment": {"crop": "resized", "horizontal_flip": 0.5},
        "optimizer": {"name": "momentum", "layer_decay": 1.0},
        "training": {
            "head_first": False,
            "keep_head": False,
            "freeze_norms": False,
            "progressive_from": 1.0,
            "ema_decay": 0.9,
            "epochs": 12,
        },
    }
    values = recipe.model_dump()
    for section, entries in chosen.items():
        for key, value in entries.items():
            if values[section][key] == "auto":
                values[section][key] = value
    return Recipe.model_validate(values)


@pytest.mark.parametrize("weights", ["none", "file.safetensors"])
def test_every_rung_changes_the_textbook_or_says_why_not(weights: str) -> None:
    start = textbook(Recipe().changed(model={"weights": weights}), weights != "none")
    offered = 0
    for rung in rungs():
        stepped = rung.step(start, explicit(start, weights))
        if isinstance(stepped, str):
            assert stepped, rung.name
            continue
        offered += 1
        assert stepped != start, rung.name
        again = rung.step(stepped, explicit(stepped, weights))
        # Some practices are switches: what is on can be tried off.
        assert isinstance(again, str) or rung.name in ("mirrored", "cropping", "resolution"), rung.name
    assert offered >= 15


def test_the_textbook_is_plain_and_leaves_alone_what_the_user_set() -> None:
    plain = textbook(Recipe(), pretrained=False)
    assert plain.loss.label_smoothing == 0 and plain.training.ema_decay == 0
    assert (plain.optimizer.name, plain.schedule.name) == ("momentum", "cosine")
    mine = Recipe().changed(loss={"label_smoothing": 0.05}, training={"epochs": 7}, optimizer={"lr": 0.3})
    kept = textbook(mine, pretrained=True)
    assert (kept.loss.label_smoothing, kept.training.epochs, kept.optimizer.lr) == (0.05, 7, 0.3)


def test_a_practice_that_contradicts_the_recipe_is_not_tried() -> None:
    rung = setting("impossible", "loss", "label_smoothing", 2.0)
    climbed = climber(FakeTrainer(only_mirror_helps)).climb(Recipe(), [rung])
    assert climbed.rungs[0].verdict.startswith("not tried: ") and not climbed.rungs[0].kept


def test_rungs_are_chosen_by_name() -> None:
    names = [rung.name for rung in rungs()]
    assert len(names) == len(set(names)) >= 20
    assert [rung.name for rung in rungs(only=["mirrored", "averaging"])] == ["averaging", "mirrored"]
    assert "mixup" not in [rung.name for rung in rungs(without=["mixup"])]
    with pytest.raises(
        RecipeError, match=r"there is no rung flips; there are: alternating_mirror, averaging"
    ):
        rungs(only=["flips"])


def test_a_confirmation_takes_the_largest_effort_that_fits() -> None:
    wanted = Effort(5, 2)
    assert fitting_effort(wanted, 2, 1.0, 20.0) == wanted
    assert fitting_effort(wanted, 2, 1.0, 19.0) == Effort(5, 1)
    assert fitting_effort(wanted, 2, 1.0, 6.0) == Effort(3, 1)
    assert fitting_effort(wanted, 2, 1.0, 0.0) == Effort(2, 1)
    assert fitting_effort(Effort(1, 2), 2, 1.0, 0.0) == Effort(1, 1)


def test_a_climb_may_ask_for_macro_f1() -> None:
    made = Climber(
        PARTS, FakeTrainer(only_mirror_helps), lambda recipe: recipe, "macro_f1", Clock(1e6), silent
    )
    climbed = made.climb(Recipe(), RUNGS)
    assert [row.name for row in climbed.rungs if row.kept] == ["mirrored"]
    assert climbed.rungs[0].before == pytest.approx(0.75, abs=0.1)


def test_titles_fit_into_the_picture() -> None:
    assert all(len(rung.title) <= MOST_LETTERS for rung in rungs())
