"""What is settled before a training, without any training."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import save_file

from eighteen.core.errors import RecipeError
from eighteen.core.recipe import Recipe
from eighteen.models.family import build
from eighteen.models.weights import input_spec_for
from eighteen.training import fitting, planning
from eighteen.training.contradictions import idle_settings
from eighteen.training.resolve import resolve
from tabular import dataset_of

DATASET = dataset_of(["cat", "dog"] * 8, ["train"] * 12 + ["val"] * 4)


def recipe(weights: object, **inputs: Any) -> Recipe:
    """Of a tiny network; nothing is timed and nothing read."""
    return Recipe().changed(
        model={"name": "test_resnet", "weights": str(weights)},
        inputs=inputs,
        training={"precision": "fp32", "channels_last": False, "device": "cpu"},
    )


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A file with weights of three channels."""
    save_file(build("test_resnet", num_classes=2).state_dict(), tmp_path / "published.safetensors")
    return tmp_path / "published.safetensors"


def test_grey_pictures_take_summed_filters_and_averaged_statistics(published: Path, tmp_path: Path) -> None:
    plan = planning.plan(recipe(published, channels=1), DATASET)
    made = input_spec_for("test_resnet")
    assert plan.recipe.inputs.mean == pytest.approx((sum(made.mean) / 3,))
    assert plan.recipe.inputs.std == pytest.approx((sum(made.std) / 3,))
    theirs = build("test_resnet", num_classes=2)
    planning.model_weights.fit(theirs, planning.model_weights.load_file(published))
    first = next(name for name, value in theirs.named_parameters() if value.ndim == 4)
    summed = theirs.get_parameter(first).sum(1, keepdim=True)
    torch.testing.assert_close(plan.network.get_parameter(first), summed)
    fitting.start(plan, DATASET, [], pl.DataFrame(), tmp_path / "run")


def test_a_run_says_which_file_of_weights_it_began_with(published: Path, tmp_path: Path) -> None:
    begun = fitting.start(
        planning.plan(recipe(published), DATASET), DATASET, [], pl.DataFrame(), tmp_path / "begun"
    )
    assert begun.environment["weights_sha256"] == hashlib.sha256(published.read_bytes()).hexdigest()
    scratch = planning.plan(recipe("none", mean=(0.5,) * 3, std=(0.2,) * 3), DATASET)
    assert scratch.weights_sha256 == ""


@pytest.mark.parametrize("given", [{"mean": (0.5,)}, {"std": (0.5,)}, {"mean": (0.5,), "std": (0.5,)}])
@pytest.mark.parametrize("channels", ["auto", 3])
def test_too_few_statistics_are_refused_by_their_names(
    given: dict[str, Any], channels: Any, published: Path
) -> None:
    with pytest.raises(RecipeError) as refused:
        planning.plan(recipe(published, channels=channels, **given), DATASET)
    names, verb = " and ".join(f"inputs.{key}" for key in given), "have" if len(given) > 1 else "has"
    said = (
        f"{names} {verb} 1 values, the pictures 3 channels; give one value a channel, or set inputs.channels"
    )
    assert str(refused.value) == said


# Budget


def budgeted(minutes: float, monkeypatch: pytest.MonkeyPatch, **sections: dict[str, Any]) -> planning.Plan:
    """From scratch on twelve pictures of 200 px, whose choices are 128 px and 100 epochs; 0.1 s a picture."""
    monkeypatch.setattr(planning, "measure_modes", lambda *given: dict.fromkeys(given[-1], 0.1))
    asked = recipe("none", mean=(0.5,) * 3, std=(0.2,) * 3)
    settings = {"budget_minutes": minutes, **sections.pop("training", {})}
    return planning.plan(asked.changed(training=settings, **sections), LARGE)


LARGE = DATASET.with_table(
    DATASET.table.with_columns(width=pl.lit(200, pl.Int64), height=pl.lit(200, pl.Int64))
)


