"""The fits behind calibration: one scale for all classes, perhaps with a bend, or a scale and bias for each.

In come logits `[N, K]`, targets `[N]` and how often each picture counts `[N]`, all pictures with a known
class; out go a scale, a scale and a bend, or scales and biases. All minimise the sum of the negative
log-likelihoods plus a penalty that keeps the answer finite, and near to doing nothing, when there are few
pictures or no mistakes. All sums are strictly convex, so there is one answer, whatever the order of rows
and classes.

Sources: Guo et al., On Calibration of Modern Neural Networks, ICML 2017; Nocedal and Wright, Numerical
Optimization (2006), section 7.1 for the Newton steps by conjugate gradients that end the fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import log_softmax, softmax

from eighteen.measuring.scored import Floats, Ints

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0
# Simulated with 2 and 10 classes and true temperatures of 0.6, 1, 1.5 and 3: the NLL of new pictures is at
# most 0.04 above that of the best among 0.3, 1, 2, 4 and 8 after a fit on 10 pictures, and 0.01 after 30.
TEMPERATURE_PRIOR = 4.0
# How far classes differ, as standard deviations. Simulated with 3 and 10 classes that differ by 0, 0.15 and
# 0.3 in scale and 0, 0.3 and 1 nat in bias, after 50, 300 and 1,500 pictures: neither the best for equal
# classes nor for very different ones, and near to the best in between.
SCALE_SPREAD = 0.3
BIAS_SPREAD = 0.6
POLISHING_STEPS = 4
# Of the bend, as a standard deviation: a ResNet-18 trained with labels smoothed by 0.1 needs 0.22 (CIFAR-10).
BEND_SPREAD = 0.2
MOST_BEND = 1.0


def fit_scale(logits: Floats, targets: Ints, counts: Floats) -> float:
    """Scale of all logits that minimises NLL + TEMPERATURE_PRIOR · (scale - 1 - log scale), 1/20 … 20.

    The penalty is minus the logarithm of a gamma density with its mode at 1. It is worth about ten pictures
    of two classes: its curvature at 1 is TEMPERATURE_PRIOR, and that of a picture's NLL is the variance of
    its logits under its own probabilities, 0.44 at most with two classes and more with many.
    """
    centred = logits - logits.max(axis=1, keepdims=True)
    true = centred[np.arange(len(targets)), targets]

    def slope(scale: float) -> float:
        expected = np.einsum("nk,nk->n", softmax(centred * scale, axis=1), centred)
        return float(counts @ (expected - true) + TEMPERATURE_PRIOR * (1 - 1 / scale))

    low, high = 1 / HIGHEST_TEMPERATURE, 1 / LOWEST_TEMPERATURE
    if slope(low) >= 0:
        return low
    if slope(high) <= 0:
        return high
    return float(brentq(slope, low, high, xtol=1e-14, rtol=1e-14))


def fit_bend(logits: Floats, targets: Ints, counts: Floats) -> tuple[float, float]:
    """Scale s and bend c of log-probabilities l, where s · l - c · l² is what is shipped.

    NLL + TEMPERATURE_PRIOR · (s - 1 - log s) + (c / BEND_SPREAD)² / 2 is minimised, 0 ≤ c ≤ MOST_BEND and s
    within the limits of `fit_scale`. Both numbers enter the shipped logits as factors, so the sum is convex.
    """
    logs: Floats = log_softmax(logits, axis=1)
    factors = np.stack([logs, -(logs**2)], axis=-1)  # [N, K, 2]
    true, total = factors[np.arange(len(targets)), targets], counts.sum()

    def loss(point: Floats) -> tuple[float, Floats]:
        """Value and gradient at (s, c), by picture."""
        (s, c), shares = point, log_softmax(factors @ point, axis=1)
        value = -counts @ shares[np.arange(len(targets)), targets]
        gradient = np.einsum("n,nk,nkp->p", counts, np.exp(shares), factors, optimize=True) - counts @ true
        value += TEMPERATURE_PRIOR * (s - 1 - np.log(s)) + (c / BEND_SPREAD) ** 2 / 2
        gradient = gradient + np.array([TEMPERATURE_PRIOR * (1 - 1 / s), c / BEND_SPREAD**2])
        return float(value) / total, gradient / total

    def curvature(point: Floats) -> Floats:
        weights = counts[:, None] * softmax(factors @ point, axis=1)  # [N, K]
        means = np.einsum("nk,nkp->np", weights, factors)
        spread = np.einsum("nk,nkp,nkq->pq", weights, factors, factors)
        spread = spread - np.einsum("np,nq,n->pq", means, means, 1 / np.maximum(counts, 1e-300))
        found: Floats = (spread + np.diag([TEMPERATURE_PRIOR / point[0] ** 2, BEND_SPREAD**-2])) / total
        return found

    limits = [(1 / HIGHEST_TEMPERATURE, 1 / LOWEST_TEMPERATURE), (0.0, MOST_BEND)]
    start = np.array([fit_scale(logits, targets, counts), 0.0])
    found: Floats = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits).x
    for _ in range(POLISHING_STEPS):  # to the last digits, as in `_polish`
        _, gradient = loss(found)
        free = [not (low >= x or x >= high) for x, (low, high) in zip(found, limits, strict=True)]
        if not any(free):
            break
        step = np.zeros(2)
        step[free] = np.linalg.solve(curvature(found)[np.ix_(free, free)], gradient[free])
        found = np.clip(found - step, *np.transpose(limits))
    return float(found[0]), float(found[1])


def fit_scales(logits: Floats, targets: Ints, counts: Floats, scale: float) -> tuple[Floats, Floats]:
    """Scales and biases `[K]` of single classes, drawn towards the common scale and towards 0.

    With scale · (1 + a) as the scale of a class and b as its bias, NLL + Σ (a / SCALE_SPREAD)² / 2 +
    Σ (b / BIAS_SPREAD)² / 2 is minimised.
    """
    total, k = counts.sum(), logits.shape[1]
    priors = np.repeat([SCALE_SPREAD**-2, BIAS_SPREAD**-2], k) / total
    loss = _VectorLoss(logits * scale, targets, counts / total, priors)
    found: Floats = minimize(loss.value_and_gradient, np.zeros(2 * k), jac=True, method="L-BFGS-B").x
    found = _polish(loss, found)
    return scale * (1 + found[:k]), found[k:]


def _polish(loss: _VectorLoss, point: Floats) -> Floats:
    """Goes on to the last digits by Newton's steps, so that the order of rows and classes does not show.

    So near to the lowest point values no longer tell two points apart, but gradients do.
    """
    _, gradient = loss.value_and_gradient(point)
    for _ in range(POLISHING_STEPS):
        curvature, nearly_inverse = loss.curvature(point)
        moved = point - cg(curvature, gradient, rtol=1e-8, M=nearly_inverse)[0]
        _, there = loss.value_and_gradient(moved)
        if np.abs(there).max() >= np.abs(gradient).max():
            break
        point, gradient = moved, there
    return point


@dataclass(frozen=True, eq=False)
class _VectorLoss:
    """Mean NLL and penalty as a function of a and b, one after the other in `[2 K]`.

    Attributes:
        scaled: logits times the common scale, `[N, K]`.
        targets: `[N]`.
        weights: of the pictures, `[N]`, with a sum of 1.
        priors: weights of the squares of a and b, `[2 K]`.
    """

    scaled: Floats
    targets: Ints
    weights: Floats
    priors: Floats

    def value_and_gradient(self, point: Floats) -> tuple[float, Floats]:
        rows, logs = np.arange(len(self.targets)), self._log_shares(point)
        value = float(self.priors @ point**2 / 2 - self.weights @ logs[rows, self.targets])
        pull = np.exp(logs)
        pull[rows, self.targets] -= 1
        return value, self._summed(pull) + self.priors * point

    def curvature(self, point: Floats) -> tuple[LinearOperator, LinearOperator]:
        """The matrix of second derivatives, `[2 K, 2 K]`, as its product with a direction, and the inverse of
        its diagonal.

        With x = (scaled, 1) it is Σ weight · share · x · (x · direction - mean of that under the shares): the
        first is a number a class, the mean two products of a table with a vector.
        """
        shares: Floats = np.exp(self._log_shares(point))
        moved = shares * self.scaled
        squares, cross, plain = (
            self.weights @ (moved * self.scaled),
            self.weights @ moved,
            self.weights @ shares,
        )

        def times(direction: Floats) -> Floats:
            a, b = np.split(direction, 2)
            mean = self.weights * (moved @ a + shares @ b)
            by_a = squares * a + cross * b - mean @ moved
            by_b = cross * a + plain * b - mean @ shares
            return np.concatenate([by_a, by_b]) + self.priors * direction

        own = np.concatenate([squares - self.weights @ moved**2, plain - self.weights @ shares**2])
        diagonal = own + self.priors
        shape = (len(point), len(point))
        return (
            LinearOperator(shape, matvec=times, dtype=np.float64),
            LinearOperator(shape, matvec=lambda direction: direction / diagonal, dtype=np.float64),
        )

    def _log_shares(self, point: Floats) -> Floats:
        a, b = np.split(point, 2)
        logs: Floats = log_softmax(self.scaled * (1 + a) + b, axis=1)
        return logs

    def _summed(self, pull: Floats) -> Floats:
        """Sums over pictures of the pull on each a and on each b, `[2 K]`."""
        return np.concatenate([self.weights @ (pull * self.scaled), self.weights @ pull])
