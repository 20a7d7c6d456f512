"""The linear head on frozen features: the floor that a fine-tuning has to beat.

Multinomial logistic regression on standardised features, its strength chosen by folds that keep groups and
copies together; pictures and their mirror images are extra rows of the same fold. The result is folded into
one weight matrix and one bias, so that it fits the network's last layer.

Source: Kornblith et al., Do Better ImageNet Models Transfer Better?, CVPR 2019 (logistic regression on
penultimate features, L2 chosen on held-out data).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from eighteen.core.predictions import softmax

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

STRENGTHS = tuple(float(10**exponent) for exponent in np.arange(-4.0, 1.01, 0.5))
"""Inverse strengths C that are tried, weak last."""

DEFAULT_STRENGTH = 0.03
"""Where there are too few pictures for folds."""

_USUAL_STRENGTH = 10**-2.5
"""Where looking for the best one begins."""


@dataclass(frozen=True)
class Head:
    """A fitted last layer.

    Attributes:
        weight: `[K, D]`.
        bias: `[K]`.
        strength: the inverse regularisation C that the folds chose.
        fold_nll: mean log loss on the folds for each tried C; NaN with too few pictures for folds.
    """

    weight: Floats
    bias: Floats
    strength: float
    fold_nll: dict[float, float]

    def logits(self, features: Floats) -> Floats:
        """`[N, D]` to `[N, K]`."""
        return np.asarray(features @ self.weight.T + self.bias, dtype=np.float32)


def fit_head(views: list[Floats], targets: Ints, folds: Ints, classes: int) -> Head:
    """Fits the head with the strength that the folds like best.

    Args:
        views: features of the same pictures in one or more views, each `[N, D]`.
        targets: `[N]`, 0 .. classes - 1.
        folds: `[N]`, which fold each picture is held out in; views follow their picture.
        classes: K.
    """
    usable = [fold for fold in np.unique(folds) if len(np.unique(targets[folds != fold])) > 1]
    if usable:
        masks = [folds == fold for fold in usable]
        best, scores = _downhill(lambda strength: _fold_nll(views, targets, masks, classes, strength))
    else:
        best, scores = DEFAULT_STRENGTH, {DEFAULT_STRENGTH: math.nan}
    weight, bias = _fit(views, targets, classes, best)
    return Head(weight, bias, best, scores)


def head_of_strength(views: list[Floats], targets: Ints, classes: int, strength: float) -> Head:
    """Fits the head with a strength that is known already; arguments as for `fit_head`."""
    weight, bias = _fit(views, targets, classes, strength)
    return Head(weight, bias, strength, {})


def out_of_fold(views: list[Floats], targets: Ints, folds: Ints, classes: int) -> tuple[Floats, float]:
    """Logits `[N, K]` of heads that were not fitted on the picture, and the strength that they share.

    The strength is the one with the least log loss on these same folds. Choosing one of eleven numbers on all
    pictures together flatters nobody much.

    Args:
        views: features of the same pictures in one or more views, each `[N, D]`.
        targets: `[N]`, 0 .. classes - 1.
        folds: `[N]`, which fold each picture is held out in; two folds or more.
        classes: K.
    """
    found: dict[float, Floats] = {}

    def loss(strength: float) -> float:
        found[strength] = _held_out_logits(views, targets, folds, classes, strength)
        right = softmax(found[strength])[np.arange(len(targets)), targets]
        return float(-np.log(np.maximum(right, 1e-12)).mean())

    best, _ = _downhill(loss)
    return found[best], best


def _downhill(loss: Callable[[float], float]) -> tuple[float, dict[float, float]]:
    """The strength with the least loss, and the loss of each that was tried.

    Walks from the middle of `STRENGTHS` as long as the loss falls. It has one valley, and its weak end, where
    nothing is gained, takes by far the longest to fit.
    """
    known: dict[float, float] = {}

    def at(place: int) -> float:
        strength = STRENGTHS[place]
        if strength not in known:
            known[strength] = loss(strength)
        return known[strength]

    place = STRENGTHS.index(min(STRENGTHS, key=lambda strength: abs(math.log(strength / _USUAL_STRENGTH))))
    for step in (-1, 1):
        while 0 <= place + step < len(STRENGTHS) and at(place + step) < at(place):
            place += step
    return STRENGTHS[place], known


def _held_out_logits(
    views: list[Floats], targets: Ints, folds: Ints, classes: int, strength: float
) -> Floats:
    logits = np.empty((len(targets), classes), np.float32)
    for fold in np.unique(folds):
        held = folds == fold
        weight, bias = _fit([view[~held] for view in views], targets[~held], classes, strength)
        logits[held] = np.mean([view[held] for view in views], axis=0) @ weight.T + bias
    return logits


def _fold_nll(
    views: list[Floats],
    targets: Ints,
    masks: list[npt.NDArray[np.bool_]],
    classes: int,
    strength: float,
) -> float:
    """Mean log loss over the pictures that each mask holds out."""
    losses: list[npt.NDArray[np.float64]] = []
    for held in masks:
        kept = ~held
        weight, bias = _fit([view[kept] for view in views], targets[kept], classes, strength)
        mean_view = np.mean([view[held] for view in views], axis=0)
        probabilities = softmax(np.asarray(mean_view @ weight.T + bias, np.float32))
        right = probabilities[np.arange(held.sum()), targets[held]]
        losses.append(-np.log(np.maximum(right, 1e-12)))
    return float(np.concatenate(losses).mean())


def _fit(views: list[Floats], targets: Ints, classes: int, strength: float) -> tuple[Floats, Floats]:
    """Weight `[K, D]` and bias `[K]` for features that are not standardised."""
    weight, bias = np.zeros((classes, views[0].shape[1])), np.full(classes, -20.0)
    if (targets == targets[0]).all():
        bias[targets[0]] = 0.0
        return weight.astype(np.float32), bias.astype(np.float32)
    rows = np.concatenate(views).astype(np.float64)  # [V * N, D]
    mean, std = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    # The penalty is on a mean loss, so that more views of the same pictures do not weaken it.
    model = LogisticRegression(C=strength / len(views), max_iter=300, tol=1e-4)
    # In single precision, at less than half of the time: strengths differ by far more than it rounds.
    model.fit(((rows - mean) / std).astype(np.float32), np.tile(targets, len(views)))
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        coefficients = np.concatenate([-coefficients / 2, coefficients / 2])
        intercepts = np.concatenate([-intercepts / 2, intercepts / 2])
    weight[model.classes_] = coefficients / std
    bias[model.classes_] = intercepts - (coefficients / std) @ mean
    return weight.astype(np.float32), bias.astype(np.float32)