def test_a_budget_counts_the_steps_of_the_optimizer(monkeypatch: pytest.MonkeyPatch) -> None:
    def epochs(step_s: float, **training: Any) -> Any:
        monkeypatch.setattr(planning, "step_seconds", lambda *given: step_s)
        fixed = {"inputs": {"size": 128, "mean": (0.5,) * 3, "std": (0.2,) * 3}}
        return budgeted(2.0, monkeypatch, training=training, **fixed).recipe.training.epochs

    assert epochs(5.0) < epochs(0.0)
    # What its like needs, trained first, is as much again.
    assert epochs(5.0, teacher="itself") <= math.ceil(epochs(5.0) / 2)


def test_a_budget_for_few_epochs_reckons_with_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer than four epochs begin at full size, although as many as were wished for would not."""
    size = {"size": 200, "mean": (0.5,) * 3, "std": (0.2,) * 3}
    # Twelve pictures of 0.1 s and four of validation: 1.36 s an epoch at full size, less at smaller ones.
    plan = budgeted(3.9 / 0.85 / 60, monkeypatch, inputs=size)
    assert plan.recipe.training.progressive_from == 1.0
    assert plan.recipe.training.epochs == 2


def test_a_budget_reckons_with_mirrored_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(mirrored: bool) -> float:
        fixed = {"size": 200, "mean": (0.5,) * 3, "std": (0.2,) * 3, "mirror_average": mirrored}
        reason = budgeted(1.0, monkeypatch, inputs=fixed).reasons["training.epochs"]
        return float(reason.split()[0])

    assert seconds(True) - seconds(False) == pytest.approx(0.4 * 4 * 0.1, abs=0.11)


@pytest.mark.parametrize("minutes", [0.05, 0.2, 1.0])
def test_all_choices_are_those_for_the_epochs_and_the_size_of_the_budget(
    minutes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = budgeted(minutes, monkeypatch, model={"stem": "imagenet"})
    epochs, size = plan.recipe.training.epochs, plan.recipe.inputs.size
    assert isinstance(epochs, int) and isinstance(size, int)
    assert (epochs, size) < (100, 128)
    measured = ("device", "precision", "channels_last", "budget_minutes")
    fixed = {key: getattr(plan.recipe.training, key) for key in measured}
    asked = recipe("none", mean=(0.5,) * 3, std=(0.2,) * 3, size=size).changed(
        model={"stem": "imagenet"}, training={**fixed, "epochs": epochs}
    )
    expected, reasons = resolve(asked, LARGE)
    assert plan.recipe == expected
    assert reasons.items() <= plan.reasons.items()
    assert "measured" in plan.reasons["training.epochs"]


def test_what_the_user_set_stays_under_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = budgeted(0.05, monkeypatch, training={"ema_decay": 0.5, "batch_size": 1}, augment={"crop": "none"})
    assert (plan.recipe.training.ema_decay, plan.recipe.augment.crop) == (0.5, "none")
    assert plan.recipe.training.batch_size == 2
    assert "BatchNorm" in plan.reasons["training.batch_size"]


def test_a_budget_never_leads_to_another_network_than_the_timed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small stem makes a network slower than the large one at more pixels."""
    plan = budgeted(0.01, monkeypatch)
    assert (plan.recipe.inputs.size, plan.recipe.model.stem) == (48, "imagenet")
    assert budgeted(0.01, monkeypatch, model={"stem": "imagenet"}).recipe.inputs.size < 48


