"""Looking at suspect pictures and deciding about them, as functions."""

from __future__ import annotations

import getpass
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from eighteen.api.data import PathLike, audit
from eighteen.auditing import audit as audit_dataset
from eighteen.core.config import recipe_from_json
from eighteen.core.dataset import SPLITS, Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding
from eighteen.core.predictions import Predictions
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import DataSection, Recipe
from eighteen.core.run import Run
from eighteen.core.study import Study
from eighteen.evaluating.ledger import record_opening
from eighteen.reviewing.suspects import Suspects, find_suspects

if TYPE_CHECKING:
    from eighteen.reviewing.serving import Address

CORRECTIONS = Path("corrections.csv")
"""Where decisions go when nothing else is said: into the folder that one works in."""


@dataclass(frozen=True, eq=False)
class Review:
    """What is to be looked at, and where decisions go.

    Attributes:
        name: the run, study or data set, as it was named.
        suspects: pictures and topics.
        corrections: the file of decisions.
        settings: the recipe's `data` section.
    """

    name: str
    suspects: Suspects
    corrections: Path
    settings: DataSection


@dataclass(frozen=True, eq=False)
class _Material:
    dataset: Dataset
    findings: tuple[Finding, ...]
    predictions: Predictions | None
    settings: DataSection


def review(
    path: PathLike,
    *,
    corrections: PathLike | None = None,
    split: str | None = None,
    recipe: Recipe | None = None,
    data: PathLike | None = None,
    progress: Progress = silent,
) -> Review:
    """Gathers the suspects of a run, of a study, or of a data set that is audited for it.

    Args:
        path: a run or study folder, or a path for `read`.
        corrections: the file of decisions; None takes the one that the run was made with, or else
            `corrections.csv` in the working folder.
        split: the only split to look at; None is all but test. Looking at "test" is written into its ledger.
        recipe: of a data set: its `data` section rules.
        data: of a run or study: the folder in which the pictures lie now, if they have moved.
        progress: told how far it is.

    Raises:
        DatasetError: the path is no data set, its pictures are gone, or it has none in that split.
    """
    if split not in (*SPLITS, None):
        raise DatasetError(f"'{split}' is no split; there are train, val and test")
    path = Path(path)
    found = _material(path, split, recipe or Recipe(), progress)
    if data is not None:
        found = replace(found, dataset=replace(found.dataset, root=Path(data)))
    _check(found.dataset, path, split)
    if split == "test":
        openings = record_opening(found.dataset.subset("test"), path, "review")
        if (path / "run.json").exists():
            Run.open(path).save_ledger(openings)
    suspects = find_suspects(found.dataset, found.findings, found.predictions, split)
    return Review(path.as_posix(), suspects, _decisions_file(corrections, found.settings), found.settings)


def serve_review(review: Review, address: Address, ready: Callable[[], None], open_browser: bool) -> int:
    """Serves the page until it is stopped.

    Args:
        review: from `review`.
        address: from `eighteen.reviewing.serving.reserve`.
        ready: called when the page can be opened.
        open_browser: also open it in the browser.

    Returns:
        How many pictures of the review are decided at the end.
    """
    from eighteen.reviewing.app import make_app
    from eighteen.reviewing.journal import Journal
    from eighteen.reviewing.renditions import Renditions
    from eighteen.reviewing.serving import serve

    settings = review.settings
    journal = Journal(review.corrections, _user())
    renditions = Renditions(review.suspects, settings.max_pixels, settings.allow_outside)
    app = make_app(review.suspects, journal, renditions, review.name, address.token, address.port)

    def told() -> None:
        ready()
        if open_browser:
            webbrowser.open(address.url)

    serve(app, address, told)
    images = {shown.image for shown in review.suspects.pictures}
    return sum(image in images for image in journal.decisions)


def _material(path: Path, split: str | None, recipe: Recipe, progress: Progress) -> _Material:
    if (path / "run.json").exists():
        run = Run.open(path)
        wanted = split or "val"
        predictions = run.predictions(wanted) if wanted in run.predicted_splits else None
        return _Material(run.dataset, run.findings, predictions, run.recipe.data)
    if (path / "study.json").exists():
        study = Study.open(path)
        settings = _settings_of(study)
        found = audit_dataset(study.dataset, max_pixels=settings.max_pixels, progress=progress)
        return _Material(found.dataset, found.findings, _held_out(study), settings)
    audited = audit(path, recipe, progress)
    return _Material(audited.dataset, audited.findings, None, recipe.data)


def _settings_of(study: Study) -> DataSection:
    """How the study read its pictures; recipes that it compares read them alike."""
    asked = study.asked
    recipes = [asked["recipe"]] if "recipe" in asked else asked.get("recipes", [])
    return recipe_from_json(recipes[0]).data if recipes else Recipe().data


def _held_out(study: Study) -> Predictions | None:
    """What the trainings of a study said about pictures that they had not seen; None where none is done.

    A cross-validation keeps that in one file, every other study in its runs.
    """
    if (study.path / "predictions.parquet").exists():
        return study.predictions
    said = [run.predictions("held_out") for run in study.runs if "held_out" in run.predicted_splits]
    if not said:
        return None
    from eighteen.evaluating.heldout import together

    return together(said)


def _check(dataset: Dataset, path: Path, split: str | None) -> None:
    if not dataset.root.is_dir():
        raise DatasetError(
            f"{path}: its pictures lay in {dataset.root}, which is gone; name their new place: --data FOLDER"
        )
    if split is not None and not dataset.split_counts[split]:
        raise DatasetError(f"{path} has no '{split}' pictures; it has {dataset.split_counts}")


def _decisions_file(named: PathLike | None, settings: DataSection) -> Path:
    if named is not None:
        return Path(named)
    return CORRECTIONS if settings.corrections is None else Path(settings.corrections)


def _user() -> str:
    """The name of whoever is logged in; "" where there is none, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
