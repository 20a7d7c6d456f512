"""How much RAM a network needs on a small device: which activations are alive together, and where they fit.

TensorFlow Lite for Microcontrollers keeps all activations in one arena. An activation lives from the
operator that makes it to the last one that reads it; the planner sorts activations by size, largest first,
and gives each the lowest place that no other one alive at the same time holds. The highest end is the arena.

Source: `GreedyMemoryPlanner` of TensorFlow Lite for Microcontrollers; Pisarchyk and Lee, Efficient Memory
Management for Deep Neural Net Inference, 2020, "greedy by size".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ALIGNMENT = 16


@dataclass(frozen=True)
class Step:
    """One operator of a graph.

    Attributes:
        name: as the runtime calls it.
        takes, gives: activations; weights are not among them.
        macs: multiply-accumulates.
        scratch_bytes: what an optimised kernel needs beside them while it runs.
        channels: output channels with a scale of their own.
    """

    name: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    macs: int = 0
    scratch_bytes: int = 0
    channels: int = 0


@dataclass(frozen=True)
class Graph:
    """A network as a device runs it.

    Attributes:
        sizes: bytes of each activation.
        steps: operators in the order in which they run.
        takes, gives: activations that come from outside, and those that are asked for.
    """

    sizes: Mapping[str, int]
    steps: tuple[Step, ...]
    takes: tuple[str, ...]
    gives: tuple[str, ...]

    @property
    def macs(self) -> int:
        return sum(step.macs for step in self.steps)


@dataclass(frozen=True)
class Life:
    """An activation, and the first and last operator that need it."""

    name: str
    size_bytes: int
    first: int
    last: int

    def meets(self, other: Life) -> bool:
        return self.first <= other.last and other.first <= self.last


def lives(graph: Graph, keep_input: bool = False, scratch: bool = True) -> list[Life]:
    """Who lives from when to when.

    Args:
        graph: whose activations.
        keep_input: the input stays whole to the end, as the interpreter of phones has it.
        scratch: with the kernels' own needs.
    """
    end = len(graph.steps) - 1
    first = dict.fromkeys(graph.takes, 0)
    last = dict.fromkeys(graph.gives, end) | (dict.fromkeys(graph.takes, end) if keep_input else {})
    for number, step in enumerate(graph.steps):
        for name in step.gives:
            first.setdefault(name, number)
        for name in (*step.takes, *step.gives):
            last[name] = max(last.get(name, 0), number)
    found = [Life(name, graph.sizes[name], first[name], last[name]) for name in first]
    if scratch:
        found += [
            Life(f"scratch of {step.name} {number}", step.scratch_bytes, number, number)
            for number, step in enumerate(graph.steps)
            if step.scratch_bytes
        ]
    return found


def plan(alive: list[Life], alignment: int = ALIGNMENT) -> dict[str, int]:
    """The place of each activation in the arena, bytes from its start.

    >>> a, b, c = Life("a", 32, 0, 1), Life("b", 16, 1, 2), Life("c", 32, 2, 3)
    >>> plan([a, b, c])
    {'a': 0, 'c': 0, 'b': 32}
    """
    placed: list[tuple[Life, int]] = []
    for life in sorted(alive, key=lambda one: (-one.size_bytes, one.first)):
        taken = sorted((start, start + one.size_bytes) for one, start in placed if one.meets(life))
        place = 0
        for start, stop in taken:
            if start - place >= life.size_bytes:
                break
            place = max(place, -(-stop // alignment) * alignment)
        placed.append((life, place))
    return {life.name: place for life, place in placed}


def arena_bytes(alive: list[Life], alignment: int = ALIGNMENT) -> int:
    """Bytes of the whole arena."""
    places = plan(alive, alignment)
    return max(places[life.name] + life.size_bytes for life in alive)


def fullest(graph: Graph, alive: list[Life]) -> tuple[int, list[Life]]:
    """The operator at which most is alive, and what is alive there, largest first: the arithmetic behind an
    arena, which no planner can undercut."""

    def there(number: int) -> list[Life]:
        return [life for life in alive if life.first <= number <= life.last]

    number = max(range(len(graph.steps)), key=lambda step: sum(life.size_bytes for life in there(step)))
    return number, sorted(there(number), key=lambda life: -life.size_bytes)
