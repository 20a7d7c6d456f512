"""A network taught by its like: the same recipe, trained once before on the same pictures.

`training.teacher = itself` asks for it. The teacher is a run of its own in the folder `teacher` of the run,
with another seed and the same splits, so that it knows no picture that the student is measured by. Once the
student is trained, the teacher's weights go; its history stays.

Source: Furlanello et al., Born-Again Neural Networks, ICML 2018.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from eighteen.core.dataset import Dataset
from eighteen.core.errors import Interrupted
from eighteen.core.progress import Progress
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.training import fitting, planning
from eighteen.training.teaching import ITSELF, own_teacher_path

SEED_STEP = 7_919
"""Added to the run's seed: the teacher begins with other weights and sees the pictures in another order."""


def train_teacher(run: Run, dataset: Dataset, progress: Progress) -> None:
    """Trains the teacher of a run that asks for its like; one that was begun goes on.

    Raises:
        Interrupted: the user asked to stop; the run resumes.
    """
    path = own_teacher_path(run.path)
    if ITSELF not in run.recipe.training.teacher or _is_trained(path):
        return
    progress("note", 0, 0, "training the teacher first: the same recipe with another seed")
    if not path.exists():
        plan = planning.plan(teachers_recipe(run.recipe), dataset)
        fitting.start(plan, dataset, [], pl.DataFrame(), path)
    try:
        fitting.fit(Run.open(path), dataset, progress)
    except Interrupted as error:
        run.set_state("interrupted")
        message = f"stopped while the teacher was trained; go on with: eighteen train --resume {run.path}"
        raise Interrupted(message, error.exit_code) from error


def drop_teacher(run: Run) -> None:
    """Removes the weights of a teacher that has done its work."""
    path = own_teacher_path(run.path)
    if _is_trained(path):
        Run.open(path).drop_weights("the student is trained")


def teachers_recipe(recipe: Recipe) -> Recipe:
    """The student's, with the seed of the teacher and the teachers that are left."""
    others = [path for path in recipe.training.teacher if path != ITSELF]
    taught = recipe.changed(training={"teacher": others, "budget_minutes": None})
    return taught.model_copy(update={"seed": (recipe.seed + SEED_STEP) % 2**31})


def _is_trained(path: Path) -> bool:
    return path.exists() and Run.open(path).weights_path.exists()
