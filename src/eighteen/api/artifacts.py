"""Evaluating exported models, as a function that the command `evaluate` calls for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eighteen.api.data import PathLike, chosen_rows, with_corrections
from eighteen.auditing.scan import scan
from eighteen.core.progress import Progress, silent

if TYPE_CHECKING:
    from eighteen.evaluating.evaluate import Evaluation


def evaluate_artifact(
    artifact: PathLike,
    split: str | None = None,
    data: PathLike | None = None,
    progress: Progress = silent,
    *,
    source: PathLike | None = None,
    out: PathLike | None = None,
) -> tuple[Evaluation, Path]:
    """Scores an exported model in its own runtime, on the pictures of its run or on others.

    Args:
        artifact: folder that `export` made, or a file of it that describes itself.
        split: "train", "val" or "test"; opening the test split is written into its ledger. None is "val", or
            with `data` all of it.
        data: other pictures with labels.
        source: the run that it was made from; None looks whether the folder lies in it.
        out: folder for predictions and measures; None takes the artifact's own.

    Returns:
        What was measured, and the folder that holds it.

    Raises:
        DatasetError: there is nothing to score, or labels are unknown to the model.
        RunError: the run is another one, or there is no place for the results.
    """
    from eighteen.evaluating import evaluate as evaluating
    from eighteen.evaluating.artifacts import Shipped, evaluate_shipped
    from eighteen.inference.predictor import Predictor

    found = Shipped.found(Path(artifact), *(None if each is None else Path(each) for each in (source, out)))
    # A model that cannot be opened costs no opening of the test split.
    predictor = Predictor.open(found.path)
    if data is None:
        name, dataset = split or "val", found.split(split or "val")
    else:
        name, dataset = "data", chosen_rows(data, split, with_corrections(found.basis.recipe, None))
        if found.run is not None:
            seen = scan(dataset, max_pixels=found.run.recipe.data.max_pixels)
            if warning := evaluating.trained_on(seen, found.run.dataset):
                progress("warning", 0, 0, warning)
    return evaluate_shipped(found, predictor, dataset, name, progress), found.place.path
