"""Room for pictures that were decoded ahead: threads wait where it is full, and the next one that is wanted
always gets in, so that nobody waits for ever."""

from __future__ import annotations

from threading import Condition


class Room:
    """How many pixels are decoded and not yet taken.

    Args:
        most_pixels: from which on only the next one wanted is let in. Each thread may overshoot by a picture:
            its size is known when it is decoded.
    """

    def __init__(self, most_pixels: float) -> None:
        self._most_pixels = most_pixels
        self._waiting_pixels = 0
        self._wanted = 0
        self._changed = Condition()

    def enter(self, position: int) -> None:
        """Waits until the item at `position` may be decoded."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._waiting_pixels < self._most_pixels or position <= self._wanted
            )

    def put(self, pixels: int) -> None:
        """So many were decoded."""
        with self._changed:
            self._waiting_pixels += pixels

    def want(self, position: int) -> None:
        """Everything before `position` was taken."""
        with self._changed:
            self._wanted = position
            self._changed.notify_all()

    def take(self, pixels: int) -> None:
        """So many were taken."""
        with self._changed:
            self._waiting_pixels -= pixels
            self._changed.notify_all()

    def leave_open(self) -> None:
        """Nobody takes anything any more: lets everybody in who waits."""
        with self._changed:
            self._most_pixels = float("inf")
            self._changed.notify_all()
