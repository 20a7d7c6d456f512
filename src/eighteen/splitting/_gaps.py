"""Classes that chance left out of a split get one unit there, by a fixed rule.

Thresholds on a hash treat units alike, so a small class may miss a split. What each class needs follows from
its number of units: one unit, train; two, train and validation; three and more, every split. A class that
misses a split takes the nearest unit in hash order that can be spared: the smallest hash goes to test, the
next to validation, the largest to train. Training is filled first, small classes come first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from eighteen.splitting._units import Units

TRAIN, VAL, TEST = 0, 1, 2
CODES = {"train": TRAIN, "val": VAL, "test": TEST}


class GapFiller:
    """Moves units between splits until each class has what its number of units allows.

    Args:
        units: the units of the rows taken part.
        targets: class name of each row, `[N]`.
        assigned: split code of each unit, `[U]`; changed in place.
        splits: codes of the splits that are to be made.
        movable: which units may be moved, `[U]`; all where it is None.
    """

    def __init__(
        self,
        units: Units,
        targets: Sequence[str],
        assigned: npt.NDArray[np.int64],
        splits: Sequence[int],
        movable: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        self.assigned = assigned
        self._position = units.position
        self._splits = tuple(splits)
        self._movable = np.ones(len(units), np.bool_) if movable is None else movable
        self._names, codes = np.unique(np.asarray(targets, dtype=np.str_), return_inverse=True)
        self._units_of, self._classes_of = _memberships(codes, units)

    def fill(self) -> dict[str, list[str]]:
        """Fills the gaps.

        Returns:
            For each class that was repaired, the names of the splits that got a unit of it.
        """
        order = sorted(range(len(self._names)), key=lambda k: (len(self._units_of[k]), self._names[k]))
        filled: dict[str, list[str]] = {}
        for split in (TRAIN, VAL, TEST):
            for k in order:
                if self._misses(k, split) and self._bring(k, split):
                    name = next(word for word, code in CODES.items() if code == split)
                    filled.setdefault(str(self._names[k]), []).append(name)
        return filled

    def _needs(self, k: int) -> tuple[int, ...]:
        """Splits that class k must be in: the first ones of train, validation, test when it is small."""
        wanted = tuple(split for split in (TRAIN, VAL, TEST) if split in self._splits)
        return wanted[: len(self._units_of[k])]

    def _count(self, k: int, split: int) -> int:
        return int((self.assigned[self._units_of[k]] == split).sum())

    def _misses(self, k: int, split: int) -> bool:
        return split in self._needs(k) and self._count(k, split) == 0

    def _bring(self, k: int, split: int) -> bool:
        candidates = list(self._candidates(k, split))
        spare = [unit for unit in candidates if self._can_be_spared(unit)]
        # Without a training picture nothing of a class is learned: that gap is filled at any price.
        chosen = spare or (candidates if split == TRAIN else [])
        if chosen:
            self.assigned[chosen[0]] = split
        return bool(chosen)

    def _candidates(self, k: int, split: int) -> Iterator[int]:
        """Movable units of the class, the one whose hash lies nearest to the split first."""
        members = self._units_of[k]
        members = members[self._movable[members]]
        order = np.argsort(self._position[members], kind="stable")
        yield from (int(unit) for unit in members[order[::-1] if split == TRAIN else order])

    def _can_be_spared(self, unit: int) -> bool:
        here = int(self.assigned[unit])
        return all(here not in self._needs(k) or self._count(k, here) > 1 for k in self._classes_of[unit])


def _memberships(
    codes: npt.NDArray[np.int64], units: Units
) -> tuple[list[npt.NDArray[np.int64]], list[list[int]]]:
    """Units of each class, and classes of each unit."""
    pairs = np.unique(np.stack([codes.astype(np.int64), units.of_row], axis=1), axis=0)
    classes = int(codes.max()) + 1 if len(codes) else 0
    starts = np.searchsorted(pairs[:, 0], np.arange(classes + 1))
    units_of = [pairs[starts[k] : starts[k + 1], 1] for k in range(classes)]
    classes_of: list[list[int]] = [[] for _ in range(len(units))]
    for k, unit in pairs.tolist():
        classes_of[unit].append(k)
    return units_of, classes_of
