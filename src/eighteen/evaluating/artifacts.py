"""Scores an exported model in its own runtime, and measures it as the run that it was made from is measured.

The pictures are those of the run, which lies around the artifact or is named, or other ones. What comes out
lies in the artifact folder, or where it is told. Opening the run's test split goes into its ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eighteen.core import store
from eighteen.core.artifact import Artifact
from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError, RunError
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.core.scored import Scored
from eighteen.evaluating.evaluate import Basis, Evaluation, ask, check_labels, measure_and_store
from eighteen.evaluating.ledger import record_opening
from eighteen.inference.exported import folder_of, open_model
from eighteen.inference.predictor import Predictor


@dataclass(frozen=True)
class Shipped:
    """An exported model with what evaluating it needs.

    Attributes:
        path: the artifact folder, or a model file by itself.
        run: that it was made from; None where it is not at hand.
        place: takes predictions and measures.
    """

    path: Path
    run: Run | None
    place: Scored

    @classmethod
    def found(cls, path: Path, source: Path | None = None, out: Path | None = None) -> Shipped:
        """Looks for the run, and for a place for the results.

        Args:
            path: the artifact folder, or a model file.
            source: the run; None looks around the artifact.
            out: folder for the results; None takes the artifact's own.

        Raises:
            RunError: the run is not the one that the model was made from, or there is no place, or it holds
                results of something else.
        """
        artifact = folder_of(path)
        place = out or (None if artifact is None else artifact.path)
        if place is None:
            raise RunError(f"{path} lies in no folder of an export, so results need a place: --out FOLDER")
        if artifact is None or place.resolve() != artifact.path.resolve():
            _require_no_owner(place)
        store.make_folder(place)
        return cls(path, _run_of(path, artifact, source), Scored(place))

    @property
    def basis(self) -> Basis:
        return Basis(Recipe(), None) if self.run is None else Basis(self.run.recipe, self.run.dataset)

    def split(self, name: str) -> Dataset:
        """A split of the run's pictures; opening the test split is written down.

        Raises:
            DatasetError: the run is not known, or has no such pictures.
        """
        if self.run is None:
            raise DatasetError(
                f"{self.path} does not lie in the run that it was made from, so its '{name}' pictures are "
                f"not known; name the run with --source RUN, or other pictures with --data"
            )
        chosen = self.run.dataset.subset(name)
        if name == "test" and len(chosen):
            openings = record_opening(chosen, self.path, "evaluate")
            self.place.save_ledger(openings)
            self.run.save_ledger(openings)
        return chosen


def evaluate_shipped(
    shipped: Shipped, predictor: Predictor, dataset: Dataset, name: str, progress: Progress = silent
) -> Evaluation:
    """Scores every row of a data set with an exported model, and stores predictions and measures.

    Args:
        shipped: the model.
        predictor: the same, opened.
        dataset: the rows to score; labels are joined by name.
        name: what the result is called.
        progress: told how far it is.

    Raises:
        DatasetError: there is nothing to score, or it has labels that the model does not know.
    """
    check_labels(dataset, name, predictor.class_names)
    predictions = ask(predictor, shipped.basis.recipe, dataset, name, progress)
    return measure_and_store(shipped.place, shipped.basis, dataset, predictions, name)


def _require_no_owner(place: Path) -> None:
    """Raises RunError where predictions and measures of something else would be replaced."""
    for name, kind in (("run.json", "a run"), ("study.json", "a study"), ("artifact.json", "another export")):
        if (place / name).exists():
            raise RunError(f"{place} is {kind}, whose own results would be replaced; name another --out")


def _run_of(path: Path, artifact: Artifact | None, source: Path | None) -> Run | None:
    """The run that was named, or the one around the artifact; its weights must be those of the model."""
    if source is None:
        around = None if artifact is None else artifact.path.resolve().parent.parent
        if around is None or not (around / "run.json").is_file():
            return None
        source = around
    run = Run.open(source)
    if run.weights_path.is_file() and _made_from(path, artifact) != store.file_sha256(run.weights_path):
        model = path if artifact is None else artifact.path
        raise RunError(
            f"{model} was not made from the weights of {run.path}: they have another hash; name the run that "
            f"it was made from with --source"
        )
    return run


def _made_from(path: Path, artifact: Artifact | None) -> str:
    """Hash of the weights, as the artifact states it, or the file by itself."""
    if artifact is None:
        return open_model(path).weights_sha256
    return str(artifact.info["notes"].get("weights_sha256", ""))
