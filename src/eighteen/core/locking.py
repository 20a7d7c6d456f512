"""Two processes and one folder: one waits for the other, or is refused."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eighteen.core.errors import RunError

_MOMENT_S = 2.0
"""So long somebody may write a line there; a longer hold is work."""

_POLL_S = 0.05


class AtWorkError(RunError):
    """Another process works in that folder."""


@contextmanager
def one_at_a_time(folder: Path, patience_s: float = math.inf) -> Iterator[None]:
    """Holds a folder that exists, as soon as no other process does.

    Windows has no such lock, and some network disks refuse it: there nobody waits.

    Args:
        folder: where the work is.
        patience_s: after so many seconds the work is done without the lock, which somebody holds for longer
            than such work takes.
    """
    descriptor = _descriptor(folder)
    try:
        _lock(descriptor, patience_s)
        yield
    finally:
        _close(descriptor)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Holds a folder that exists, and is refused while somebody else does.

    Where there is no such lock, as above, nobody is refused.

    Raises:
        AtWorkError: another process works there.
    """
    descriptor = _descriptor(folder)
    try:
        if not _lock(descriptor, _MOMENT_S):
            raise AtWorkError(
                f"another process is at work in {folder}; wait until it has ended, or end it, and try again"
            )
        yield
    finally:
        _close(descriptor)


def _descriptor(folder: Path) -> int | None:
    return None if os.name == "nt" else os.open(folder, os.O_RDONLY)


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def _lock(descriptor: int | None, patience_s: float) -> bool:
    """Whether nobody else holds it, or stops doing so soon enough."""
    if descriptor is None:
        return True
    import fcntl

    ends = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > ends:
                return False
            time.sleep(_POLL_S)
        except OSError:
            # The disk knows no locks; one is help, and its lack no reason to refuse the work.
            return True
        else:
            return True
