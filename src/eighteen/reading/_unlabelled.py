"""Pictures that nobody has labelled yet: any folder tree, or a table that names files.

Out comes a `Dataset` without classes. `target` holds what the source says about a picture, which may be
nothing: the label of a table that has such a column, else the name of the folder that the picture lies in.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from eighteen.core.dataset import Dataset, Skipped
from eighteen.core.errors import DatasetError
from eighteen.core.findings import name_some
from eighteen.reading._cells import Cells
from eighteen.reading._checks import build_table
from eighteen.reading._columns import (
    IMAGE_HEADINGS,
    describe_headings,
    find_heading,
    image_candidates,
    label_candidates,
)
from eighteen.reading._locate import Locator
from eighteen.reading._names import has_picture_ending, printable
from eighteen.reading._opening import read_cells
from eighteen.reading._walk import walk, walk_notes
from eighteen.reading.options import ReadOptions


def read_unlabelled(path: Path, options: ReadOptions) -> Dataset:
    """Lists pictures; none is opened.

    Args:
        path: a folder, all pictures below which are taken, or a table (CSV, TSV, JSON Lines, JSON, Parquet).
        options: only `image_column`, `label_column` and `allow_outside` matter here.

    Returns:
        One row a file, in natural order, with no class names and no splits; `skipped` names what cannot be
        used.

    Raises:
        DatasetError: there is nothing at the path, the table names no pictures, or nothing is left.
    """
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder; expected a folder of pictures or a table")
    found = _from_folder(path, options) if path.is_dir() else _from_table(path, options)
    if not found.found:
        raise DatasetError(
            f"{path}: holds no pictures; expected a folder of them, or a table that names them"
        )
    return found


def _from_folder(root: Path, options: ReadOptions) -> Dataset:
    found = walk(root, options.allow_outside)
    folders = [PurePosixPath(path).parent.name for path in found.pictures]
    table = build_table({"id": found.pictures, "path": found.pictures, "target": folders}, {})
    return Dataset(table, (), root, skipped=tuple(found.skipped), notes=tuple(walk_notes(found)))


def _from_table(file: Path, options: ReadOptions) -> Dataset:
    if has_picture_ending(file.name):
        raise DatasetError(
            f"{file}: a single picture; expected a folder of pictures or a table that names them"
        )
    cells = read_cells(file)
    locator = Locator(file.parent, options.allow_outside)
    image, label = _columns(cells, options, file.name, locator)
    labels = cells.column(label) if label else [""] * len(cells.rows)
    paths: dict[str, str] = {}
    skipped: dict[str, Skipped] = {}
    for row, (cell, said) in enumerate(zip(cells.column(image), labels, strict=True)):
        place = locator.find(cell)
        if place.path:
            paths.setdefault(place.path, said.strip())
        elif cell.strip():
            name = printable(cell.strip())
            skipped.setdefault(name, Skipped(name, f"{cells.at(row)}: {place.how}"))
    table = build_table({"id": list(paths), "path": list(paths), "target": list(paths.values())}, {})
    return Dataset(table, (), file.parent, skipped=tuple(skipped.values()), notes=cells.notes)


def _columns(cells: Cells, options: ReadOptions, where: str, locator: Locator) -> tuple[str, str | None]:
    """Picture column, and label column where there is one."""
    images = sorted(
        image_candidates(cells), key=lambda name: not any(map(locator.exists, cells.column(name)[:200]))
    )
    image = _named("image", options.image_column, images, cells.headings, where)
    if image is None:
        raise DatasetError(
            f"{where}: no picture column (known headings: {name_some(IMAGE_HEADINGS, 8)}); name it with "
            f"--image-column. {describe_headings(cells.headings)}"
        )
    labels = [name for name in label_candidates(cells.headings) if name != image]
    return image, _named("label", options.label_column, labels, cells.headings, where)


def _named(
    option: str, named: str | None, fitting: Sequence[str], headings: Sequence[str], where: str
) -> str | None:
    if named is None:
        return fitting[0] if fitting else None
    heading = find_heading(named, headings)
    if heading is None:
        raise DatasetError(
            f"{where}: --{option}-column {named}: there is no such column. {describe_headings(headings)}"
        )
    return heading
