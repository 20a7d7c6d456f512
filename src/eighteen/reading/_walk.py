"""Every file below a folder, once, with what is left out named.

A path goes in, a `Found` comes out. Real folders are visited first and links to folders last, each real
folder once, so that loops end and a linked copy never doubles the data. Nothing is opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from eighteen.core.dataset import Skipped, natural_key
from eighteen.core.findings import Finding, name_some
from eighteen.reading._names import (
    counted,
    is_clutter,
    is_text,
    is_utf8,
    is_video,
    printable,
    starts_like_picture,
)

OUTSIDE_OPTION = "--set data.allow_outside=true"


@dataclass
class Found:
    """What lies below a folder; all paths are relative to it, POSIX, in natural order.

    Attributes:
        pictures: files that may be pictures (their content decides later).
        texts: files whose name and first bytes say that they are none.
        folders: every folder that was looked into; "" is the root.
        clutter: number of files and folders that systems leave behind, not looked into.
        hidden: other hidden files and folders, not looked into.
        twice: links to folders that were read already under another name.
        outside: links that lead out of the root and were not followed.
        skipped: entries that look like pictures or hold some, and cannot be used.
    """

    pictures: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    clutter: int = 0
    hidden: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def leave_out(self, path: str, reason: str) -> None:
        self.skipped.append(Skipped(printable(path), reason))


def walk(root: str | os.PathLike[str], allow_outside: bool = False) -> Found:
    """Lists a folder and all below it.

    Args:
        root: the folder; it may be a link itself.
        allow_outside: links that lead out of the root are followed too.
    """
    walker = _Walker(os.fspath(root), allow_outside)
    walker.visit("")
    while walker.links:
        walker.follow(walker.links.pop(0))
    found = walker.found
    for paths in (found.pictures, found.texts, found.folders, found.hidden, found.twice, found.outside):
        paths.sort(key=path_key)
    found.skipped.sort(key=lambda item: path_key(item.path))
    return found


def path_key(path: str) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """Natural order folder by folder, so that `cat/2.png` comes before `cat/10.png`."""
    folder, _, name = path.rpartition("/")
    return (*_folder_key(folder), natural_key(name))


@lru_cache(maxsize=4096)
def _folder_key(folder: str) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    return tuple(natural_key(part) for part in folder.split("/")) if folder else ()


class _Walker:
    def __init__(self, root: str, allow_outside: bool) -> None:
        self.root = root
        self.real_root = os.path.realpath(root)
        self.allow_outside = allow_outside
        self.found = Found()
        self.links: list[str] = []
        self.seen: set[tuple[int, int]] = set()

    def visit(self, start: str) -> None:
        """Looks into a folder and the real folders below it, without recursion (depth has no limit)."""
        pending = [start]
        while pending:
            folder = pending.pop()
            entries = self._entries(folder)
            pending.extend(path for entry in entries if (path := self._sort_in(folder, entry)) is not None)

    def follow(self, link: str) -> None:
        """Looks into the folder behind a link, unless it was read already."""
        if self._identity(link) in self.seen:
            self.found.twice.append(link)
        elif self._may_follow(link):
            self.visit(link)

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            identity = self._identity(folder)
            if identity in self.seen:
                return []
            self.seen.add(identity)
            with os.scandir(self._full(folder)) as entries:
                found = list(entries)
        except OSError as error:
            self.found.leave_out(folder or ".", f"folder cannot be opened ({error.strerror})")
            return []
        self.found.folders.append(folder)
        return found

    def _sort_in(self, folder: str, entry: os.DirEntry[str]) -> str | None:
        """Puts an entry where it belongs; gives the path of a real folder that is to be looked into."""
        name, found = entry.name, self.found
        path = f"{folder}/{name}" if folder else name
        if is_clutter(name):
            found.clutter += 1
        elif name.startswith("."):
            found.hidden.append(printable(path))
        elif not is_utf8(name):
            found.leave_out(path, "its name is not valid UTF-8; rename it")
        elif entry.is_symlink():
            self._sort_in_link(path)
        elif entry.is_dir(follow_symlinks=False):
            return path
        elif entry.is_file(follow_symlinks=False):
            self._sort_in_file(path)
        else:
            found.leave_out(path, "neither a file nor a folder (a pipe, socket or device)")
        return None

    def _sort_in_link(self, path: str) -> None:
        try:
            mode = os.stat(self._full(path)).st_mode  # noqa: PTH116
        except OSError as error:
            self.found.leave_out(path, f"broken link ({error.strerror})")
            return
        if stat.S_ISDIR(mode):
            self.links.append(path)
        elif not stat.S_ISREG(mode):
            self.found.leave_out(path, "a link to neither a file nor a folder")
        elif self._may_follow(path):
            self._sort_in_file(path)

    def _sort_in_file(self, path: str) -> None:
        if is_text(path) and not starts_like_picture(self._full(path)):
            self.found.texts.append(path)
        elif is_video(path) and not starts_like_picture(self._full(path)):
            self.found.leave_out(path, "films and sound are not read; save single pictures")
        else:
            self.found.pictures.append(path)

    def _may_follow(self, link: str) -> bool:
        target = os.path.realpath(self._full(link))
        inside = target == self.real_root or target.startswith(os.path.join(self.real_root, ""))  # noqa: PTH118
        if not inside and not self.allow_outside:
            self.found.outside.append(link)
            self.found.leave_out(link, f"link leads out of the folder; {OUTSIDE_OPTION} reads it")
            return False
        return True

    def _full(self, path: str) -> str:
        return os.path.join(self.root, path) if path else self.root  # noqa: PTH118

    def _identity(self, path: str) -> tuple[int, int]:
        status = os.stat(self._full(path))  # noqa: PTH116
        return status.st_dev, status.st_ino


def walk_notes(found: Found, used_texts: Iterable[str] = ()) -> list[Finding]:
    """What a walk left out, as findings; texts that were put to use are not counted."""
    used = set(used_texts)
    texts = [path for path in found.texts if path not in used]
    notes = [
        _note("ignored_files", _ignored(found), "nothing to do; rename what should have been used"),
        _note(
            "other_files",
            f"{counted(len(texts), 'file')} taken for no picture by name: {name_some(texts)}"
            if texts
            else "",
            "nothing to do",
        ),
        _note(
            "linked_folders",
            f"{counted(len(found.twice), 'link')} to folders that are read already: {name_some(found.twice)}"
            if found.twice
            else "",
            "nothing to do; each folder is read once",
        ),
    ]
    if found.outside:
        message = (
            f"{len(found.outside)} links lead out of the folder and are left out: {name_some(found.outside)}"
        )
        advice = f"read them with {OUTSIDE_OPTION}, or copy the pictures into the folder"
        notes.append(Finding("outside_paths", "warning", message, tuple(found.outside), advice))
    outside = set(found.outside)
    others = [item for item in found.skipped if item.path not in outside]
    if others:
        named = name_some([f"{item.path} ({item.reason})" for item in others])
        message = f"{counted(len(others), 'entry')} that cannot be used: {named}"
        images = tuple(item.path for item in others)
        notes.append(Finding("unusable_entries", "warning", message, images, "repair, rename or remove them"))
    return [note for note in notes if note.message]


def _ignored(found: Found) -> str:
    parts = []
    if found.clutter:
        parts.append(f"{found.clutter} known system {'entry' if found.clutter == 1 else 'entries'}")
    if found.hidden:
        parts.append(f"{len(found.hidden)} other hidden ones ({name_some(found.hidden)})")
    return "ignored by name: " + " and ".join(parts) if parts else ""


def _note(check: str, message: str, advice: str) -> Finding:
    return Finding(check, "info", message, (), advice)
