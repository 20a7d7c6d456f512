"""From a cell to the file it means, without asking the disk for every row.

Cells go in, places come out. Each folder is listed once; a path that is not there letter for letter is then
looked up in an index of all files below the root: other case, other storage of accents, missing ending, other
place of the table. It is taken only if exactly one file fits; every such guess is counted and noted.
"""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from eighteen.reading._names import is_text, split_of
from eighteen.reading._walk import OUTSIDE_OPTION, walk

Kind = Literal["found", "guessed", "missing", "outside"]

_ADDRESS = re.compile(r"^[a-z][a-z0-9+.\-]+://", re.IGNORECASE)
_DRIVE = re.compile(r"^[A-Za-z]:(?=[/\\])")


@dataclass(frozen=True)
class Place:
    """Where a cell's file lies.

    Attributes:
        kind: `found` as written, `guessed`, `missing`, or `outside` the root and not allowed.
        path: relative to the root, POSIX (absolute for an allowed file elsewhere); "" where there is none.
        how: what was done to find it, or why it is not used.
    """

    kind: Kind
    path: str = ""
    how: str = ""


class Locator:
    """Finds files below a root.

    Args:
        root: the table's folder.
        allow_outside: paths and links that lead out of the root may be used.
    """

    def __init__(self, root: Path, allow_outside: bool) -> None:
        self._root = os.path.abspath(root)  # noqa: PTH100 - lexical, so that links stay as written
        self._real_root = os.path.realpath(root)
        self._allow_outside = allow_outside
        self._listed: dict[str, dict[str, bool] | None] = {}

    def exists(self, cell: str) -> bool:
        """Whether a cell names a file as it stands, or nearly; the index is not asked."""
        return bool(cell.strip()) and self._as_written(cell).kind == "found"

    def find(self, cell: str) -> Place:
        """Finds one cell's file."""
        if "\0" in cell or "\n" in cell:
            return Place("missing", how="no path: it holds a line break or NUL")
        if _ADDRESS.match(cell.strip()):
            return Place("missing", how="a web address; download the picture and name the file")
        place = self._as_written(cell)
        if place.kind != "missing" or place.how:
            return place
        path, absolute = _plain(cell)
        if not absolute and posixpath.normpath(path).startswith("../"):
            return Place("missing", how="no such file")
        place = self._index.find(posixpath.normpath(path).lstrip("/"), absolute)
        if absolute and place.kind == "missing" and os.path.isfile(path):  # noqa: PTH113
            return Place("outside", how=_OUTSIDE)
        return place

    def _as_written(self, cell: str) -> Place:
        """Letter for letter, then without blanks around, then with slashes for backslashes."""
        tries: dict[str, str] = {}
        plain = (
            _plain(cell)[0],
            "backslashes read as slashes" if "\\" in cell else "blanks around it removed",
        )
        for text, how in ((cell, ""), (cell.strip(), "blanks around it removed"), plain):
            tries.setdefault(text, how)
        best = Place("missing")
        for text, how in tries.items():
            place = self._look(text, how)
            if place.kind == "found":
                return place
            best = place if place.kind == "outside" or place.how else best
        return best

    def _look(self, text: str, how: str) -> Place:
        full = posixpath.normpath(posixpath.join(self._root, text))
        inside = next((base for base in (self._root, self._real_root) if full.startswith(_slash(base))), None)
        if inside is None:
            return self._look_outside(text, full, how)
        folder, name = posixpath.split(full[len(_slash(inside)) :])
        leads_out = (self._listing(folder) or {}).get(name)
        if leads_out is None:
            is_folder = os.path.isdir(full)  # noqa: PTH112
            return Place("missing", how="a folder, not a picture" if is_folder else "")
        if leads_out and not self._allow_outside:
            return Place("outside", how=f"a link that leads out of the folder; {OUTSIDE_OPTION} reads it")
        return Place("found", posixpath.join(folder, name), how)

    def _look_outside(self, text: str, full: str, how: str) -> Place:
        absolute = posixpath.isabs(text)
        if self._allow_outside and os.path.isfile(full):  # noqa: PTH113
            return Place("found", full if absolute else posixpath.normpath(text), how)
        # A foreign absolute path may still fit a file below the root by its end.
        return Place("missing") if absolute or self._allow_outside else Place("outside", how=_OUTSIDE)

    def _listing(self, folder: str) -> dict[str, bool] | None:
        """Files of a folder, each with whether it really lies outside the root; None where it is none."""
        if folder not in self._listed:
            self._listed[folder] = self._list(posixpath.join(self._root, folder))
        return self._listed[folder]

    def _list(self, full: str) -> dict[str, bool] | None:
        try:
            outer = self._leads_out(full)
            with os.scandir(full) as entries:
                return {
                    entry.name: self._leads_out(entry.path) if entry.is_symlink() else outer
                    for entry in entries
                    if entry.is_file()
                }
        except OSError:
            # No such folder, or none that may be opened: its files count as missing and are named so.
            return None

    def _leads_out(self, full: str) -> bool:
        real = os.path.realpath(full)
        return real != self._real_root and not real.startswith(_slash(self._real_root))

    @cached_property
    def _index(self) -> Index:
        return Index(walk(self._root, self._allow_outside).pictures)


