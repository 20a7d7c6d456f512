"""The checks of an audit that need a model, composed here: an audit alone knows neither runs nor networks.

Two ways lead to predictions of pictures that a model was not trained on: a study or run that is there
already, or heads on frozen features, which take minutes. The test split takes part in neither, unless its
labels are asked about by name; that is an opening, and written into its ledger before they are read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.auditing.enough import LEAST_IMAGES, find_need
from eighteen.auditing.label_errors import find_label_errors
from eighteen.auditing.outliers import find_outliers
from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError, EighteenError, RunError
from eighteen.core.findings import Finding, name_some
from eighteen.core.predictions import Predictions
from eighteen.core.progress import Progress
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.core.study import Study
from eighteen.evaluating.ledger import record_opening

PURPOSE = "audit of its labels"


def findings_of_stored(dataset: Dataset, source: Path, test_labels: bool) -> list[Finding]:
    """Label errors by the predictions of a study or run.

    Args:
        dataset: audited.
        source: a study of `crossval`, or a run.
        test_labels: also looks at the run's predictions of the test split.

    Raises:
        RunError: there is neither at `source`, or it holds no such predictions.
        EighteenError: they are of other pictures or classes.
    """
    parts = [_held_out(source)]
    if test_labels:
        parts.append(_test_of(source))
        record_opening(dataset, source, PURPOSE)
    shown = dataset if test_labels else _outside_test(dataset)
    return [find_label_errors(_of_classes(part, dataset), _labels(shown)) for part in parts]


def findings_of_features(
    dataset: Dataset, recipe: Recipe, test_labels: bool, progress: Progress
) -> list[Finding]:
    """Label errors, outliers and what more pictures would bring, by frozen features of the recipe's network.

    Args:
        dataset: audited.
        recipe: names the network and its weights.
        test_labels: also looks at the labels of the test split, scored by a head fitted on all others.

    Raises:
        DatasetError: all pictures outside the test split are of one group.
        WeightsError: the weights cannot be had.
        RecipeError: the recipe has no weights.
    """
    from eighteen.splitting import find_units
    from eighteen.training.frozen import FOLDS, frozen_features, frozen_reader, score_out_of_fold
    from eighteen.training.learning_curve import hits_by_size
    from eighteen.training.voting import opinions, opinions_of_others

    known = _outside_test(dataset)
    reader = frozen_reader(known, recipe)
    features = frozen_features(reader, known, progress)
    scored = score_out_of_fold(known, features, recipe.data.split_seed)
    found = [
        *_label_errors_of_learned(known, opinions(known, features, scored), scored.folds),
        *find_outliers(known, features),
    ]
    # A share of fewer groups is the same groups again: there is no curve.
    if len(known) >= LEAST_IMAGES and len(find_units(known)) >= FOLDS:
        sizes, hits = hits_by_size(known, features, scored, recipe.seed)
        found += find_need(sizes, hits, known.table["group"].to_list())
    test = dataset.subset("test")
    if test_labels and len(test):
        record_opening(dataset, dataset.root, PURPOSE)
        theirs = opinions_of_others(known, features, test, frozen_features(reader, test, progress))
        found.append(find_label_errors(theirs, _labels(test)))
    return found


def require_test(dataset: Dataset) -> None:
    """Asking about test labels needs some.

    Raises:
        DatasetError: there is no test split.
    """
    if not dataset.split_counts["test"]:
        raise DatasetError(f"{dataset.root} has no test split, so --test-labels has nothing to look at")


def _outside_test(dataset: Dataset) -> Dataset:
    return dataset.with_table(dataset.table.filter(pl.col("split") != "test"))


def _labels(dataset: Dataset) -> dict[str, str]:
    return dict(dataset.table.select("id", "target").iter_rows())


def _label_errors_of_learned(
    known: Dataset, said: Predictions, folds: npt.NDArray[np.int64]
) -> list[Finding]:
    """Label errors; a class that lies in one fold alone is known to no head that judges it."""
    in_folds = known.table.select("id", "target", pl.Series("fold", folds)).with_columns(
        pl.col("fold").n_unique().over("target")
    )
    labels = dict(in_folds.filter(pl.col("fold") > 1).select("id", "target").iter_rows())
    found = [find_label_errors(said, labels)] if labels else []
    alone = in_folds.filter(pl.col("fold") == 1)["target"].unique().sort().to_list()
    if alone:
        message = (
            f"labels of some classes were not judged: all their pictures lie in one group, or in groups that "
            f"were held out together, so that no head knew the class: {name_some(alone)}"
        )
        advice = "add pictures of such a class in other groups"
        found.append(Finding("label_errors", "info", message, (), advice))
    return found


def _held_out(source: Path) -> Predictions:
    """Predictions of pictures that took no part in training: out of fold, or of validation."""
    if (source / "study.json").exists():
        return Study.open(source, "crossval").predictions
    if not (source / "run.json").exists():
        raise RunError(
            f"{source} is neither a study nor a run; make one: eighteen crossval DATA --out {source}, or "
            f"look with a network: --model NAME --weights FILE"
        )
    run = Run.open(source)
    if "val" not in run.predicted_splits:
        raise RunError(f"{source} holds no predictions of validation; eighteen evaluate {source} makes them")
    return run.predictions("val")


def _test_of(source: Path) -> Predictions:
    if (source / "study.json").exists():
        raise RunError(
            f"{source} is a study, which leaves the test split out; for --test-labels give a run that has "
            f"opened it, or --model NAME --weights FILE"
        )
    run = Run.open(source)
    if "test" not in run.predicted_splits:
        raise RunError(
            f"{source} holds no predictions of the test split; open it: eighteen evaluate {source} "
            f"--split test"
        )
    return run.predictions("test")


def _of_classes(predictions: Predictions, dataset: Dataset) -> Predictions:
    if set(predictions.class_names) != set(dataset.class_names):
        raise EighteenError(
            f"the predictions are of the classes {', '.join(predictions.class_names)}, the data set has "
            f"{', '.join(dataset.class_names)}; give predictions of the same classes"
        )
    return predictions
