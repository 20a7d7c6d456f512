"""Pictures that a run has learned from already: none of them may measure what is trained from its weights.

Weights that lie in a run come with its data set, so it is known what they have learned. What the run began
with counts too, as far as those runs are still there. Files that lie elsewhere say nothing, and are taken as
they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from eighteen.core.dataset import Dataset
from eighteen.core.errors import RecipeError
from eighteen.core.findings import name_some
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.training.facts import run_of_weights


def learned_by(run: Run) -> set[str]:
    """SHA-256 of the pictures that a run, and the runs that its weights came from, were trained on."""
    learned: set[str] = set()
    known: set[Path] = set()
    before: Run | None = run
    # A run may lie today where another one lay when its weights were taken: no run is looked at twice.
    while before is not None and before.path.resolve() not in known:
        known.add(before.path.resolve())
        learned |= set(before.dataset.subset("train").table["sha256"])
        before = run_of_weights(before.recipe)
    return learned


def learned_among(run: Run, dataset: Dataset, splits: Sequence[str]) -> list[str]:
    """Ids of the pictures of some splits that a run has learned from."""
    measured = dataset.table.filter(pl.col("split").is_in(splits))
    return measured.filter(pl.col("sha256").is_in(list(learned_by(run))))["id"].to_list()


def check_weights(recipe: Recipe, dataset: Dataset) -> None:
    """Refuses weights that have learned from what is validation or test here.

    Raises:
        RecipeError: naming some of the pictures, and how to keep the splits.
    """
    run = run_of_weights(recipe)
    if run is None:
        return
    if told := learned_among(run, dataset, ("val", "test")):
        raise RecipeError(
            f"the weights of {run.path} have learned from {len(told)} pictures that are validation or test "
            f"here ({name_some(told, 3)}): the measures would be better than the model. Keep its splits: "
            f"--splits-from {run.path}, or begin with other weights"
        )


def check_weights_of_study(
    recipe: Recipe, dataset: Dataset, splits: Sequence[str] = ("train", "val")
) -> None:
    """Refuses weights that have learned from what a study holds out in turn.

    Args:
        recipe: of its trainings.
        dataset: audited, with splits.
        splits: those whose pictures measure something; the folds are dealt anew from train and val.

    Raises:
        RecipeError: naming some of the pictures.
    """
    run = run_of_weights(recipe)
    if run is None:
        return
    if told := learned_among(run, dataset, splits):
        raise RecipeError(
            f"the weights of {run.path} have learned from {len(told)} of the pictures that are to be held "
            f"out here ({name_some(told, 3)}): each training would know the answers that it is measured by. "
            f"Begin with weights that know none of these pictures: --weights imagenet, none, or another FILE"
        )