_OUTSIDE = f"outside the table's folder; {OUTSIDE_OPTION} reads it"


class Index:
    """Files by their folded names, for paths that are not there letter for letter.

    Args:
        paths: relative POSIX paths of all files.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        self._folders: set[str] = set()
        for path in paths:
            folder, name = posixpath.split(_folded(path))
            self._by_name[name].append(path)
            if not is_text(name):
                self._by_stem[posixpath.splitext(name)[0]].append(path)
            self._folders.update(folder.split("/"))

    def find(self, path: str, absolute: bool = False) -> Place:
        """The only file that fits a path.

        Args:
            path: the path without a leading slash or drive.
            absolute: it was absolute elsewhere, so that only its end can fit.
        """
        name = posixpath.basename(_folded(path))
        for files, ending in (
            (self._by_name.get(name, ()), ""),
            (self._by_stem.get(name, ()), "ending added"),
        ):
            wanted = [(_without_ending(file) if ending else _folded(file), file) for file in files]
            for fits, how in self._rules(_folded(path), absolute, wanted):
                if len(fits) == 1:
                    return Place(
                        "guessed", fits[0], " and ".join(filter(None, (how, ending))) or "other spelling"
                    )
                if fits:
                    return Place("missing", how=f"fits several files: {', '.join(sorted(fits)[:3])}")
        return Place("missing", how="no such file")

    def _rules(
        self, path: str, absolute: bool, wanted: list[tuple[str, str]]
    ) -> Iterable[tuple[list[str], str]]:
        """Files that fit by each rule in turn; the first rule that any file fits decides."""
        yield [file for key, file in wanted if key == path], "" if not absolute else "found by its end"
        tails = [file for key, file in wanted if key.endswith(f"/{path}") or path.endswith(f"/{key}")]
        yield tails, "found by its end"
        if absolute:
            parent = posixpath.basename(posixpath.dirname(path))
            tail = "/".join(path.split("/")[-2:])
            yield [file for key, file in wanted if f"/{key}".endswith(f"/{tail}")], "found by its end"
            # The bare name fits only where its folder is unknown here; "train/1.png" is never "test/1.png".
            unknown = parent not in self._folders and split_of(parent) is None
            yield [file for _, file in wanted] if unknown else [], "found by its name"


def _folded(path: str) -> str:
    return path if path.isascii() and path.islower() else unicodedata.normalize("NFC", path).casefold()


def _without_ending(path: str) -> str:
    return posixpath.splitext(_folded(path))[0]


def _plain(cell: str) -> tuple[str, bool]:
    r"""A cell with slashes and without a drive, and whether it was absolute.

    >>> _plain(" C:\\pictures\\1.png ")
    ('/pictures/1.png', True)
    """
    text = cell.strip().strip("\"'")
    drive = _DRIVE.match(text)
    path = (text[drive.end() :] if drive else text).replace("\\", "/")
    return path, path.startswith("/")


def _slash(folder: str) -> str:
    return folder if folder.endswith("/") else f"{folder}/"
