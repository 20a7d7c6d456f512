"""Cross-validation: every picture outside the test split is scored by a training that never saw it.

k trainings a repeat, each without one fold. The folds keep groups and copies together and are stratified by
class. Measures are computed over all out-of-fold predictions at once; with repeats a picture counts once a
repeat and its copies are resampled together, so that repeating never makes an interval look narrower than the
number of pictures allows.
"""

from __future__ import annotations

from eighteen.core.dataset import Dataset
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.core.study import Study
from eighteen.evaluating.heldout import held_out_predictions, outside_test, parts, together, with_seed
from eighteen.tasks import make


def cross_validate(
    study: Study, dataset: Dataset, recipe: Recipe, k: int, repeats: int, progress: Progress = silent
) -> Study:
    """Trains and scores every fold, and stores predictions and measures in the study.

    Args:
        study: as `Study.creating` made it, or interrupted since.
        dataset: audited, with splits; its test split is left out.
        recipe: of every training; each repeat has its own seed.
        k: folds, 2 or more.
        repeats: how often the folds are dealt anew.

    Raises:
        DatasetError: there are fewer pictures or groups than folds.
        Interrupted: the user stopped it; the study goes on later.
    """
    known = outside_test(dataset)
    waiting = parts(known, k, repeats, recipe.data.split_seed)
    found = []
    for number, part in enumerate(waiting):
        told = f"training {number + 1} of {len(waiting)}, without fold {part.fold + 1}"
        progress("note", number, len(waiting), told)
        seeded = with_seed(recipe, recipe.seed + part.repeat)
        found.append(held_out_predictions(study, "", known, part, seeded, progress))
    predictions = together(found)
    study.save_predictions(predictions)
    task = make(known.task, known.class_names, recipe.loss, known.class_counts("train"))
    settings = recipe.evaluation
    measures, details = task.measures(predictions, "out of fold", settings.confidence, settings.resamples)
    study.save_measures(measures, {**details, "folds": k, "repeats": repeats, "images": len(known)})
    study.set_state("complete")
    return study
