"""Questions that take many trainings, as functions: each leaves a study and goes on where it stopped."""

from __future__ import annotations

from pathlib import Path

from eighteen.api.data import PathLike, audit, require_open
from eighteen.core.config import recipe_from_json
from eighteen.core.dataset import Dataset
from eighteen.core.errors import Interrupted, RecipeError
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.core.run import require_absent
from eighteen.core.study import Study


def crossval(
    data: PathLike | Dataset,
    out: PathLike,
    recipe: Recipe | None = None,
    *,
    folds: int = 5,
    repeats: int = 1,
    progress: Progress = silent,
) -> Study:
    """Measures a recipe on every picture outside the test split, each scored by a training that never saw it.

    Args:
        data: a path for `read`, or a data set.
        out: the study's folder to make; it must not exist.
        recipe: how each training goes; None takes the default recipe.
        folds: trainings a repeat, 2 or more.
        repeats: how often the folds are dealt anew, each time with the next seed.

    Returns:
        The finished study with out-of-fold predictions and their measures.

    Raises:
        GateError: a finding blocks training.
        Interrupted: the user stopped it; `resume_crossval` goes on.
    """
    recipe, out = recipe or Recipe(), Path(out)
    if folds < 2 or repeats < 1:
        raise RecipeError(f"{folds} folds, {repeats} repeats: expected 2 folds or more and 1 repeat or more")
    require_absent(out)
    found = audit(data, recipe, progress)
    require_open(found)
    asked = {"recipe": recipe.to_json(), "folds": folds, "repeats": repeats}
    with Study.creating(out, "crossval", asked) as staging:
        staging.save_dataset(found.dataset)
    return resume_crossval(out, progress)


def resume_crossval(study: PathLike, progress: Progress = silent) -> Study:
    """Goes on with an interrupted cross-validation; finished trainings are not made again.

    Raises:
        RunError: there is no such study.
    """
    from eighteen.evaluating.crossval import cross_validate

    opened = Study.open(study, "crossval")
    asked = opened.asked
    try:
        return cross_validate(
            opened,
            opened.dataset,
            recipe_from_json(asked["recipe"]),
            asked["folds"],
            asked["repeats"],
            progress,
        )
    except Interrupted as error:
        opened.set_state("interrupted")
        message = f"stopped; go on with: eighteen crossval --resume {opened.path}"
        raise Interrupted(message, error.exit_code) from error
