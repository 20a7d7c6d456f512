"""What is settled before a training, without any training."""

from __future__ import annotations

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
