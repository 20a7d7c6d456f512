"""What every measure starts from: predictions with a known class, in one fixed order.

In come `Predictions`, out goes `Scored`: plain arrays sorted by id, without the rows whose class is unknown,
with the unit of resampling of each row and a seed. Units are numbered in the order in which they first
appear and the seed is a hash of the ids, so that neither row order, nor process, nor the names of classes
and groups show in a measure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eighteen.core.errors import EighteenError
from eighteen.core.predictions import Predictions

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Scored:
    """Rows with a known class, sorted by id.

    Attributes:
        targets: true class, `[N]`, 0 … K - 1.
        predicted: class that the model named, `[N]`, 0 … K - 1.
        probabilities: `[N, K]`, rows sum to 1.
        unit: `[N]`, 0 … G - 1: rows with the same unit (one group, or one image scored several times) are
            not independent and are resampled together.
        n_units: G.
        n_images: number of different ids.
        class_names: the K classes.
        seed: start of the resampling.
    """

    targets: Ints
    predicted: Ints
    probabilities: Floats
    unit: Ints
    n_units: int
    n_images: int
    class_names: tuple[str, ...]
    seed: int

    @property
    def clustered(self) -> bool:
        """Whether some unit holds more than one row."""
        return self.n_units < len(self.targets)


def score(predictions: Predictions) -> Scored:
    """Gives the arrays that measures are computed from.

    The class that the model named is the row's `predicted`; where that is none of the classes, the most
    probable one.

    Args:
        predictions: rows in any order; those whose target is none of `class_names` are left out.

    Returns:
        The remaining rows, sorted by id; there may be none.

    Raises:
        EighteenError: logits are missing, do not fit the classes, or are not finite.
    """
    _check_shape(predictions)
    ordered = predictions.sorted_by_id()
    targets = ordered.targets
    known = targets >= 0
    _check_finite(ordered, known)
    n_classes = len(ordered.class_names)
    probabilities = ordered.probabilities if known.any() else np.zeros((len(ordered), n_classes))
    if not known.all():
        probabilities = probabilities[known]
    rows = ordered.rows.filter(known)
    ids = rows["id"].to_list()
    unit, n_units = _number_units(ids, rows["group"].fill_null("").to_list())
    return Scored(
        targets=targets[known],
        predicted=_named_classes(rows["predicted"].to_list(), ordered.class_names, probabilities),
        probabilities=probabilities,
        unit=unit,
        n_units=n_units,
        n_images=len(set(ids)),
        class_names=ordered.class_names,
        seed=int.from_bytes(hashlib.sha256("\n".join(ids).encode()).digest()[:16]),
    )


def _check_shape(predictions: Predictions) -> None:
    expected = (len(predictions), len(predictions.class_names))
    got = predictions.arrays["logits"].shape if "logits" in predictions.arrays else None
    if got != expected:
        raise EighteenError(
            f"predictions cannot be measured: logits have shape {got}; "
            f"expected {expected} (images, classes). "
            "Predict again with the model that these classes belong to."
        )


def _check_finite(predictions: Predictions, known: npt.NDArray[np.bool_]) -> None:
    # -inf is a probability of exactly 0; +inf, NaN, or nothing but -inf leave no distribution.
    logits = predictions.logits
    bad = known & ~(np.isfinite(logits.max(axis=1, initial=-np.inf)) & ~np.isnan(logits).any(axis=1))
    if bad.any():
        ids = predictions.rows["id"].filter(bad).to_list()
        raise EighteenError(
            f"predictions cannot be measured: the logits of {len(ids)} images are not finite "
            f"({', '.join(ids[:5])}{', …' if len(ids) > 5 else ''}); expected finite numbers. "
            "Look at these images and at the model's weights, and predict again."
        )


def _number_units(ids: Sequence[str], groups: Sequence[str]) -> tuple[Ints, int]:
    numbers: dict[tuple[bool, str], int] = {}
    keys = [(bool(group), group or name) for name, group in zip(ids, groups, strict=True)]
    unit = np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
    return unit, len(numbers)


def _named_classes(names: Sequence[str], class_names: tuple[str, ...], probabilities: Floats) -> Ints:
    lookup = {name: position for position, name in enumerate(class_names)}
    named = np.array([lookup.get(name, -1) for name in names], dtype=np.int64)
    if (named < 0).any():
        return np.where(named < 0, probabilities.argmax(axis=1), named).astype(np.int64)
    return named
