"""Which of two recipes is better: both trained with the same seeds, and scored on the same held-out pictures.

With few pictures each training is a cross-validation, so that every picture outside the test split counts;
with many, the validation split is held out (and each training splits its own validation off what is left).
"""

from __future__ import annotations

from collections.abc import Sequence

from eighteen.core.dataset import SPLITS, Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.core.study import Study
from eighteen.evaluating.heldout import Side, outside_test, side_by_side
from eighteen.measuring.paired import compare
from eighteen.measuring.verdicts import Comparison


def compare_recipes(
    study: Study,
    dataset: Dataset,
    recipes: tuple[Recipe, Recipe],
    names: tuple[str, str],
    seeds: int,
    k: int,
    margin: float,
    progress: Progress = silent,
) -> Comparison:
    """Trains both with every seed on every fold, and stores predictions and verdict in the study.

    Args:
        study: as `Study.creating` made it, or interrupted since.
        dataset: audited, with splits; its test split is left out.
        recipes: the first and the second.
        names: what the sentence calls them.
        seeds: trainings of each, from the recipe's own seed on.
        k: folds; 1 holds the validation split out.
        margin: a difference in accuracy below it does not matter.
    """
    known = outside_test(dataset)
    sides = [
        Side(name, f"{place}-", recipe) for name, place, recipe in zip(names, "ab", recipes, strict=True)
    ]
    first, second = side_by_side(study, known, sides, seeds, k, progress)
    compared = compare(first, second, margin=margin, split="held out", names=names)
    study.save_comparison(compared.to_json())
    study.set_state("complete")
    return compared


def compare_runs(first: Run, second: Run, split: str | None, margin: float) -> Comparison:
    """Compares what two runs said about one split; no picture is read.

    Args:
        first, second: evaluated runs on the same pictures.
        split: None takes "test" where both have opened it, else "val".

    Raises:
        DatasetError: a run has no predictions for the split.
    """
    runs = (first, second)
    common = set(first.predicted_splits) & set(second.predicted_splits)
    chosen = split or ("test" if "test" in common else "val")
    known = [*SPLITS, *sorted({*first.predicted_splits, *second.predicted_splits} - {*SPLITS})]
    if chosen not in known:
        raise DatasetError(f"there are no predictions for '{chosen}'; expected one of {', '.join(known)}")
    for run in runs:
        if chosen not in run.predicted_splits:
            raise DatasetError(
                f"{run.path} holds no predictions for '{chosen}' "
                f"(it has: {', '.join(run.predicted_splits)}); "
                f"make them: eighteen evaluate {run.path} --split {chosen}"
            )
    if first.path.resolve() == second.path.resolve():
        raise DatasetError(f"{first.path} would be compared with itself; name another run")
    names = _names(runs)
    predictions = [run.predictions(chosen) for run in runs]
    return compare(predictions[0], predictions[1], margin=margin, split=chosen, names=names)


def _names(runs: Sequence[Run]) -> tuple[str, str]:
    """The folders' names, or their paths where these are the same."""
    first, second = runs
    if first.path.name != second.path.name:
        return first.path.name, second.path.name
    return first.path.as_posix(), second.path.as_posix()
