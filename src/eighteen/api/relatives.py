"""Several networks compared on the same pictures, as functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from eighteen.api.data import PathLike, audited, pinned
from eighteen.api.locked import require_closed_test
from eighteen.core.config import recipe_from_json
from eighteen.core.dataset import Dataset
from eighteen.core.errors import RecipeError
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.core.run import require_absent
from eighteen.core.study import Study
from eighteen.measuring.verdicts import MARGIN, check_margin

if TYPE_CHECKING:
    from eighteen.evaluating.relatives import ModelRow

Track = Literal["epochs", "time"]


def compare_models(
    data: PathLike | Dataset,
    out: PathLike,
    models: Sequence[str],
    recipe: Recipe | None = None,
    *,
    track: Track = "epochs",
    seeds: int = 3,
    folds: int | None = None,
    margin: float = MARGIN,
    progress: Progress = silent,
) -> tuple[ModelRow, ...]:
    """How accurate several networks are on pictures they never saw, and what each costs.

    Args:
        data: a path for `read`, or a data set.
        out: the study's folder to make; it must not exist.
        models: names for `model.name`, the one to compare with first.
        recipe: everything else; None takes the default recipe.
        track: "epochs" trains all for as many epochs; "time" gives each training the recipe's
            `training.budget_minutes`.
        seeds: trainings of each network (and fold).
        folds: as for `compare_recipes`.
        margin: a difference in accuracy below it does not matter.

    Raises:
        EighteenError: a name is unknown, or the settings contradict each other, or the weights of a run
            have learned from pictures that are to be held out; or the recipe opens the test split.
        GateError: a finding blocks training.
        Interrupted: the user stopped it; `resume_compare_models` goes on.
    """
    from eighteen.evaluating.heldout import check_study, default_folds
    from eighteen.models.family import check_name

    recipe = recipe or Recipe()
    _check(models, recipe, track, seeds, folds)
    check_margin(margin)
    require_closed_test(recipe, "a comparison")
    for name in models:
        check_name(name)
    require_absent(Path(out))
    recipe = pinned(recipe)
    found = audited(data, recipe, progress)
    folds = folds or default_folds(found.dataset)
    check_study(found.dataset, [recipe], folds)
    asked = {
        "models": list(models),
        "recipe": recipe.to_json(),
        "track": track,
        "seeds": seeds,
        "folds": folds,
        "margin": margin,
    }
    with Study.creating(out, "compare", asked) as staging:
        staging.save_dataset(found.dataset)
    return resume_compare_models(out, progress)


def resume_compare_models(study: PathLike, progress: Progress = silent) -> tuple[ModelRow, ...]:
    """Goes on with an interrupted comparison of networks; finished trainings are not made again.

    Raises:
        RunError: there is no such study.
    """
    from eighteen.evaluating.relatives import compare_networks
    from eighteen.reporting.study_page import write_study_report

    opened = Study.open(study, "compare")
    asked = opened.asked
    recipe = recipe_from_json(asked["recipe"])
    recipes = {name: recipe.changed(model={"name": name}) for name in asked["models"]}
    settings = (asked["seeds"], asked["folds"], asked["margin"])
    with opened.working():
        rows = compare_networks(opened, opened.dataset, recipes, *settings, progress)
    write_study_report(opened)
    return rows


def compares_models(study: PathLike) -> bool:
    """Whether a study compares networks, not two recipes."""
    return "models" in Study.open(study, "compare").asked


def _check(models: Sequence[str], recipe: Recipe, track: str, seeds: int, folds: int | None) -> None:
    problems = []
    if len(models) < 2 or len(set(models)) < len(models):
        problems.append(f"models are {', '.join(models)}; give two or more different names")
    if track == "time" and recipe.training.budget_minutes is None:
        problems.append("equal time needs a budget for each training, such as --budget 10m")
    if track == "epochs" and recipe.training.budget_minutes is not None:
        problems.append("a budget fits the epochs to each network; with it the track is time, not epochs")
    if seeds < 1 or (folds is not None and folds < 1):
        problems.append(f"{seeds} seeds, {folds} folds: expected 1 or more of each")
    if problems:
        raise RecipeError(f"these networks cannot be compared: {'; '.join(problems)}")
