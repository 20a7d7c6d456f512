"""Two processes and one folder: one waits for the other, or is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eighteen.core.errors import RunError


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Holds a folder that exists, as soon as no other process does.

    Windows has no such lock, and some network disks refuse it: there nobody waits.
    """
    descriptor = _descriptor(folder)
    try:
        _lock(descriptor, wait=True)
        yield
    finally:
        _close(descriptor)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Holds a folder that exists, and is refused while somebody else does.

    Where there is no such lock, as above, nobody is refused.

    Raises:
        RunError: another process works there.
    """
    descriptor = _descriptor(folder)
    try:
        if not _lock(descriptor, wait=False):
            raise RunError(
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


def _lock(descriptor: int | None, wait: bool) -> bool:
    """Whether nobody else holds it."""
    if descriptor is None:
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        # The disk knows no locks; one is help, and its lack no reason to refuse the work.
        return True
    return True
