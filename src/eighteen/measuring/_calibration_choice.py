"""Which calibration: losses of single pictures in, a method and the sentence that gives its reason out.

In come the out-of-fold losses of each method `[N]`, simplest method first. A more complex method has to earn
its place: it is taken where every simpler one loses more than chance explains.

Source: Hastie, Tibshirani and Friedman, The Elements of Statistical Learning (2009), section 7.10.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from eighteen.core.calibration import Calibration, Method
from eighteen.measuring.scored import Floats, Ints

# Vector scaling fits two numbers a class; from fewer pictures of a class it mostly learns how rare they are.
FEWEST_PER_CLASS = 10
# Six fits to 5,000 pictures of 1,000 classes take a minute on one core; beyond that a temperature has to do.
MOST_NUMBERS = 5_000_000

BALANCED = (
    "vector not tried: rare classes were made to count for more in training, and a bias a class, fitted by "
    "their share of validation, would undo that"
)

Losses = Mapping[Method, Floats]


def why_no_vector(targets: Ints, n_classes: int, balanced: bool) -> str:
    """Why these pictures of known class are not asked about vector scaling; "" where they are."""
    if balanced:
        return BALANCED
    if np.bincount(targets, minlength=n_classes).min() < FEWEST_PER_CLASS:
        return f"vector not tried with fewer than {FEWEST_PER_CLASS} pictures of a class"
    if len(targets) * n_classes > MOST_NUMBERS:
        return f"vector not tried with more than {MOST_NUMBERS:,} logits"
    return ""


def candidates(bends: bool, vectors: bool) -> tuple[Method, ...]:
    """Methods that are tried, simplest first."""
    simple: tuple[Method, ...] = ("none", "temperature", "bent") if bends else ("none", "temperature")
    return (*simple, "vector") if vectors else simple


def simplest_of(losses: Losses, units: Ints) -> Method:
    """The first method at most one standard error above the best, and not above "none"."""
    best = min(losses.values(), key=lambda terms: float(terms.mean()))
    good = []
    for method, terms in losses.items():
        excess, error = paired_difference(terms, best, units)
        if excess <= error and terms.mean() <= losses["none"].mean():
            good.append(method)
    return good[0]


def paired_difference(terms: Floats, others: Floats, units: Ints) -> tuple[float, float]:
    """Mean of `terms - others`, and its standard error over units; infinite for a single unit."""
    difference = terms - others
    mean = float(difference.mean())
    _, unit = np.unique(units, return_inverse=True)
    sums = np.bincount(unit, difference - mean)
    if len(sums) < 2:
        return mean, float("inf")
    return mean, float(np.sqrt(sums @ sums * len(sums) / (len(sums) - 1)) / len(terms))


def reason_for(fitted: Calibration, losses: Losses, units: Ints, skipped: str) -> str:
    """The choice and its figures in a sentence, with why vector scaling was skipped, or ""."""
    figures = [f"none {losses['none'].mean():.4f}"]
    for method, terms in losses.items():
        if method != "none":
            change, error = paired_difference(terms, losses["none"], units)
            figures.append(f"{method} {terms.mean():.4f} ({change:+.4f} ± {error:.4f})")
    if skipped:
        figures.append(skipped)
    return (
        f"{_named(fitted)}: the simplest within one standard error of the lowest NLL on pictures outside the "
        f"fit, {len(losses['none']):,} in all: {', '.join(figures)}"
    )


def _named(fitted: Calibration) -> str:
    if fitted.method == "temperature":
        return f"temperature {1 / fitted.scale[0]:.3g}"
    if fitted.method == "bent":
        return f"a scale of {fitted.scale[0]:.3g}, small probabilities bent down by {fitted.bend:.3g}"
    return "a scale and a bias for each class" if fitted.method == "vector" else "no calibration"
