"""What "auto" gives for the facts of a data set."""

from __future__ import annotations

import pytest

from eighteen import Recipe
from eighteen.training.choices import ORDER
from eighteen.training.facts import Facts


def test_many_small_pictures_learn_at_a_high_rate_that_decay_is_fitted_to() -> None:
    few, many = _chosen(10_000, 8), _chosen(45_000, 8)
    assert many.optimizer.lr == 2 * 0.05 * 2  # batch 128
    assert few.optimizer.lr < many.optimizer.lr / 2
    assert (few.optimizer.weight_decay, _chosen(45_000, 300).optimizer.weight_decay) == (5e-4, 5e-4)
    short = _chosen(45_000, 3).optimizer.weight_decay
    longer = _chosen(45_000, 8).optimizer.weight_decay
    assert isinstance(short, float) and isinstance(longer, float)
    assert 5e-4 < longer < short <= 2e-3


def test_weights_keep_a_gentle_rate_however_many_pictures_there_are() -> None:
    chosen = _chosen(45_000, 8, pretrained=True).optimizer
    assert (chosen.lr, chosen.weight_decay) == (0.1, 5e-4)


def test_the_head_is_not_kept_where_rare_classes_are_to_count_for_more() -> None:
    keep_head = {(section, field): choose for section, field, choose in ORDER}["training", "keep_head"]
    facts = Facts(500, 224, 1.0, False, ("cat", "dog"), pretrained=True)
    recipe = Recipe().changed(training={"head_first": True})
    assert keep_head(recipe, facts)[0] is True
    for balanced in ({"loss": {"class_weights": "balanced"}}, {"training": {"sampling": "square_root"}}):
        kept, reason = keep_head(recipe.changed(**balanced), facts)
        assert kept is False
        assert "rare classes are to count for more" in reason


def test_letterboxed_pictures_are_seen_whole_in_training_as_in_validation() -> None:
    long, square = _settled(3.0), _settled(1.2)
    assert (long.inputs.fit, square.inputs.fit) == ("letterbox", "squash")
    assert (square.augment.crop, square.augment.crop_scale_min) == ("resized", 0.6)
    assert (long.augment.crop, long.augment.fill) == ("pad", "background")
    assert long.augment.zoom_fraction == 0.1


@pytest.mark.parametrize("n", [100, 2_000, 5_000, 60_000])
def test_erasing_needs_more_epochs_than_the_default_takes(n: int) -> None:
    """As docs/training.md says."""
    assert _settled(1.2, n).augment.erasing == 0
    assert _settled(1.2, n, 15).augment.erasing == (0.25 if n >= 5_000 else 0)
    assert _settled(1.2, n, 14).augment.erasing == 0


def test_from_scratch_takes_muon_and_many_small_pictures_large_batches() -> None:
    many, few = _settled(1.0, 45_000, 8, short_px=32), _settled(1.0, 2_000, 8, short_px=32)
    assert (many.optimizer.name, many.training.batch_size) == ("muon", 256)
    assert many.optimizer.lr == pytest.approx(0.02, rel=0.02)
    assert (few.optimizer.name, few.training.batch_size) == ("muon", 64)
    assert few.optimizer.lr == pytest.approx(0.01, rel=0.02)


def test_short_trainings_from_scratch_see_full_size_but_within_a_budget() -> None:
    assert _settled(1.0, 45_000, 8, short_px=32).training.progressive_from == 1
    assert _settled(1.0, 45_000, 10, short_px=32).training.progressive_from == 0.6
    assert _settled(1.0, 45_000, 8, short_px=32, budget_minutes=5).training.progressive_from == 0.6


def _settled(
    aspect_spread: float,
    n: int = 500,
    epochs: int | None = None,
    short_px: int = 200,
    budget_minutes: float | None = None,
) -> Recipe:
    """Every choice for training from scratch."""
    facts = Facts(n, short_px, aspect_spread, False, ("cat", "dog"), pretrained=False)
    recipe = Recipe().changed(training={"budget_minutes": budget_minutes})
    if epochs is not None:
        recipe = recipe.changed(training={"epochs": epochs})
    for section, field, choose in ORDER:
        if getattr(getattr(recipe, section), field) == "auto":
            recipe = recipe.changed(**{section: {field: choose(recipe, facts)[0]}})
    return recipe


def _chosen(n: int, epochs: int, pretrained: bool = False) -> Recipe:
    """SGD on square pictures of 32 px."""
    facts = Facts(n, 32, 1.0, False, ("cat", "dog"), pretrained)
    recipe = Recipe().changed(
        training={"epochs": epochs, "batch_size": 128 if n >= 20_000 else 64}, optimizer={"name": "nesterov"}
    )
    choices = {(section, field): choose for section, field, choose in ORDER}
    for field in ("lr", "weight_decay"):
        recipe = recipe.changed(optimizer={field: choices["optimizer", field](recipe, facts)[0]})
    return recipe
