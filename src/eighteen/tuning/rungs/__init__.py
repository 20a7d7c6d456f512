"""The practices that a climb tries, one file each, found by their file names.

A module offers `ORDER` (asked in rising order: what usually brings most for its time comes first, since a
budget may not carry all), `TITLE` (for people), and `step(recipe, resolved)`: the recipe with the practice,
or a sentence why these pictures or this network cannot have it. `recipe` may hold "auto"; `resolved` is the
same with every value explicit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eighteen.core import plugins
from eighteen.core.errors import RecipeError
from eighteen.core.recipe import Recipe

Step = Callable[[Recipe, Recipe], Recipe | str]


@dataclass(frozen=True)
class Rung:
    """One practice.

    Attributes:
        name: of its file.
        title: for people.
        order: rungs are offered in rising order.
        step: takes a recipe and the same one resolved; gives one with the practice, or why not.
    """

    name: str
    title: str
    order: int
    step: Step


def rungs(only: Sequence[str] = (), without: Sequence[str] = ()) -> tuple[Rung, ...]:
    """All rungs in their order, or some of them.

    Raises:
        RecipeError: a name that is no rung.
    """
    known = {name: _loaded(name) for name in plugins.names(__name__)}
    strange = [name for name in (*only, *without) if name not in known]
    if strange:
        raise RecipeError(f"there is no rung {', '.join(strange)}; there are: {', '.join(known)}")
    chosen = [rung for name, rung in known.items() if (not only or name in only) and name not in without]
    return tuple(sorted(chosen, key=lambda rung: (rung.order, rung.name)))


def _loaded(name: str) -> Rung:
    module = plugins.load(__name__, name, "rung")
    return Rung(name, module.TITLE, module.ORDER, module.step)
