"""How long work tells how far it is: one function, given by whoever shows it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int, str], None]
"""`progress(stage, done, total, note)`: `done` of `total` units of a stage are finished."""


def silent(stage: str, done: int, total: int, note: str) -> None:
    """Shows nothing: the default of library calls."""
