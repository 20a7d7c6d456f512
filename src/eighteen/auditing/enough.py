"""Are there enough pictures? What twice and four times as many would most likely bring.

In: which pictures were named right by models of fewer and more training pictures. Out: an estimate of the
accuracy with more, with an interval. Errors fall roughly as a power of the number of pictures, towards a
floor that nobody knows: `error(n) = floor + b / n^c`. The curve is refitted in every resample of the pictures
(whole groups where there are groups) for no floor, a likely and a high one, and the interval holds what comes
of all of them: what is not known about the floor as well as the luck of the pictures.

An estimate by a model on frozen features is about such models; a fine-tuned network gains more from pictures.

Sources: Hestness et al., Deep Learning Scaling is Predictable, Empirically (2017); Viering and Loog, The
Shape of Learning Curves: a Review, TPAMI 2023, for the caution.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from eighteen.core.findings import Finding
from eighteen.core.measures import Measure

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

FACTORS = (2, 4)
RESAMPLES = 1000
LEAST_IMAGES = 100
FLOORS = (0.0, 0.45, 0.9)
"""Shares of today's error that may never go away: the least, the one of the estimate, the most."""

WORTH_IT = 0.01
"""A gain that is surely below this is called none that matters."""


def find_need(sizes: Floats, hits: Flags, groups: Sequence[str] = ()) -> list[Finding]:
    """The finding `enough`; none where there are too few pictures to say anything.

    Args:
        sizes: numbers of training pictures, rising, `[S]`, S of 3 or more.
        hits: whether each picture was named right by a model of so many that had not seen it, `[S, N]`.
        groups: of each picture, "" where it has none.
    """
    if hits.shape[1] < LEAST_IMAGES:
        return []
    gains = gains_of_more(sizes, hits, groups)
    now = hits[-1].mean()
    points = ", ".join(f"{size:.0f}: {right.mean():.3f}" for size, right in zip(sizes, hits, strict=True))
    more = "; ".join(
        f"{factor} times as many: {_signed(gain.value)} [{_signed(gain.low)}, {_signed(gain.high)}]"
        for factor, gain in gains.items()
    )
    message = (
        f"a model on frozen features names {now:.3f} of {hits.shape[1]} right; by training pictures "
        f"{points}. Estimated gain with {more} (n = {hits.shape[1]}, {gains[FACTORS[0]].method})"
    )
    return [Finding("enough", "info", message, (), _advice(gains[FACTORS[0]]))]


def gains_of_more(sizes: Floats, hits: Flags, groups: Sequence[str] = ()) -> dict[int, Measure]:
    """Estimated gain in accuracy with so many times the pictures, by factor; arguments as for `find_need`."""
    units = _units(groups, hits.shape[1])
    totals = np.stack([np.bincount(units, ~right) for right in hits])  # [S, U]
    counts = np.bincount(units)
    generator = np.random.default_rng(0)
    drawn = generator.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), RESAMPLES)  # [R, U]
    resampled = (drawn @ totals.T) / np.maximum(drawn @ counts, 1)[:, None]  # [R, S]
    errors = totals.sum(axis=1)[None] / len(units)  # [1, S]
    method = f"power law, bootstrap by {'group' if any(groups) else 'picture'} for all likely floors, 95 %"
    found = {}
    for factor in FACTORS:
        value = float(_gain(sizes, errors, FLOORS[1], factor)[0])
        drawn_gains = [_gain(sizes, resampled, floor, factor) for floor in FLOORS]
        low = min(float(np.quantile(gains, 0.025)) for gains in drawn_gains)
        high = max(float(np.quantile(gains, 0.975)) for gains in drawn_gains)
        found[factor] = Measure(value, min(value, low), max(value, high), hits.shape[1], method)
    return found


def _gain(sizes: Floats, errors: Floats, floor: float, factor: float) -> Floats:
    """Error now minus error with `factor` times the pictures, `[R]`, never below 0.

    Args:
        sizes: `[S]`.
        errors: `[R, S]`.
        floor: share of the error with most pictures that stays.
    """
    last = np.maximum(errors.min(axis=1), 1e-4)
    above = np.maximum(errors - (floor * last)[:, None], 0.02 * last[:, None])
    x = np.log(sizes) - np.log(sizes).mean()
    y = np.log(above)
    slope = np.minimum((y * x).sum(axis=1) / (x**2).sum(), 0)
    start = np.exp(y.mean(axis=1) + slope * x[-1])
    return np.asarray(start * (1 - factor**slope))


def _advice(gain: Measure) -> str:
    assert gain.low is not None and gain.high is not None
    if gain.high < WORTH_IT:
        return "more pictures of the same kind hardly help; better labels or other pictures may"
    if gain.low >= WORTH_IT:
        return "more pictures help; those of the classes with the lowest recall help most: eighteen screen"
    return "whether more pictures of the same kind help enough cannot be told yet"


def _units(groups: Sequence[str], n: int) -> npt.NDArray[np.int64]:
    """Number of each picture's group; a picture without one stands for itself."""
    names = [group or f"\0{row}" for row, group in enumerate(groups or [""] * n)]
    return np.unique(np.asarray(names, np.str_), return_inverse=True)[1].astype(np.int64)


def _signed(value: float | None) -> str:
    return f"{value:+.3f}"
