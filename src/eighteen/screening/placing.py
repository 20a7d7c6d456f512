"""Puts chosen pictures into class folders, to be looked through and then added to the data set.

Each lies under the class that its own folder named, else under the class that is suggested, else in
`unsorted`. Files are hard links where the disk allows them, else copies; no original is moved or changed.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import polars as pl

from eighteen.core import store
from eighteen.core.run import require_absent

UNSORTED = "unsorted"


def place_pictures(rows: pl.DataFrame, folder: Path) -> None:
    """Links or copies pictures into a new folder, which appears whole or not at all.

    Args:
        rows: with `path`, `hint` and `suggested`.
        folder: it must not exist.

    Raises:
        RunError: the folder exists, or a file cannot be written.
        OSError: a picture has vanished.
    """
    require_absent(folder)
    taken: Counter[str] = Counter()
    with store.new_folder(folder) as staging:
        for path, hint, suggested in rows.select("path", "hint", "suggested").iter_rows():
            source, place = Path(path), staging / folder_name(hint or suggested or UNSORTED)
            store.make_folder(place)
            name = f"{place.name}/{source.name}".casefold()
            taken[name] += 1
            number = f"-{taken[name]}" if taken[name] > 1 else ""
            store.link_file(source, place / f"{source.stem}{number}{source.suffix}")


def folder_name(class_name: str) -> str:
    """A class as the name of a folder.

    >>> folder_name("a/b"), folder_name("t-shirt"), folder_name("..")
    ('a_b', 't-shirt', '_..')
    """
    name = class_name.replace("/", "_").replace("\\", "_").replace("\0", "_")
    return f"_{name}" if name.startswith(".") else name
