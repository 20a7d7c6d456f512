"""Whether a run may go on with the data it is given: others would not end with the same weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from eighteen.core.dataset import Dataset
from eighteen.core.errors import RunError
from eighteen.core.findings import name_some
from eighteen.core.run import Run


def moved(dataset: Dataset, root: Path) -> Dataset:
    """The data set at another place.

    Raises:
        RunError: its files are not there.
    """
    if not root.is_dir():
        raise RunError(
            f"the pictures are not at {root}; name where they are: eighteen train DATA --resume RUN"
        )
    return replace(dataset, root=root)


def check_same_classes(run: Run, dataset: Dataset) -> None:
    """Lets a run go on only with data of its own classes.

    Raises:
        RunError: with both lists, and how to start anew from the run's weights.
    """
    ours = list(run.class_names)
    # Accepted findings may have taken classes out that the pictures still show.
    theirs = [name for name in dataset.class_names if name in ours or not run.recipe.data.accept]
    if ours != theirs:
        raise RunError(
            f"{run.path} was trained on {len(ours)} classes ({', '.join(ours)}), the data has {len(theirs)} "
            f"({', '.join(theirs)}): that is no resuming. {_start_anew(run)}"
        )


def check_same_pictures(run: Run, known: Dataset, found: Dataset) -> None:
    """Lets a run go on only with the pictures that it began with: others would not end with the same weights.

    Args:
        run: the run.
        known: its data set.
        found: the same rows, scanned where they are now.

    Raises:
        RunError: naming the pictures that are gone or have another content.
    """
    now = dict(found.table.select("id", "sha256").iter_rows())
    others = [key for key, digest in known.table.select("id", "sha256").iter_rows() if now.get(key) != digest]
    if others:
        raise RunError(
            f"{len(others)} of {len(known)} pictures at {found.root} are gone or not those that {run.path} "
            f"began with ({name_some(others, 3)}): that is no resuming. {_start_anew(run)}"
        )


def _start_anew(run: Run) -> str:
    if not run.weights_path.is_file():
        return (
            f"Start a new run with eighteen train DATA --out OTHER; once {run.path} is finished, "
            f"--weights {run.weights_path} lets it begin with these weights"
        )
    return (
        "Start a new run from these weights with "
        f"eighteen train DATA --weights {run.weights_path} --out OTHER"
    )
