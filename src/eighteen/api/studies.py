"""Questions that take many trainings, as functions: each leaves a study and goes on where it stopped."""

from __future__ import annotations

from pathlib import Path

from eighteen.api.data import PathLike, audited, pinned
from eighteen.api.locked import require_closed_test
from eighteen.core.config import recipe_from_json
from eighteen.core.dataset import Dataset
from eighteen.core.errors import RecipeError
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run, require_absent
from eighteen.core.study import Study
from eighteen.measuring.verdicts import MARGIN, Comparison, check_margin


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
        DatasetError: the folds cannot be dealt, or one of them holds all pictures of a class.
        RecipeError: a teacher, or the weights of a run, have learned from these pictures, or a recipe opens
            the test split.
        GateError: a finding blocks training.
        Interrupted: the user stopped it; `resume_crossval` goes on.
    """
    from eighteen.evaluating.heldout import check_study

    recipe, out = pinned(recipe or Recipe()), Path(out)
    if folds < 2 or repeats < 1:
        raise RecipeError(f"{folds} folds, {repeats} repeats: expected 2 folds or more and 1 repeat or more")
    require_closed_test(recipe, "a cross-validation")
    require_absent(out)
    found = audited(data, recipe, progress)
    check_study(found.dataset, [recipe], folds, repeats)
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
    from eighteen.reporting.study_page import write_study_report

    opened = Study.open(study, "crossval")
    asked = opened.asked
    with opened.working():
        done = cross_validate(
            opened,
            opened.dataset,
            recipe_from_json(asked["recipe"]),
            asked["folds"],
            asked["repeats"],
            progress,
        )
    write_study_report(done)
    return done


def compare(
    first: PathLike | Run,
    second: PathLike | Run,
    split: str | None = None,
    *,
    margin: float = MARGIN,
) -> Comparison:
    """Whether the second run's model is better than the first one's, on the same pictures.

    Args:
        first, second: evaluated runs.
        split: whose predictions; None takes "test" where both have opened it, else "val".
        margin: a difference in accuracy below it does not matter.

    Raises:
        DatasetError: a run has no predictions for the split.
        EighteenError: the runs were not scored on the same pictures.
    """
    from eighteen.evaluating.comparing import compare_runs

    runs = [each if isinstance(each, Run) else Run.open(each) for each in (first, second)]
    return compare_runs(runs[0], runs[1], split, margin)


def compare_recipes(
    data: PathLike | Dataset,
    out: PathLike,
    first: Recipe,
    second: Recipe,
    *,
    names: tuple[str, str] = ("the first", "the second"),
    seeds: int = 3,
    folds: int | None = None,
    margin: float = MARGIN,
    progress: Progress = silent,
) -> Comparison:
    """Whether the second recipe is better, over seeds and on pictures held out of training.

    Args:
        data: a path for `read`, or a data set.
        out: the study's folder to make; it must not exist.
        first, second: the recipes; their `data` sections must agree.
        names: what to call them.
        seeds: trainings of each recipe (and fold).
        folds: cross-validation with so many folds; 1 holds validation out; None takes 5 up to 5,000
            pictures outside the test split, and 1 above.
        margin: a difference in accuracy below it does not matter.

    Raises:
        DatasetError: the folds cannot be dealt, or one of them holds all pictures of a class.
        RecipeError: a teacher, or the weights of a run, have learned from these pictures, or a recipe opens
            the test split.
        GateError: a finding blocks training.
        Interrupted: the user stopped it; `resume_compare` goes on.
    """
    from eighteen.evaluating.heldout import check_study, default_folds

    if seeds < 1 or (folds is not None and folds < 1):
        raise RecipeError(f"{seeds} seeds, {folds} folds: expected 1 or more of each")
    if first.data != second.data:
        raise RecipeError("the two recipes read the data differently; their data sections must be the same")
    check_margin(margin)
    for recipe in (first, second):
        require_closed_test(recipe, "a comparison")
    require_absent(Path(out))
    first, second = pinned(first), pinned(second)
    found = audited(data, first, progress)
    folds = folds or default_folds(found.dataset)
    check_study(found.dataset, [first, second], folds)
    asked = {
        "recipes": [first.to_json(), second.to_json()],
        "names": list(names),
        "seeds": seeds,
        "folds": folds,
        "margin": margin,
    }
    with Study.creating(out, "compare", asked) as staging:
        staging.save_dataset(found.dataset)
    return resume_compare(out, progress)


def resume_compare(study: PathLike, progress: Progress = silent) -> Comparison:
    """Goes on with an interrupted comparison; finished trainings are not made again.

    Raises:
        RunError: there is no such study.
    """
    from eighteen.evaluating import comparing
    from eighteen.reporting.study_page import write_study_report

    opened = Study.open(study, "compare")
    asked = opened.asked
    first, second = (recipe_from_json(row) for row in asked["recipes"])
    names = (asked["names"][0], asked["names"][1])
    with opened.working():
        found = comparing.compare_recipes(
            opened,
            opened.dataset,
            (first, second),
            names,
            asked["seeds"],
            asked["folds"],
            asked["margin"],
            progress,
        )
    write_study_report(opened)
    return found