# Settings that would do nothing


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"training": {"keep_head": True, "head_first": False}}, "there is no head that could be kept"),
        ({"training": {"keep_head": True}}, "there is no head that could be kept"),
        ({"training": {"head_first": True}}, "a network without weights has no features"),
        ({"schedule": {"name": "constant", "final_fraction": 0.2}}, "the rate does not fall"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(asked: dict[str, Any], said: str, tmp_path: Path) -> None:
    scratch = recipe("none", mean=(0.5,) * 3, std=(0.2,) * 3)
    plan = planning.plan(scratch.changed(**asked), DATASET)
    with pytest.raises(RecipeError, match=said):
        fitting.start(plan, DATASET, [], pl.DataFrame(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_all_of_them_are_told_at_once(tmp_path: Path) -> None:
    asked = recipe("none", mean=(0.5,) * 3, std=(0.2,) * 3).changed(
        training={"keep_head": True, "drop_doubtful": True},
        schedule={"name": "constant", "final_fraction": 0.2},
    )
    with pytest.raises(
        RecipeError, match=r"training\.drop_doubtful .*training\.keep_head .*schedule\.final_"
    ):
        fitting.start(planning.plan(asked, DATASET), DATASET, [], pl.DataFrame(), tmp_path / "run")


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("inputs", "size", 128), ("training", "progressive_from", 0.7), ("training", "side_fraction", 0.8)],
)
def test_a_network_of_one_size_is_shown_no_other(section: str, key: str, value: float) -> None:
    """`test_vit` places what it sees by a table for 160 px."""
    asked = recipe("none", mean=(0.5,) * 3, std=(0.2,) * 3).changed(model={"name": "test_vit"})
    plan = planning.plan(asked, DATASET)
    assert (plan.recipe.inputs.size, plan.recipe.training.progressive_from) == (160, 1.0)
    assert plan.reasons["inputs.size"] == "test_vit takes pictures of no other side"
    with pytest.raises(
        RecipeError, match=rf"{section}\.{key} is {value}, and test_vit takes .* 160 px alone"
    ):
        planning.plan(asked.changed(**{section: {key: value}}), DATASET)


def test_a_budget_makes_pictures_no_smaller_for_a_network_of_one_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert budgeted(0.01, monkeypatch, model={"name": "test_vit"}).recipe.inputs.size == 160


@pytest.mark.parametrize(
    ("idle", "acting"),
    [
        (
            {"augment": {"flip_alternates": True, "horizontal_flip": 0.0}},
            {"augment": {"horizontal_flip": 0.5}},
        ),
        ({"augment": {"blur_sigma_px": 3.0}}, {"augment": {"blur": 0.1}}),
        ({"augment": {"pad_fraction": 0.2, "crop": "none"}}, {"augment": {"crop": "pad"}}),
        ({"augment": {"crop_aspect_max": 2.0, "crop": "pad"}}, {"augment": {"crop": "resized"}}),
        ({"augment": {"erasing_area_max": 0.5, "erasing": 0.0}}, {"augment": {"erasing": 0.5}}),
        ({"augment": {"policy_operations": 3, "policy": "augmix"}}, {"augment": {"policy": "rand"}}),
        ({"augment": {"policy_magnitude": 3, "policy": "trivial"}}, {"augment": {"policy": "augmix"}}),
        ({"augment": {"mixing_probability": 0.5}}, {"augment": {"cutmix_alpha": 1.0}}),
        ({"loss": {"focal_gamma": 3.0}}, {"loss": {"name": "focal"}}),
        ({"loss": {"robust_q": 0.5}}, {"loss": {"name": "generalised"}}),
        ({"optimizer": {"momentum": 0.8, "name": "sgd"}}, {"optimizer": {"name": "adamw"}}),
        ({"training": {"teacher_temperature": 4.0}}, {"training": {"teacher": "itself"}}),
        ({"training": {"teacher_weight": 0.5}}, {"training": {"teacher": "itself"}}),
    ],
)
def test_a_setting_without_effect_is_told(idle: dict[str, Any], acting: dict[str, Any]) -> None:
    asked = recipe("none", mean=(0.5,) * 3, std=(0.2,) * 3).changed(**idle)
    section, values = next(iter(idle.items()))
    plan = planning.plan(asked, DATASET)
    assert [note for note in plan.notes if note.startswith(f"{section}.{next(iter(values))} does nothing")]
    assert idle_settings(resolve(asked.changed(**acting), DATASET)[0]) == []
