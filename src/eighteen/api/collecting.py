"""Collecting: from a pile of pictures to those worth labelling, as one function."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from eighteen.api.data import PathLike, read, split
from eighteen.auditing.scan import scan
from eighteen.core.dataset import Dataset, empty_table
from eighteen.core.errors import EighteenError, RunError
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run, require_absent
from eighteen.core.tables import check_table_path, write_table
from eighteen.reading import ReadOptions, read_unlabelled

if TYPE_CHECKING:
    from eighteen.screening.screen import Screened, Wish
    from eighteen.screening.seen import Look

PAGES = (".html", ".htm")
"""Endings of a report."""


def screen(
    pile: PathLike,
    against: PathLike | Dataset | None = None,
    out: PathLike | None = None,
    *,
    wish: Wish | None = None,
    run: PathLike | None = None,
    model: str | None = None,
    weights: PathLike | None = None,
    columns: Mapping[str, str] = MappingProxyType({}),
    settings: Mapping[str, Any] = MappingProxyType({}),
    copy_to: PathLike | None = None,
    report: PathLike | None = None,
    device: str = "auto",
    progress: Progress = silent,
) -> Screened:
    """Drops broken, duplicate and off-topic pictures of a pile and chooses those worth labelling.

    Args:
        pile: a folder, all pictures below which are taken, or a table that names them; nothing in it is
            changed.
        against: the data set that they are for, as for `read`; None takes that of the run, or none at all.
        out: table to write (.csv, .parquet or .jsonl); it must not exist.
        wish: how many, by which method; None takes the defaults of `Wish`.
        run: a trained run, whose network looks and whose answers say how sure it is.
        model: a network of the family, without a run; None with weights is "resnet18".
        weights: its weights: a file, or "imagenet" for the published ones. Without run and weights no network
            looks, which is much weaker.
        columns: `image_column`, `label_column` and `group_column` of tables, as in `data` of a recipe.
        settings: further keys of the `data` section, such as `allow_outside`.
        copy_to: folder to make, with the chosen pictures in class folders, linked or copied.
        report: page to write (.html), with the pictures; it must not exist.
        device: where the network runs.

    Returns:
        One row a picture, with its decision and the reason.

    Raises:
        DatasetError: there is no pile, or `against` is no data set.
        RunError: an output exists, or there is no trained model at `run`.
        WeightsError: the weights cannot be had.
        EighteenError: options that contradict one another.
    """
    from eighteen.screening.screen import screen as screen_pile

    _check_outputs(out, copy_to, report)
    look = _look(run, model, weights, device)
    recipe = (Recipe() if run is None else Run.open(run).recipe).changed(data={**settings, **columns})
    known = _known(against, run, recipe, progress)
    fresh = _pile(pile, recipe, progress)
    found = screen_pile(fresh, known, look, wish, progress)
    # First the folder, which must not exist: the others may lie in it.
    if copy_to is not None:
        from eighteen.screening.placing import place_pictures

        place_pictures(found.rows("chosen"), Path(copy_to))
    if out is not None:
        write_table(Path(out), found.table)
    if report is not None:
        from eighteen.reporting.screen_page import write_screen_page

        write_screen_page(found, Path(report), Path(pile).resolve().name)
    return found


def _check_outputs(out: PathLike | None, copy_to: PathLike | None, report: PathLike | None) -> None:
    """Refuses what cannot be written before any picture is looked at."""
    if out is not None:
        check_table_path(Path(out))
    if report is not None and Path(report).suffix.lower() not in PAGES:
        raise RunError(f"{report}: a page is written as .html; choose another --report")
    named = {"--out": out, "--copy-to": copy_to, "--report": report}
    places = {option: Path(place) for option, place in named.items() if place is not None}
    for option, place in places.items():
        require_absent(place, option)
    if len({place.resolve() for place in places.values()}) < len(places):
        same = ", ".join(f"{option} {place}" for option, place in places.items())
        raise RunError(f"{same}: one would overwrite another; give each a name of its own")


def _look(run: PathLike | None, model: str | None, weights: PathLike | None, device: str) -> Look:
    if run is not None and (model is not None or weights is not None):
        raise EighteenError("a run brings its own network: give --run, or --model with --weights, not both")
    if model is not None and weights is None:
        raise EighteenError(
            f"--model {model} looks with weights: name a file with --weights FILE, or --weights imagenet for "
            f"the published ones"
        )
    if run is None and weights is None:
        from eighteen.screening.by_eye import EyeLook

        return EyeLook()
    from eighteen.screening.by_network import NetworkLook

    if run is not None:
        return NetworkLook.of_run(Run.open(run), device)
    assert weights is not None
    return NetworkLook.of_weights(model or "resnet18", weights, device)


def _known(
    against: PathLike | Dataset | None, run: PathLike | None, recipe: Recipe, progress: Progress
) -> Dataset:
    """The data set, scanned and split; without rows where there is none."""
    if against is None:
        if run is None:
            return Dataset(empty_table(), (), Path())
        return _scanned(Run.open(run).dataset, recipe, progress)
    dataset = against if isinstance(against, Dataset) else read(against, recipe)
    return split(_scanned(dataset, recipe, progress), recipe)


def _pile(pile: PathLike, recipe: Recipe, progress: Progress) -> Dataset:
    data = recipe.data
    options = ReadOptions(
        image_column=data.image_column, label_column=data.label_column, allow_outside=data.allow_outside
    )
    return _scanned(read_unlabelled(Path(pile), options), recipe, progress)


def _scanned(dataset: Dataset, recipe: Recipe, progress: Progress) -> Dataset:
    return scan(dataset, max_pixels=recipe.data.max_pixels, looks=True, progress=progress)
