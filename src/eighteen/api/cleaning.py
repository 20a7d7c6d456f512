"""Proving that corrections helped, as functions that the command calls too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eighteen.api.data import PathLike, audited, with_corrections
from eighteen.api.locked import require_closed_test
from eighteen.core import store
from eighteen.core.config import recipe_from_json
from eighteen.core.corrections import Corrections
from eighteen.core.dataset import Dataset
from eighteen.core.errors import RecipeError, RunError
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.core.run import require_absent
from eighteen.core.study import Study
from eighteen.measuring.verdicts import MARGIN

if TYPE_CHECKING:
    from eighteen.evaluating.cleaning import Cleaning

COPY = "corrections.csv"
"""What the study calls its own copy of the decisions."""


def clean(
    data: PathLike | Dataset,
    corrections: PathLike,
    out: PathLike,
    recipe: Recipe | None = None,
    *,
    seeds: int = 1,
    folds: int | None = None,
    margin: float = MARGIN,
    progress: Progress = silent,
) -> Cleaning:
    """Trains on the labels as they were and as corrected, on the same folds, and says whether it helped.

    Args:
        data: a path for `read`, or a data set, uncorrected.
        corrections: the file of decisions, as `eighteen review` writes it; the study keeps a copy.
        out: the study's folder to make; it must not exist.
        recipe: how each training goes; None takes the default recipe. It names no other corrections.
        seeds: trainings before and after (and a fold).
        folds: cross-validation with so many folds; 1 holds validation out; None takes 5 up to 5,000
            pictures outside the test split, and 1 above.
        margin: a difference in accuracy below it does not matter.

    Raises:
        DatasetError: the decisions do not fit the pictures, or change nothing outside the test split; the
            folds cannot be dealt, or one of them holds all pictures of a class.
        RecipeError: a teacher, or the weights of a run, have learned from these pictures, or the recipe
            opens the test split or names other corrections.
        GateError: a finding blocks training.
        Interrupted: the user stopped it; `resume_clean` goes on.
    """
    from eighteen.evaluating.cleaning import decisions_outside_test
    from eighteen.evaluating.heldout import (
        check_study,
        default_folds,
        outside_test,
        parts,
        require_every_class,
    )

    if seeds < 1 or (folds is not None and folds < 1):
        raise RecipeError(f"{seeds} seeds, {folds} folds: expected 1 or more of each")
    decisions, out = Corrections.read(corrections), Path(out)
    require_absent(out)
    recipe = recipe or Recipe()
    named = recipe.data.corrections
    if named is not None and Path(named).resolve() != Path(corrections).resolve():
        raise RecipeError(
            f"data.corrections is {named}, and the corrections to prove are {corrections}; "
            f"expected one file: leave data.corrections out, or --set data.corrections=none"
        )
    recipe = with_corrections(recipe, None)
    require_closed_test(recipe, "a proof of corrections")
    found = audited(data, recipe, progress)
    decisions_outside_test(decisions, found.dataset)  # says what does not fit before anything is trained
    folds = folds or default_folds(found.dataset)
    check_study(found.dataset, [recipe], folds)
    known, corrected = (outside_test(each) for each in (found.dataset, decisions.applied_to(found.dataset)))
    require_every_class(known, parts(known, folds, 1, recipe.data.split_seed), corrected)
    asked = {
        "recipe": recipe.to_json(),
        "corrections": {"name": decisions.name, "sha256": decisions.sha256},
        "seeds": seeds,
        "folds": folds,
        "margin": margin,
    }
    with Study.creating(out, "clean", asked) as staging:
        staging.save_dataset(found.dataset)
        store.copy_file(Path(corrections), staging.path / COPY)
    return resume_clean(out, progress)


def resume_clean(study: PathLike, progress: Progress = silent) -> Cleaning:
    """Goes on with an interrupted study; finished trainings are not made again.

    Raises:
        RunError: there is no such study, or its copy of the decisions was changed.
    """
    from eighteen.evaluating.cleaning import clean_and_compare
    from eighteen.reporting.study_page import write_study_report

    opened = Study.open(study, "clean")
    asked = opened.asked
    decisions = Corrections.read(opened.path / COPY)
    if decisions.sha256 != asked["corrections"]["sha256"]:
        raise RunError(
            f"{opened.path / COPY} is not what the study began with; restore it, or begin a new study"
        )
    with opened.working():
        found = clean_and_compare(
            opened,
            opened.dataset,
            Corrections(decisions.rows, asked["corrections"]["name"], decisions.sha256),
            recipe_from_json(asked["recipe"]),
            asked["seeds"],
            asked["folds"],
            asked["margin"],
            progress,
        )
    write_study_report(opened)
    return found
