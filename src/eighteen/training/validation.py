"""The look at validation after each epoch: pictures fitted once, kept while memory allows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import psutil
import torch
from torch import nn

from eighteen.core.dataset import Dataset
from eighteen.core.inputs import InputSpec
from eighteen.core.recipe import Recipe
from eighteen.inference.reading import Batch, items_of, read_batches
from eighteen.inference.scoring import Scorer
from eighteen.tasks import Task


class Validation:
    """Scores a network on a split; called with the network, it gives the task's selection measures."""

    def __init__(
        self, task: Task, dataset: Dataset, inputs: InputSpec, recipe: Recipe, device: torch.device
    ) -> None:
        self._task = task
        self._dataset = dataset
        self._inputs = inputs
        self._recipe = recipe
        self._device = device
        self._kept: list[Batch] | None = None
        self._keeps = _bytes(dataset, inputs) <= (
            recipe.training.cache_fraction * psutil.virtual_memory().available
        )

    def __call__(self, network: nn.Module) -> Mapping[str, float]:
        """Selection measures, or {} where nothing can be scored."""
        scored = self._scored(network)
        return {} if scored is None else self._task.selection(*scored)

    def losses(self, network: nn.Module) -> npt.NDArray[np.float64] | None:
        """Loss of each picture after calibration, `[N]`; None where nothing can be scored."""
        scored = self._scored(network)
        return None if scored is None else self._task.losses(*scored)

    def _scored(self, network: nn.Module) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]] | None:
        """Logits and targets of the pictures that can be read."""
        if not len(self._dataset):
            return None
        scorer = Scorer(network, self._inputs, self._device)
        logits: list[npt.NDArray[np.float32]] = []
        rows: list[npt.NDArray[np.int64]] = []
        for batch in self._batches():
            if len(batch.positions):
                logits.append(scorer(batch.pixels))
                rows.append(batch.positions)
        if not rows:
            return None
        targets = self._task.collate(self._dataset).numpy()
        return np.concatenate(logits), targets[np.concatenate(rows)]

    def _batches(self) -> list[Batch]:
        if self._kept is not None:
            return self._kept
        batches = read_batches(
            items_of(self._dataset),
            self._inputs,
            self._recipe.evaluation.batch_size,
            self._recipe.data.max_pixels,
        )
        if not self._keeps:
            return batches  # type: ignore[return-value]
        self._kept = list(batches)
        return self._kept


def _bytes(dataset: Dataset, inputs: InputSpec) -> int:
    return 4 * len(dataset) * inputs.channels * inputs.size**2
