"""Ctrl-C, SIGTERM and a closed terminal while training: the first asks to stop, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_HANG_UP: signal.Signals | None = getattr(signal, "SIGHUP", None)
"""Windows has none."""


class StopRequest:
    """Whether the user asked to stop, and the exit code that this leaves."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def requested(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """128 + the signal's number: 130 for Ctrl-C, 143 for SIGTERM, 129 for a closed terminal."""
        return 128 + (self.signal or signal.SIGINT)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.signal == number == _HANG_UP:
            # A terminal that is closed says so twice, the shell and the system.
            return
        if self.requested:
            # Files are written whole or not at all, so stopping here loses nothing that was saved.
            raise KeyboardInterrupt
        self.signal = number


def ending_signals() -> tuple[signal.Signals, ...]:
    """SIGTERM, and SIGHUP, which says that the terminal was closed, unless it is ignored, as under nohup."""
    if _HANG_UP is None or signal.getsignal(_HANG_UP) == signal.SIG_IGN:
        return (signal.SIGTERM,)
    return (signal.SIGTERM, _HANG_UP)


@contextmanager
def listening() -> Iterator[StopRequest]:
    """Listens for Ctrl-C and ending signals inside the block (in the main thread only, as Python demands)."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    numbers = (signal.SIGINT, *ending_signals())
    before = {number: signal.signal(number, request._take) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
