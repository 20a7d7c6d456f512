"""Reading: a path becomes a `Dataset`, whatever the layout on disk.

Each layout is one module of this folder with `ORDER`, `recognises(path, options)` and `read(path, options)`.
They are asked in rising `ORDER`: IDX files (by their names), a table (the file itself, or a folder with one
table and no class folders), class folders. The first that recognises the path reads it. No picture is decoded
here; the rows say which files there are and what they show.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

from eighteen.core import plugins
from eighteen.core.dataset import Dataset, Skipped
from eighteen.core.errors import DatasetError
from eighteen.reading._hints import accepted_layouts
from eighteen.reading._names import is_utf8, printable
from eighteen.reading._unlabelled import read_unlabelled
from eighteen.reading._walk import walk
from eighteen.reading.options import ReadOptions

__all__ = ["ReadOptions", "layouts", "pictures_below", "printable", "read", "read_unlabelled"]


def read(path: str | os.PathLike[str], options: ReadOptions = ReadOptions()) -> Dataset:  # noqa: B008 - frozen
    """Reads a data set.

    Args:
        path: a folder of class folders (with or without train, val and test above), a table of pictures and
            labels or the folder it lies in, or IDX files.
        options: names of columns and what is allowed.

    Returns:
        The rows in natural order, the classes, what was skipped and why, and notes. Sizes, modes and hashes
        are not known yet.

    Raises:
        DatasetError: the path is no data set, or one that cannot be used; the message says what to do.
    """
    place = Path(path)
    if not _exists(place):
        raise DatasetError(_missing(place))
    if not is_utf8(os.path.realpath(place)):
        raise DatasetError(
            f"{printable(os.path.realpath(place))}: the name is not valid UTF-8, so it cannot be written "
            "down; rename the folder"
        )
    for layout in layouts():
        if layout.recognises(place, options):
            dataset: Dataset = layout.read(place, options)
            return dataset
    raise DatasetError(f"{place} is no data set that can be read; {accepted_layouts()}")


def layouts() -> list[ModuleType]:
    """The layout modules in the order they are asked."""
    modules = (plugins.load(__name__, name, "layout") for name in plugins.names(__name__))
    return sorted((module for module in modules if hasattr(module, "recognises")), key=_order)


def _order(module: ModuleType) -> int:
    order: int = module.ORDER
    return order


def _missing(place: Path) -> str:
    near = next((parent for parent in place.absolute().parents if _exists(parent)), Path("/"))
    kind = "broken link" if os.path.islink(place) else "no such file or folder"  # noqa: PTH114
    return f"{place}: {kind} (the path exists up to {near}); {accepted_layouts()}"


def _exists(place: Path) -> bool:
    """Whether there is something; a name too long or a folder that may not be entered is no error here."""
    return os.path.exists(place)  # noqa: PTH110 - Path.exists raises for these


def pictures_below(folder: Path) -> tuple[list[Path], list[Skipped]]:
    """Files below a folder that may be pictures, and what looks like some and cannot be used, with reasons.

    Both are in natural order; clutter and texts are left out.
    """
    found = walk(folder)
    outside = set(found.outside)
    skipped = [
        Skipped(
            printable(str(folder / item.path)),
            "a link that leads out of the folder; name its target" if item.path in outside else item.reason,
        )
        for item in found.skipped
    ]
    return [folder / path for path in found.pictures], skipped
