"""What a task is: the only thing that the training loop knows about it.

One module a task, found by its file name; it offers `make(dataset_classes, loss) -> Task`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.core import plugins
from eighteen.core.dataset import Dataset
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.core.recipe import LossSection

if TYPE_CHECKING:
    from torch import Tensor


class Task(Protocol):
    """Gives meaning to targets and to the network's outputs.

    Attributes:
        outputs: number of the network's outputs.
        headline: the measure that is named first.
    """

    outputs: int
    headline: str

    def collate(self, dataset: Dataset) -> Tensor:
        """Targets of all rows, as one tensor whose first axis is aligned with them."""

    def loss(self, model: Callable[[Tensor], Tensor], images: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of a batch (a scalar, with gradient) of images `[B, C, H, W]`.

        Targets are as `collate` gives them, or as `soft` does.
        """

    def soft(self, targets: Tensor) -> Tensor:
        """Targets of a batch as float rows that can be averaged when pictures are mixed, `[B, K]`.

        Raises:
            TrainingError: the targets of this task cannot be mixed.
        """

    def decode(self, logits: npt.NDArray[np.float32]) -> tuple[list[str], npt.NDArray[np.float64]]:
        """What to say for each row of logits, and how sure."""

    def selection(
        self, logits: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]
    ) -> Mapping[str, float]:
        """The cheap measures that pick an epoch; "nll" is among them."""

    def losses(
        self, logits: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """Loss of each picture `[N]` as it would be after calibration: what two models are compared by."""

    def measures(
        self, predictions: Predictions, split: str, confidence: float, resamples: int
    ) -> tuple[dict[str, Measure], dict[str, Any]]:
        """Every measure with its interval, and details for the report."""

    def evidence(
        self,
        predictions: Predictions,
        reference: Predictions | None,
        facts: pl.DataFrame,
        split: str,
        confidence: float,
        resamples: int,
    ) -> tuple[dict[str, Measure], dict[str, Any]]:
        """What else can be said about how far to trust it: calibration, prediction sets, abstaining,
        slices.

        Args:
            predictions: of the pictures in question.
            reference: of validation, which sets and thresholds are fitted on; None where these are it.
            facts: a row a picture, by `id`, with columns that may explain mistakes.
            split: name that is written into the measures.
            confidence: of the intervals.
            resamples: of the bootstrap.
        """


def make(task: str, class_names: Sequence[str], loss: LossSection, class_counts: Mapping[str, int]) -> Task:
    """The task of that name for these classes; `class_counts` are those of the training split."""
    module = plugins.load("eighteen.tasks", task, "task")
    return cast(Task, module.make(tuple(class_names), loss, dict(class_counts)))
