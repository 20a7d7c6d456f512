"""One label a picture: softmax cross-entropy over the classes, or another loss that the recipe names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor
from torch.nn import functional

from eighteen.core.dataset import Dataset
from eighteen.core.errors import TrainingError
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions, softmax
from eighteen.core.recipe import LossSection
from eighteen.measuring import metrics
from eighteen.measuring.baseline import majority_sentence, not_better_than_majority
from eighteen.measuring.calibration import fit_temperature
from eighteen.measuring.classes import ClassMeasures, confusion, per_class
from eighteen.measuring.measure import measure
from eighteen.measuring.resolution import resolution_sentence
from eighteen.tasks._evidence import (
    abstaining_evidence,
    calibration_evidence,
    set_evidence,
    slice_evidence,
)
from eighteen.tasks._losses import mean_loss
from eighteen.tasks._soft_targets import cross_entropy


def make(class_names: tuple[str, ...], loss: LossSection, class_counts: dict[str, int]) -> Classification:
    majority = max(class_names, key=lambda name: class_counts.get(name, 0))
    return Classification(class_names, loss, _weights(class_names, loss, class_counts), majority)


def _weights(
    class_names: tuple[str, ...], loss: LossSection, class_counts: Mapping[str, int]
) -> tuple[float, ...] | None:
    """Balanced weights n / (K * n_k), mean one over the images (scikit-learn's `compute_class_weight`)."""
    if loss.class_weights == "none":
        return None
    total = sum(class_counts.values())
    return tuple(total / (len(class_names) * max(1, class_counts[name])) for name in class_names)


@dataclass(frozen=True)
class Classification:
    """See `eighteen.tasks.Task`.

    Attributes:
        majority: the most frequent class in training, which always guessing would answer.
    """

    class_names: tuple[str, ...]
    settings: LossSection
    class_weights: tuple[float, ...] | None
    majority: str
    headline: str = "accuracy"

    @property
    def outputs(self) -> int:
        return len(self.class_names)

    def collate(self, dataset: Dataset) -> Tensor:
        targets = dataset.class_index()
        if (targets < 0).any():
            unknown = sorted(set(dataset.table["target"].filter(targets < 0)))
            raise TrainingError(
                f"these labels are no classes of the model: {unknown[:10]}; it knows {list(self.class_names)}"
            )
        return torch.from_numpy(targets)

    def loss(self, model: Callable[[Tensor], Tensor], images: Tensor, targets: Tensor) -> Tensor:
        logits = model(images).float()  # [B, K]
        weights = None if self.class_weights is None else logits.new_tensor(self.class_weights)
        if self.settings.name == "cross_entropy":
            return cross_entropy(logits, targets, weights, self.settings.label_smoothing)
        shares = targets if targets.is_floating_point() else self.soft(targets)
        return mean_loss(logits, shares, weights, self.settings)

    def soft(self, targets: Tensor) -> Tensor:
        return functional.one_hot(targets, self.outputs).float()

    def decode(self, logits: npt.NDArray[np.float32]) -> tuple[list[str], npt.NDArray[np.float64]]:
        probabilities = softmax(logits)
        best = probabilities.argmax(axis=1)
        return [self.class_names[k] for k in best], probabilities[np.arange(len(best)), best]

    def selection(
        self, logits: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]
    ) -> Mapping[str, float]:
        probabilities = softmax(logits)
        found = {
            "accuracy": metrics.accuracy(targets, probabilities),
            "balanced_accuracy": metrics.balanced_accuracy(targets, probabilities),
            "macro_f1": metrics.macro_f1(targets, probabilities),
            "nll": metrics.nll(targets, probabilities),
        }
        return {name: value for name, value in found.items() if value is not None}

    def losses(
        self, logits: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        scaled = fit_temperature(logits, targets).apply(logits)
        return metrics.nll_terms(targets, softmax(scaled))

    def measures(
        self, predictions: Predictions, split: str, confidence: float, resamples: int
    ) -> tuple[dict[str, Measure], dict[str, Any]]:
        found = measure(predictions, split, confidence, resamples, majority=self.majority)
        with_images = int((np.bincount(predictions.targets, minlength=self.outputs) > 0).sum())
        fails = not_better_than_majority(found, with_images)
        details = {
            "confusion": confusion(predictions).tolist(),
            "counts": predictions.counts,
            "majority": self.majority,
            "not_better_than_majority": majority_sentence(found, self.majority, with_images) if fails else "",
            "per_class": [_row(found) for found in per_class(predictions, split, confidence, resamples)],
            "resolution": resolution_sentence(len(predictions)),
        }
        return found, details

    def evidence(
        self,
        predictions: Predictions,
        reference: Predictions | None,
        facts: pl.DataFrame,
        split: str,
        confidence: float,
        resamples: int,
    ) -> tuple[dict[str, Measure], dict[str, Any]]:
        measures, details = calibration_evidence(predictions, split, confidence, resamples)
        sets, set_details = set_evidence(predictions, reference, split, confidence)
        abstaining, curve = abstaining_evidence(predictions, split, confidence)
        slices = slice_evidence(predictions, facts, split, confidence)
        return {**measures, **sets, **abstaining}, {**details, **set_details, **curve, **slices}


def _row(found: ClassMeasures) -> dict[str, Any]:
    measures = {"precision": found.precision, "recall": found.recall, "f1": found.f1}
    return {
        "name": found.name,
        "support": found.support,
        **{name: measure.to_json() for name, measure in measures.items()},
    }
