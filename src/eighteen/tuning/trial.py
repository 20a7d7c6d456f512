"""What a search asks for and hears of: one trial, and the function that makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from eighteen.tuning.space import Point

Report = Callable[[int, float], None]
"""`report(step, value)`: how far a trial is; raises `Pruned` where it is not worth going on."""


class Pruned(Exception):
    """Others did better at the same step: the trial ends here."""


@dataclass(frozen=True)
class Trial:
    """One trial that is to be made.

    Attributes:
        number: from 0, in the order of asking.
        name: where its work lies; a trial that is made again keeps the name of the first attempt.
        point: a value for each parameter.
        is_default: the recipe as it is; its point only tells the sampler about where it lies.
        batch: pictures a step, where an earlier attempt found that memory does not suffice for more.
        note: takes a sentence about what happened on the way.
        shrink: takes a smaller batch and another name, where the work had to begin anew.
    """

    number: int
    name: str
    point: Point
    is_default: bool = False
    batch: int | None = None
    note: Callable[[str], None] = field(default=lambda sentence: None, repr=False)
    shrink: Callable[[int, str], None] = field(default=lambda batch, name: None, repr=False)


Objective = Callable[[Trial, Report], float]
"""Makes a trial and returns what it is worth."""
