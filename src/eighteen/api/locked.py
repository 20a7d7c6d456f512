"""The locked test split: what asks for it in vain is said before anything is trained."""

from __future__ import annotations

from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError, RecipeError
from eighteen.core.recipe import Recipe


def require_test_split(dataset: Dataset, option: str) -> None:
    """Says before anything is trained that there is no test split to open.

    Args:
        dataset: audited, with splits.
        option: that asks for it.

    Raises:
        DatasetError: there is none.
    """
    if not dataset.split_counts["test"]:
        raise DatasetError(
            f"{option} asks for the test split, and these pictures have none; expected some whose split is "
            f"test. Leave {option} out, name a test split in the data, or make all splits anew with --resplit"
        )


def require_closed_test(recipe: Recipe, what: str) -> None:
    """Refuses a recipe that opens the test split where nothing is scored on it.

    Args:
        recipe: as it was given.
        what: that leaves the test split out, such as "a search".

    Raises:
        RecipeError: `evaluation.open_test` is true.
    """
    if recipe.evaluation.open_test:
        raise RecipeError(
            f"evaluation.open_test is true, and {what} never opens the test split; expected false: leave it "
            f"out, or --set evaluation.open_test=false. To open it: eighteen train DATA --test --out RUN"
        )
