"""What a look at pictures gives: a vector each, by which pictures can be compared, and perhaps probabilities.

There are three ways to look, one file each: with the network of a run (`by_network`, which also says how sure
the run is), with a network and its published weights (`by_network` too), and without any model (`by_eye`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from eighteen.core.dataset import Dataset
from eighteen.core.progress import Progress

Floats = npt.NDArray[np.float32]
Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Seen:
    """Pictures as vectors.

    Attributes:
        vectors: `[N, D]`; a small angle between two means that the pictures look alike.
        probabilities: calibrated, `[N, K]`; None where the look knows no classes.
    """

    vectors: Floats
    probabilities: Probabilities | None = None


class Look(Protocol):
    """A way to look at pictures."""

    @property
    def sentence(self) -> str:
        """What it looks with, for people."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes of its probabilities; empty where it gives none."""

    @property
    def can_suggest(self) -> bool:
        """Whether its vectors are good enough to learn classes from."""

    def __call__(self, dataset: Dataset, progress: Progress) -> Seen:
        """Looks at every row, in order."""


def at_length_1(vectors: npt.NDArray[np.floating]) -> Floats:
    """Vectors `[N, D]` brought to length 1, so that only their direction counts; one of zeros stays."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1), np.float32)
