"""From a started run to a measured one: training, calibration, and the splits that are to be scored."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from eighteen.core.calibration import Calibration
from eighteen.core.dataset import Dataset
from eighteen.core.progress import Progress
from eighteen.core.run import Run
from eighteen.evaluating.evaluate import evaluate_split
from eighteen.inference.predictor import Predictor
from eighteen.measuring.calibration import choose_calibration
from eighteen.splitting import folds
from eighteen.training import fitting

CALIBRATION_FOLDS = 5

LEAST_FOR_CALIBRATION = 50
"""With fewer validation pictures a temperature is mostly noise: the logits stay as they are."""


def finish(run: Run, dataset: Dataset, splits: Iterable[str], progress: Progress) -> None:
    """Trains where that is not done, calibrates on validation, and scores splits.

    Args:
        run: started, interrupted or trained.
        dataset: its data set, whose root may have moved.
        splits: which to score; opening "test" is written into its ledger.
        progress: told how far it is.

    Raises:
        Interrupted: the user asked to stop; the run resumes.
    """
    if run.info["state"] != "trained":
        with run.stage("train"):
            fitting.fit(run, dataset, progress)
    if not run.is_calibrated:
        with run.stage("calibrate"):
            run.save_calibration(_calibration(run, dataset.subset("val"), progress))
    for name in splits:
        with run.stage(f"evaluate {name}"):
            evaluate_split(run, name, progress)


def _calibration(run: Run, validation: Dataset, progress: Progress) -> Calibration:
    """Fitted on validation, which the weights were picked by but not trained on."""
    if len(validation) < LEAST_FOR_CALIBRATION:
        reason = (
            f"{len(validation)} validation pictures are too few to calibrate on ({LEAST_FOR_CALIBRATION})"
        )
        return Calibration(reason=reason, n=len(validation))
    recipe = run.recipe
    predictor = Predictor.open(run.path, recipe.training.device)
    found = predictor.score(validation, batch_size=recipe.evaluation.batch_size, progress=progress)
    scored = validation.with_table(validation.table.join(found.rows.select("id"), on="id", how="semi"))
    rows = found.rows
    units = np.unique(rows.select(_unit()).to_series().to_numpy(), return_inverse=True)[1]
    k = min(CALIBRATION_FOLDS, len(set(units.tolist())))
    if k < 2:
        return Calibration(reason="all validation pictures are of one group", n=len(found))
    return choose_calibration(found.logits, found.targets, folds(scored, k), units)


def _unit() -> pl.Expr:
    """What counts as one: the group where there is one, else the picture."""
    return pl.when(pl.col("group") == "").then(pl.col("id")).otherwise(pl.lit("group ") + pl.col("group"))
