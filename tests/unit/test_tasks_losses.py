"""Losses by their formulas, against PyTorch, torchvision and sums by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from eighteen.core.recipe import LossSection
from eighteen.tasks import make

LOGITS = torch.tensor([[2.0, 1.0, -1.0], [0.0, 1.0, 3.0], [-2.0, 0.5, 0.5]])
CLASSES = torch.tensor([0, 1, 2])
SHARES = torch.tensor([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0], [0.2, 0.2, 0.6]])
COUNTS = {"a": 50, "b": 5, "c": 5}
OTHERS = ("focal", "bce", "generalised")


def loss(targets: Tensor, logits: Tensor = LOGITS, counts: Any = COUNTS, **settings: Any) -> Tensor:
    section = LossSection(**{"label_smoothing": 0.0, **settings})
    names = tuple("abcdefgh"[: logits.shape[1]])
    return make("classification", names, section, counts).loss(lambda images: logits, logits, targets)


def test_focal_loss_of_two_classes_is_that_of_torchvision() -> None:
    """The softmax of (0, z) is the sigmoid of z."""
    scores, classes = torch.tensor([-2.0, 0.3, 4.0]), torch.tensor([1, 0, 0])
    logits = torch.stack([torch.zeros(3), scores], dim=1)
    expected = sigmoid_focal_loss(scores, classes.float(), alpha=-1, gamma=2.5, reduction="mean")
    assert loss(classes, logits, name="focal", focal_gamma=2.5) == pytest.approx(float(expected), rel=1e-5)


def test_focal_loss_by_hand() -> None:
    p = LOGITS.softmax(1)
    terms = [(1 - p[i, k]) ** 3 * -p[i, k].log() for i, k in enumerate(CLASSES)]
    assert loss(CLASSES, name="focal", focal_gamma=3) == pytest.approx(float(sum(terms)) / 3, rel=1e-5)


def test_without_focus_it_is_the_cross_entropy() -> None:
    for targets in (CLASSES, SHARES):
        expected = functional.cross_entropy(LOGITS, targets, label_smoothing=0.2)
        mine = loss(targets, name="focal", focal_gamma=0, label_smoothing=0.2)
        assert mine == pytest.approx(float(expected), rel=1e-5)


def test_bce_is_the_sum_over_classes() -> None:
    expected = functional.binary_cross_entropy_with_logits(LOGITS, SHARES, reduction="sum") / 3
    assert loss(SHARES, name="bce") == pytest.approx(float(expected))


def test_bce_smooths_towards_equal_shares() -> None:
    smooth = functional.one_hot(CLASSES, 3) * 0.9 + 0.1 / 3
    expected = functional.binary_cross_entropy_with_logits(LOGITS, smooth, reduction="sum") / 3
    assert loss(CLASSES, name="bce", label_smoothing=0.1) == pytest.approx(float(expected))


def test_generalised_cross_entropy_by_hand() -> None:
    p = LOGITS.softmax(1)[torch.arange(3), CLASSES]
    expected = ((1 - p**0.4) / 0.4).mean()
    assert loss(CLASSES, name="generalised", robust_q=0.4) == pytest.approx(float(expected), rel=1e-5)


def test_its_ends_are_the_cross_entropy_and_the_absolute_error() -> None:
    plain = functional.cross_entropy(LOGITS, CLASSES)
    assert loss(CLASSES, name="generalised", robust_q=1e-4) == pytest.approx(float(plain), rel=1e-3)
    error = (functional.one_hot(CLASSES, 3) - LOGITS.softmax(1)).abs().sum(1).mean() / 2
    assert loss(CLASSES, name="generalised", robust_q=1) == pytest.approx(float(error), rel=1e-5)


def test_a_wrong_label_costs_a_bounded_loss_and_little_gradient() -> None:
    logits = torch.tensor([[30.0, 0.0, 0.0]], requires_grad=True)
    wrong = torch.tensor([2])
    robust = loss(wrong, logits, name="generalised", robust_q=0.5)
    assert float(robust.detach()) == pytest.approx(2.0, rel=1e-3)
    (pull,) = torch.autograd.grad(robust, logits)
    (plain_pull,) = torch.autograd.grad(loss(wrong, logits), logits)
    assert pull.abs().sum() < 0.01 * plain_pull.abs().sum()


@pytest.mark.parametrize("name", OTHERS)
def test_shares_that_name_one_class_cost_what_the_class_costs(name: str) -> None:
    hard = loss(CLASSES, name=name, class_weights="balanced", label_smoothing=0.1)
    soft = loss(
        functional.one_hot(CLASSES, 3).float(), name=name, class_weights="balanced", label_smoothing=0.1
    )
    assert torch.equal(hard, soft)


@pytest.mark.parametrize("name", OTHERS)
def test_class_weights_weigh_pictures(name: str) -> None:
    weights = torch.tensor([60 / 150, 4.0, 4.0])[CLASSES]
    each = torch.stack([loss(CLASSES[i : i + 1], LOGITS[i : i + 1], name=name) for i in range(3)])
    expected = (weights * each).sum() / weights.sum()
    assert loss(CLASSES, name=name, class_weights="balanced") == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("name", OTHERS)
def test_sure_answers_give_finite_gradients(name: str) -> None:
    logits = torch.tensor([[100.0, -100.0], [-100.0, 100.0]], requires_grad=True)
    value = loss(torch.tensor([0, 0]), logits, {"a": 1, "b": 1}, name=name, focal_gamma=0.5)
    assert math.isfinite(value.item())
    (pull,) = torch.autograd.grad(value, logits)
    assert bool(pull.isfinite().all())
