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
    with _held(folder, patience_s):
        yield


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Holds a folder that exists, and is refused while somebody else does.

    Where there is no such lock, as above, nobody is refused.

    Raises:
        AtWorkError: another process works there.
    """
    with _held(folder, _MOMENT_S) as alone:
        if not alone:
            raise AtWorkError(
                f"another process is at work in {folder}; wait until it has ended, or end it, and try again"
            )
        yield


@contextmanager
def _held(folder: Path, patience_s: float) -> Iterator[bool]:
    """Whether nobody else holds it, or stops doing so soon enough."""
    if os.name == "nt":
        yield True
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield _locked(descriptor, patience_s)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, patience_s: float) -> bool:
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
