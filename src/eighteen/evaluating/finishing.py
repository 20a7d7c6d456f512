"""From a started run to a measured one: training, calibration, and the splits that are to be scored."""

from __future__ import annotations

from collections.abc import Iterable

from eighteen.core.calibration import Calibration
from eighteen.core.dataset import Dataset
from eighteen.core.locking import alone_in
from eighteen.core.predictions import Predictions
from eighteen.core.progress import Progress
from eighteen.core.run import Run
from eighteen.evaluating.evaluate import evaluate_once, score_dataset
from eighteen.measuring.calibration import choose_calibration
from eighteen.measuring.unit_means import units_of
from eighteen.splitting import folds
from eighteen.training import fitting
from eighteen.training.own_teacher import drop_teacher, train_teacher
from eighteen.training.teaching import ITSELF

CALIBRATION_FOLDS = 5

LEAST_FOR_CALIBRATION = 50
"""With fewer validation pictures a temperature is mostly noise: the logits stay as they are."""


def finish(
    run: Run,
    dataset: Dataset,
    splits: Iterable[str],
    progress: Progress,
    watch: fitting.Watch | None = None,
) -> None:
    """Trains where that is not done, calibrates on validation, and scores splits.

    Args:
        run: started, interrupted or trained.
        dataset: its data set, whose root may have moved.
        splits: which to score; opening "test" is written into its ledger.
        progress: told how far it is.
        watch: given each epoch's row of the history; what it raises ends the training there.

    Raises:
        Interrupted: the user asked to stop; the run resumes.
        RunError: another process is at work on the run.
    """
    with alone_in(run.path):
        _finish(run, dataset, splits, progress, watch)


def _finish(
    run: Run, dataset: Dataset, splits: Iterable[str], progress: Progress, watch: fitting.Watch | None
) -> None:
    if run.info["state"] != "trained":
        if ITSELF in run.recipe.training.teacher:
            with run.stage("train the teacher"):
                train_teacher(run, dataset, progress)
        with run.stage("train"):
            fitting.fit(run, dataset, progress, watch)
        drop_teacher(run)
    known: dict[str, Predictions] = {}
    validation = dataset.subset("val")
    anew = not run.is_calibrated
    if anew:
        with run.stage("calibrate"):
            if len(validation) >= LEAST_FOR_CALIBRATION:
                known["val"] = score_dataset(run, validation, "val", progress)
            calibration = fit_calibration(validation, known.get("val"), run.recipe.balances)
            run.save_calibration(calibration)
        known = {name: each.calibrated(calibration) for name, each in known.items()}
    for name in splits:
        with run.stage(f"evaluate {name}"):
            evaluate_once(run, name, progress, known.get(name), anew)


def fit_calibration(
    validation: Dataset, found: Predictions | None, balanced: bool, bends: bool = True
) -> Calibration:
    """Fitted on what is said about validation: the weights were picked by it, but not trained on it.

    Args:
        validation: its pictures.
        found: what a network says about them; None where they are fewer than `LEAST_FOR_CALIBRATION`.
        balanced: whether training made rare classes count for more; then no method may change answers.
        bends: whether a bend may be chosen.
    """
    if found is None:
        reason = (
            f"{len(validation)} validation pictures are too few to calibrate on ({LEAST_FOR_CALIBRATION})"
        )
        return Calibration(reason=reason, n=len(validation))
    scored = validation.with_table(validation.table.join(found.rows.select("id"), on="id", how="semi"))
    units = units_of(found.rows["group"].to_list(), len(found))
    k = min(CALIBRATION_FOLDS, len(set(units.tolist())))
    if k < 2:
        return Calibration(reason="all validation pictures are of one group", n=len(found))
    return choose_calibration(found.logits, found.targets, folds(scored, k), units, bends, balanced)
