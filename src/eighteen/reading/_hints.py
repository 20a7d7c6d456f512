"""Where a wrong path probably should have pointed, and what the accepted layouts look like.

Only folder listings are read, and few of them: the folder's parent, its children, and one level below.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from eighteen.core.corrections import are_corrections
from eighteen.reading._names import has_picture_ending, is_clutter, split_of
from eighteen.reading._opening import TABLE_ENDINGS

_GENERAL_NAMES = frozenset(
    [
        "image",
        "images",
        "img",
        "imgs",
        "picture",
        "pictures",
        "photo",
        "photos",
        "jpg",
        "jpeg",
        "jpegs",
        "png",
        "pngs",
        "files",
        "data",
        "mask",
        "masks",
        "annotation",
        "annotations",
        "label",
        "labels",
        "instances",
        "boxes",
        "bboxes",
        "xml",
        "json",
    ]
)
"""Folder names that say what kind of files lie in them and so are no classes beside a table."""

_MAX_ENTRIES = 500
"""Entries of a folder that are looked at for a hint (count)."""


def accepted_layouts() -> str:
    """The two layouts that are read, as one sentence."""
    return (
        "expected either one folder per class (photos/cat/1.jpg, photos/dog/2.jpg; train, val and test "
        "folders may stand above the classes) or a table such as a CSV with the columns image and label "
        "(photos/1.jpg,cat)"
    )


def where_it_looks_right(path: Path) -> str:
    """ "; PATH looks right" for the parent or a child with class folders, or ""."""
    folder = path.resolve()
    candidates = [folder.parent, *(folder / name for name in _folders(folder))]
    right = [candidate for candidate in candidates if looks_right(candidate)]
    return f"; {right[0]} looks right: try that path" if right else ""


def looks_right(folder: Path) -> bool:
    """Whether two or more visible folders lie inside, all of them splits or all with pictures."""
    inside = _folders(folder)
    if len(inside) < 2:
        return False
    if all(split_of(name) for name in inside):
        return any(_holds_pictures(folder / inside[0] / name) for name in _folders(folder / inside[0]))
    return all(_holds_pictures(folder / name) for name in inside)


def tables_in(folder: Path) -> list[str]:
    """Names of the tables in a folder; metadata tables only where there is no other, corrections never."""
    names = sorted(
        entry.name
        for entry in _entries(folder)
        if entry.is_file()
        and not entry.name.startswith(".")
        and Path(entry.name).suffix.casefold() in TABLE_ENDINGS
        and not are_corrections(Path(entry.path))
    )
    return [name for name in names if not is_metadata(name)] or names


def is_metadata(name: str) -> bool:
    """Whether a table's name says that it only describes pictures which lie in class folders."""
    return Path(name).stem.casefold() in {"metadata", "meta"}


def class_folders(folder: Path) -> list[str]:
    """Folders that look like classes, or like splits with classes below.

    Split folders with pictures straight inside and folders with a general name ("images", "masks") are none.
    """
    names = [name for name in _folders(folder) if name.casefold() not in _GENERAL_NAMES]
    classes = [name for name in names if split_of(name) is None and _holds_files(folder / name)]
    for name in names:
        if split_of(name) is not None:
            classes += [
                f"{name}/{below}"
                for below in _folders(folder / name)
                if below.casefold() not in _GENERAL_NAMES
            ]
    return classes


def _holds_files(folder: Path) -> bool:
    """Whether pictures lie in a folder or in the folders below it."""
    return _holds_pictures(folder) or any(_holds_pictures(folder / below) for below in _folders(folder))


def _folders(folder: Path) -> list[str]:
    return sorted(
        entry.name
        for entry in _entries(folder)
        if not entry.name.startswith(".") and not is_clutter(entry.name) and entry.is_dir()
    )


def _holds_pictures(folder: Path) -> bool:
    return any(has_picture_ending(entry.name) for entry in _entries(folder))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(itertools.islice(entries, _MAX_ENTRIES))
    except OSError:
        # A folder that cannot be opened gives no hint.
        return []
