"""Numbers per image whose sums decide every measure.

In comes `Scored`, out goes a sparse table with one row per count or loss: three counts for each class, the
gap of each calibration bin, and what each image adds to a mean. `statistics` turns sums over any resample of
the images into measures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, vstack
from scipy.special import erf

from eighteen.measuring.auroc import MacroAuroc, macro_auroc
from eighteen.measuring.metrics import ECE_BINS, brier_terms, calibration_gaps, nll_terms, top5_terms
from eighteen.measuring.resampling import unit_sums
from eighteen.measuring.scored import Floats, Ints, Scored
from eighteen.measuring.tallies import ClassTallies, accuracy_of, balanced_accuracy_of, macro_f1_of


@dataclass(frozen=True, eq=False)
class Columns:
    """The sparse table and how to read its sums.

    Attributes:
        table: `[C, G]`, summed within units: 3 K class counts, 15 calibration gaps, then the rows of
            `shares`, of `linear`, and the squares of those of `linear`.
        n_classes: K.
        shares: names of the rows whose sum over images, divided by their number, is the measure.
        linear: names and values of the measures that are linear in single images to first order: in a
            resample each is its value plus the sum of its row.
        area: AUROC with the placements of single images.
    """

    table: csr_array
    n_classes: int
    shares: tuple[str, ...]
    linear: dict[str, float]
    area: MacroAuroc

    @property
    def gaps_start(self) -> int:
        """First row of the calibration gaps."""
        return 3 * self.n_classes

    @property
    def gaps(self) -> slice:
        """Rows of the calibration gaps."""
        return slice(self.gaps_start, self.gaps_start + ECE_BINS)

    def share_row(self, name: str) -> int:
        """Row of a share."""
        return self.gaps_start + ECE_BINS + self.shares.index(name)

    def linear_rows(self, name: str) -> tuple[int, int]:
        """Row of a linear measure, and that of its squares."""
        row = self.gaps_start + ECE_BINS + len(self.shares) + tuple(self.linear).index(name)
        return row, row + len(self.linear)


def columns_of(scored: Scored, majority: int) -> Columns:
    """Writes all measures as columns.

    Args:
        scored: at least one image.
        majority: class that the baseline always answers, 0 … K - 1.
    """
    targets, predicted, probabilities = scored.targets, scored.predicted, scored.probabilities
    bins, gaps = calibration_gaps(targets, predicted, probabilities)
    shares = {"majority_baseline": (targets == majority).astype(np.float64)}
    if probabilities.shape[1] > 5:
        shares["top5_accuracy"] = top5_terms(targets, probabilities)
    losses = {"nll": nll_terms(targets, probabilities), "brier": brier_terms(targets, probabilities)}
    linear = {name: float(terms.mean()) for name, terms in losses.items()}
    influence = [(terms - terms.mean()) / len(terms) for terms in losses.values()]
    area = macro_auroc(targets, probabilities)
    if area.value is not None:
        linear["auroc"] = area.value
        influence.append(area.influence)
    plain = vstack(
        [class_columns(scored), _scattered(bins, gaps, ECE_BINS), csr_array(np.stack([*shares.values()]))]
    )
    summed = unit_sums(csr_array(plain), scored.unit, scored.n_units)
    moved = unit_sums(csr_array(np.stack(influence)), scored.unit, scored.n_units)
    table = csr_array(vstack([summed, moved, moved.multiply(moved)]))
    return Columns(table, probabilities.shape[1], tuple(shares), linear, area)


def class_columns(scored: Scored) -> csr_array:
    """The class counts alone, `[3 K, N]`: of the class, given to the class, both."""
    ones, n_classes = np.ones(len(scored.targets)), len(scored.class_names)
    right = (scored.targets == scored.predicted).astype(np.float64)
    counts = [
        _scattered(scored.targets, ones, n_classes),
        _scattered(scored.predicted, ones, n_classes),
        _scattered(scored.targets, right, n_classes),
    ]
    return csr_array(vstack(counts))


def tallies_in(sums: Floats, n_classes: int) -> ClassTallies:
    """Reads the class counts from sums `[..., C]`."""
    support, predicted, hits = np.split(sums[..., : 3 * n_classes], 3, axis=-1)
    return ClassTallies(support, predicted, hits)


def statistics(columns: Columns, sums: Floats) -> dict[str, Floats]:
    """Turns sums `[..., C]` into measures `[...]` by name; `auroc` is left out where it is not defined."""
    tallies = tallies_in(sums, columns.n_classes)
    n = tallies.support.sum(axis=-1)
    found = {
        "accuracy": accuracy_of(tallies),
        "balanced_accuracy": balanced_accuracy_of(tallies),
        "macro_f1": macro_f1_of(tallies),
        "ece": np.abs(sums[..., columns.gaps]).sum(axis=-1) / n,
    }
    for name in columns.shares:
        found[name] = sums[..., columns.share_row(name)] / n
    for name, value in columns.linear.items():
        found[name] = value + sums[..., columns.linear_rows(name)[0]]
    return found


def standard_errors(columns: Columns, name: str, sums: Floats) -> Floats:
    """Standard error of a linear measure, `[...]`, from sums `[..., C]` over the set or over resamples."""
    row, squares = columns.linear_rows(name)
    variance = sums[..., squares] - sums[..., row] ** 2 / columns.table.shape[1]
    errors: Floats = np.sqrt(np.maximum(variance, 0))
    return errors


def debiased_ece(columns: Columns, sums: Floats) -> Floats:
    """ECE of resamples without its upward bias, `[R]`, from sums `[R, C]`; it may fall below 0.

    The gap of a bin has a noise of variance Q, the sum of squares over units; a resample adds the same noise
    again, so that its sum has 2 Q. What that adds to the size of each gap is taken off.
    """
    drawn, gaps = sums[..., columns.gaps], columns.table[columns.gaps]
    noise = np.sqrt(2 * np.asarray(gaps.multiply(gaps).sum(axis=1), dtype=np.float64))
    total: Floats = sizes_without_noise(drawn, noise).sum(axis=-1)
    n: Floats = tallies_in(sums, columns.n_classes).support.sum(axis=-1)
    return total / n


def sizes_without_noise(sums: Floats, noise: Floats) -> Floats:
    """|S| of noisy sums, less what the noise adds to it on average, `[..., B]`; it may fall below 0.

    Args:
        sums: S, `[..., B]`.
        noise: standard deviation of each, `[B]`; 0 where there is none.

    With the squared sum without noise estimated by S² - noise² (at least 0), the mean of a folded normal
    tells what noise adds.

    Sources: Ferro and Fricker, Q. J. R. Meteorol. Soc. 138 (2012) for the square; Leone, Nelson and
    Nottingham, Technometrics 3 (1961) for the folded normal.
    """
    real = np.sqrt(np.maximum(sums**2 - noise**2, 0))
    ratio = real / np.where(noise > 0, noise, 1)
    folded = noise * np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2) + real * erf(ratio / np.sqrt(2))
    sizes: Floats = np.abs(sums) - np.where(noise > 0, folded - real, 0)
    return sizes


def _scattered(rows: Ints, values: Floats, n_rows: int) -> csr_array:
    return csr_array((values, (rows, np.arange(len(rows)))), shape=(n_rows, len(rows)))
