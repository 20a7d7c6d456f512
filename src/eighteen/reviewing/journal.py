"""The decisions of a review, in `corrections.csv` the moment they are made.

Each is a line that is on the disk before the page is answered, so that a crash loses nothing; undoing takes
the last line away. Another program may write the same file meanwhile: it is read anew when it has changed,
and another review waits while this one writes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from pathlib import Path

from eighteen.core import store
from eighteen.core.corrections import Correction, Corrections, heading
from eighteen.core.errors import DatasetError
from eighteen.core.locking import one_at_a_time

_PATIENCE_S = 10.0
"""Decisions take milliseconds; who holds the folder for longer trains in it."""


class Journal:
    """Decisions about the pictures of one review.

    Args:
        path: the file; it is made with the first decision.
        by: who decides.

    Raises:
        DatasetError: the file is no table of corrections, or has other columns than this program writes.
    """

    def __init__(self, path: Path, by: str) -> None:
        self.path = path
        self.by = by
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._rows: tuple[Correction, ...] = ()
        self._cut = False
        with self._lock:
            self._read()

    @property
    def decisions(self) -> dict[str, Correction]:
        """The decision that counts, by picture."""
        with self._lock:
            self._read()
            return {row.path: row for row in self._rows}

    def decide(self, image: str, action: str, label: str, reason: str) -> Correction:
        """Writes a decision down; it is on the disk when this returns.

        Raises:
            RunError: the file cannot be written; the decision does not count then.
        """
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        row = Correction(image, action, label, reason, self.by, now)
        store.make_folder(self.path.parent)
        with self._lock, one_at_a_time(self.path.parent, _PATIENCE_S):
            self._read()
            if self._cut:
                # With an end, a fragment would be a line that every command refuses.
                Corrections(self._rows).write(self.path)
                self._seen, self._cut = self._state(), False
            text = self._before() + row.to_csv()
            size = (0 if self._seen is None else self._seen[0]) + len(text.encode())
            store.append_text(self.path, text)
            self._rows = (*self._rows, row)
            state = self._state()
            # A program that does not wait may have written since: then all is read anew.
            self._seen = state if state is not None and state[0] == size else None
        return row

    def undo(self, images: Collection[str]) -> Correction | None:
        """Takes the last decision about one of these pictures back and returns it; None if there is none."""
        if self._state() is None:
            return None
        with self._lock, one_at_a_time(self.path.parent, _PATIENCE_S):
            self._read()
            last = next((n for n in reversed(range(len(self._rows))) if self._rows[n].path in images), None)
            if last is None:
                return None
            gone = self._rows[last]
            rows = (*self._rows[:last], *self._rows[last + 1 :])
            Corrections(rows).write(self.path)
            self._rows, self._seen, self._cut = rows, self._state(), False
        return gone

    def _before(self) -> str:
        """What must stand before a new line: the heading of a new file, or the end of a last line."""
        if self._seen is None or self._seen[0] == 0:
            return heading()
        with self.path.open("rb") as file:
            file.seek(-1, 2)
            return "" if file.read(1) == b"\n" else "\n"

    def _read(self) -> None:
        state = self._state()
        if state == self._seen:
            return
        if state is None or state[0] == 0:
            self._rows, self._seen, self._cut = (), state, False
            return
        found = Corrections.read(self.path)
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline().rstrip("\r\n")
        if first != heading().rstrip("\n"):
            raise DatasetError(
                f"{self.path} begins with '{first}' and not with '{heading().strip()}', so decisions cannot "
                f"be added to it; name another file with --corrections, or save this one with these columns"
            )
        self._rows, self._seen, self._cut = found.rows, state, found.cut_line > 0

    def _state(self) -> tuple[int, int] | None:
        try:
            about = self.path.stat()
        except FileNotFoundError:
            return None
        return about.st_size, about.st_mtime_ns
