"""Soft targets: a row that names one class costs what the class costs, and shares cost their mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from eighteen.core.recipe import LossSection
from eighteen.tasks import Task, make

COUNTS = {"a": 50, "b": 5, "c": 20}
LOGITS = torch.from_numpy(np.random.default_rng(0).normal(0, 2, (12, 3)).astype(np.float32))
CLASSES = torch.arange(12) % 3


def task(**loss: object) -> Task:
    return make("classification", tuple(COUNTS), LossSection.model_validate(loss), COUNTS)


def cost(made: Task, targets: torch.Tensor) -> float:
    return float(made.loss(lambda images: LOGITS, torch.ones(12), targets))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("weighting", ["none", "balanced"])
def test_a_row_that_names_one_class_costs_what_the_class_costs(smoothing: float, weighting: str) -> None:
    made = task(label_smoothing=smoothing, class_weights=weighting)
    assert cost(made, made.soft(CLASSES)) == pytest.approx(cost(made, CLASSES), rel=1e-6)


def test_shares_cost_the_mean_of_their_classes() -> None:
    made = task(label_smoothing=0.1)
    one, other = made.soft(CLASSES), made.soft(CLASSES.roll(1))
    expected = 0.7 * cost(made, one) + 0.3 * cost(made, other)
    assert cost(made, 0.7 * one + 0.3 * other) == pytest.approx(expected, rel=1e-6)


def test_weights_count_shares_as_often_as_classes() -> None:
    """Against the formula: sum of w_k t_k (-log p_k) over sum of w_k t_k."""
    made = task(label_smoothing=0.0, class_weights="balanced")
    shares = torch.softmax(LOGITS.roll(1, 0), 1)
    weights = torch.tensor([75 / (3 * count) for count in COUNTS.values()])
    terms = -(weights * shares * functional.log_softmax(LOGITS, 1)).sum()
    assert cost(made, shares) == pytest.approx(float(terms / (weights * shares).sum()), rel=1e-6)
