"""Calibration: fitted on logits, chosen on logits that it has not seen, and measured.

In come logits `[N, K]` with true classes `[N]`; out goes a `Calibration`, out-of-fold logits, or how far
confidences are from how often they are right. A fit flatters itself on the pictures that it was made on: what
is reported about those comes from `cross_fitted`.

Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, for temperature and vector scaling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from eighteen.core.calibration import Calibration, Method
from eighteen.core.errors import EighteenError
from eighteen.core.predictions import softmax
from eighteen.measuring._calibration_choice import candidates, reason_for, simplest_of, why_no_vector
from eighteen.measuring._calibration_fits import fit_bend, fit_scale, fit_scales
from eighteen.measuring.columns import sizes_without_noise
from eighteen.measuring.intervals import wilson
from eighteen.measuring.metrics import ECE_BINS, calibration_gaps, nll_terms
from eighteen.measuring.scored import Floats, Ints

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Bin:
    """Pictures of similar confidence, one point of a reliability diagram.

    Attributes:
        n: pictures.
        confidence: mean probability of the named class, 0 … 1.
        accuracy: share of pictures whose named class is the true one, 0 … 1.
        low, high: Wilson's 95 % interval of the accuracy.
    """

    n: int
    confidence: float
    accuracy: float
    low: float
    high: float


def fit_temperature(logits: Logits, targets: Ints, weights: Floats | None = None) -> Calibration:
    """Gives the common scale of all logits, 1 / temperature, that minimises their NLL.

    A weak prior (see `fit_scale`) draws it to 1, so that pictures that are all named rightly, or one picture
    alone, leave it finite. The temperature stays within 0.05 … 20, and no answer changes.

    Args:
        logits: `[N, K]`, K at least 2, finite.
        targets: `[N]`, 0 … K - 1; negative where the class is unknown, and left out.
        weights: how often each picture counts, `[N]`, 0 or more; once each if not given.

    Returns:
        "temperature" with equal scales and biases of 0, or "none" if no picture has a known class.

    Raises:
        EighteenError: shapes do not fit, a class is not below K, or logits are not finite.

    >>> logits = np.array([[4, 0]] * 3000, np.float32)
    >>> fitted = fit_temperature(logits, np.repeat([0, 1], [2400, 600]))
    >>> softmax(logits)[0].round(2).tolist(), softmax(fitted.apply(logits))[0].round(2).tolist()
    ([0.98, 0.02], [0.8, 0.2])
    """
    table, kept, counts = _known(logits, targets, weights)
    if len(kept) == 0:
        return Calibration(reason="no picture with a known class to fit on")
    scale = float(np.float32(fit_scale(table, kept, counts)))
    scales, biases = (scale,) * table.shape[1], (0.0,) * table.shape[1]
    reason = f"temperature {1 / scale:.3g}, fitted on {len(kept):,} pictures"
    return Calibration("temperature", scales, biases, reason, len(kept))


def fit_bent(logits: Logits, targets: Ints) -> Calibration:
    """Gives the common scale and the bend of log-probabilities that minimise the NLL, see `core.Calibration`.

    Weak priors (see `fit_bend`) draw them to a scale of 1 and no bend; no answer changes.

    Args:
        logits: `[N, K]`, K at least 2, finite.
        targets: `[N]`, 0 … K - 1; negative where the class is unknown, and left out.

    Returns:
        "bent" with equal scales and biases of 0, or "none" if no picture has a known class.

    Raises:
        EighteenError: as in `fit_temperature`.
    """
    table, kept, counts = _known(logits, targets, None)
    if len(kept) == 0:
        return Calibration(reason="no picture with a known class to fit on")
    scale, bend = (float(np.float32(found)) for found in fit_bend(table, kept, counts))
    scales, biases = (scale,) * table.shape[1], (0.0,) * table.shape[1]
    reason = f"scale {scale:.3g}, bend {bend:.3g}, fitted on {len(kept):,} pictures"
    return Calibration("bent", scales, biases, reason, len(kept), bend)


def fit_vector(logits: Logits, targets: Ints) -> Calibration:
    """Gives a scale and a bias for each class that minimise the NLL, drawn to the temperature's.

    Args:
        logits: `[N, K]`, K at least 2, finite.
        targets: `[N]`, 0 … K - 1; negative where the class is unknown, and left out.

    Returns:
        "vector", or "none" if no picture has a known class. A class without pictures is made rarer, as far as
        the prior lets it.

    Raises:
        EighteenError: as in `fit_temperature`.
    """
    table, kept, counts = _known(logits, targets, None)
    if len(kept) == 0:
        return Calibration(reason="no picture with a known class to fit on")
    common = fit_scale(table, kept, counts)
    # What is stored is what is used: exports and predictors compute in float32.
    scales, biases = (found.astype(np.float32) for found in fit_scales(table, kept, counts, common))
    reason = f"scales {scales.min():.3g} to {scales.max():.3g}, fitted on {len(kept):,} pictures"
    return Calibration("vector", tuple(scales.tolist()), tuple(biases.tolist()), reason, len(kept))


def cross_fitted(logits: Logits, targets: Ints, folds: Ints, method: Method) -> Logits:
    """Gives logits `[N, K]` that are each calibrated by a fit on the pictures of the other folds.

    Args:
        logits: `[N, K]`, K at least 2, finite.
        targets: `[N]`, 0 … K - 1; negative where the class is unknown: calibrated, but never fitted on.
        folds: fold of each picture, `[N]`, any whole numbers; pictures of one group belong into one fold.
        method: what is fitted.

    Returns:
        float32. Where no picture of another fold has a known class, logits stay as they are.

    Raises:
        EighteenError: as in `fit_temperature`.
    """
    _check(logits, targets, {"folds": folds})
    calibrated = np.array(logits, np.float32)
    for fold in np.unique(folds):
        inside = folds == fold
        fitted = _fit(method, logits[~inside], targets[~inside])
        calibrated[inside] = fitted.apply(calibrated[inside])
    return calibrated


def choose_calibration(
    logits: Logits,
    targets: Ints,
    folds: Ints,
    groups: Ints | None = None,
    bends: bool = True,
    balanced: bool = False,
) -> Calibration:
    """Gives the simplest calibration that is about as good as the best on pictures that it was not fitted on.

    In the order none, temperature, bent, vector: the first one whose out-of-fold NLL is at most one
    standard error of the paired difference above the lowest, and not above that of none. It is then
    fitted on all pictures. Vector scaling takes part where every class has 10 pictures, and with at most
    5 million logits.

    Args:
        logits, targets, folds: as in `cross_fitted`.
        groups: `[N]`; pictures of one group are not independent, and the standard error counts groups. Each
            picture is its own group if not given.
        bends: whether "bent" takes part.
        balanced: whether the network was taught to count rare classes for more than their share; "vector",
            the one that changes answers, then takes no part.

    Returns:
        The calibration; its reason gives the figures.

    Raises:
        EighteenError: as in `fit_temperature`.
    """
    units = np.arange(len(targets)) if groups is None else groups
    _check(logits, targets, {"folds": folds, "groups": units})
    known = targets >= 0
    if len(np.unique(folds[known])) < 2:
        reason = f"{known.sum():,} pictures in a single fold cannot show whether calibration helps"
        return Calibration(reason=reason, n=int(known.sum()))
    skipped = why_no_vector(targets[known], logits.shape[1], balanced)
    losses = {
        method: nll_terms(targets[known], softmax(cross_fitted(logits, targets, folds, method)[known]))
        for method in candidates(bends, vectors=not skipped)
    }
    fitted = _fit(simplest_of(losses, units[known]), logits, targets)
    return replace(fitted, reason=reason_for(fitted, losses, units[known], skipped), n=int(known.sum()))


def debiased_ece(targets: Ints, probabilities: Floats) -> float | None:
    """`metrics.ece` without what chance adds to it, 0 … 1; None without pictures of known class.

    Even a perfectly calibrated model has an ECE above 0, since each bin has a few pictures more or fewer
    right than it should. From each of the 15 bins comes off what that adds on average, if pictures are right
    as often as their confidences say: noise of variance Σ confidence · (1 - confidence). The result is 0
    where chance explains all of it. In bins whose gap is about as large as the noise, too much comes off: up
    to 0.3 of the noise. See `columns.sizes_without_noise` for the formula and its sources.

    Args:
        targets: `[N]`, 0 … K - 1; negative where the class is unknown, and left out.
        probabilities: `[N, K]`, rows sum to 1.
    """
    kept, table = targets[targets >= 0], probabilities[targets >= 0]
    if len(kept) == 0:
        return None
    confidence = table.max(axis=1)
    bins, gaps = calibration_gaps(kept, table.argmax(axis=1), table)
    noise = np.sqrt(np.bincount(bins, np.maximum(confidence * (1 - confidence), 0), ECE_BINS))
    sums = np.bincount(bins, gaps, ECE_BINS).astype(np.float64)
    sizes = sizes_without_noise(sums, noise)
    return max(0.0, float(sizes.sum() / len(kept)))


def reliability(targets: Ints, probabilities: Floats, bins: int = 10) -> list[Bin]:
    """Gives the reliability diagram of the named class, in bins of about as many pictures each.

    Args:
        targets: `[N]`, 0 … K - 1; negative where the class is unknown, and left out.
        probabilities: `[N, K]`, rows sum to 1.
        bins: number of bins at most, 1 or more. Equal confidences share a bin, so there may be fewer.

    Returns:
        Bins by rising confidence, none of them empty.

    >>> reliability(np.array([0, 1]), np.array([[0.9, 0.1], [0.9, 0.1]]))[0].accuracy
    0.5
    """
    kept, table = targets[targets >= 0], probabilities[targets >= 0]
    confidence, right = table.max(axis=1, initial=0), table.argmax(axis=1) == kept
    # The last bits of a softmax depend on the order of the classes; they must not break ties.
    ranks = rankdata(confidence.round(12), "average")
    bin_of = ((ranks - 0.5) * bins / max(len(kept), 1)).astype(np.int64)
    return [_bin(confidence[bin_of == number], right[bin_of == number]) for number in np.unique(bin_of)]


def _bin(confidence: Floats, right: npt.NDArray[np.bool_]) -> Bin:
    low, high = wilson(right.sum(), len(right))
    return Bin(len(right), float(confidence.mean()), float(right.mean()), float(low), float(high))


def _fit(method: Method, logits: Logits, targets: Ints) -> Calibration:
    if method == "none":
        return Calibration()
    fit: Callable[[Logits, Ints], Calibration] = {
        "temperature": fit_temperature,
        "bent": fit_bent,
        "vector": fit_vector,
    }[method]
    return fit(logits, targets)


def _known(logits: Logits, targets: Ints, weights: Floats | None) -> tuple[Floats, Ints, Floats]:
    counts = np.ones(len(targets)) if weights is None else np.asarray(weights, np.float64)
    _check(logits, targets, {"weights": counts})
    used = (targets >= 0) & (counts > 0)
    return np.asarray(logits[used], np.float64), targets[used], counts[used]


def _check(logits: Logits, targets: Ints, others: Mapping[str, Floats | Ints]) -> None:
    problems = []
    if logits.ndim != 2 or logits.shape[1] < 2:
        problems.append(f"logits have shape {logits.shape}, expected (pictures, at least 2 classes)")
    problems += [
        f"{name} have shape {values.shape}, expected ({len(logits)},)"
        for name, values in {"targets": targets, **others}.items()
        if values.shape != (len(logits),)
    ]
    if not problems and targets.max(initial=-1) >= logits.shape[1]:
        problems.append(f"a target is {targets.max()}, expected at most {logits.shape[1] - 1}")
    broken = int((~np.isfinite(logits)).sum())
    if broken:
        problems.append(f"{broken} logits are not finite, expected finite numbers")
    if "weights" in others and not (np.isfinite(others["weights"]) & (others["weights"] >= 0)).all():
        problems.append("some weights are negative or not finite, expected 0 or more")
    if problems:
        raise EighteenError(
            f"calibration cannot be fitted: {'; '.join(problems)}. "
            "Pass logits and classes of the same pictures, as the model predicted them."
        )
