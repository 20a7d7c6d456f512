"""Two models on resampled pictures, and how much of their difference is luck of which kind.

In come `Pairs`; out go, for each measure and each training, its value and its value on every resample of the
pictures (whole groups where there are groups), the same resamples for all trainings.

The second level, seeds, is not resampled: three seeds drawn from three give ten different means whose
variance is a third too small. What seeds add is estimated from the variance between the trainings of one
model, less what pictures explain of it: two trainings disagree about single pictures, and this noise of a
finite set, which a resample of the pictures shows, is in the variance of pictures already.

Source: Bouthillier et al., Accounting for Variance in Machine Learning Benchmarks, MLSys 2021, for the two
sources; Searle, Casella and McCulloch, Variance Components (1992), chapter 4, for taking them apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, vstack
from scipy.special import stdtrit

from eighteen.measuring._paired_rows import Pairs, Side
from eighteen.measuring.resampling import affordable_resamples, resampled_sums, unit_sums
from eighteen.measuring.scored import Floats
from eighteen.measuring.tallies import ClassTallies, macro_f1_of

MEASURES = ("accuracy", "balanced_accuracy", "macro_f1", "nll")


@dataclass(frozen=True, eq=False)
class Draws:
    """One measure of both models.

    Attributes:
        first, second: value of each training, `[M]`; the models may have been trained differently often.
        first_drawn, second_drawn: the same on each resample of the pictures, `[R, M]`.
        n_units: number of pictures or groups that were drawn from.
    """

    first: Floats
    second: Floats
    first_drawn: Floats
    second_drawn: Floats
    n_units: int

    @property
    def value(self) -> float:
        """Second minus first, means over their trainings."""
        return float(self.second.mean() - self.first.mean())

    @property
    def drawn(self) -> Floats:
        """The same on each resample, `[R]`."""
        drawn: Floats = self.second_drawn.mean(axis=1) - self.first_drawn.mean(axis=1)
        return drawn


@dataclass(frozen=True)
class SeedLuck:
    """What the luck of training adds to the variance of one model's mean over trainings.

    Attributes:
        net: variance of the mean by seeds alone, 0 or more.
        seen: variance of the mean as the trainings show it, with the noise of single pictures.
        trainings: M, at least 2.
    """

    net: float
    seen: float
    trainings: float


@dataclass(frozen=True)
class Spread:
    """Variances of a difference, by where they come from.

    Attributes:
        pictures: by the choice of pictures, these trainings given.
        n_units: number of pictures or groups.
        luck: of each model that was trained more than once.
    """

    pictures: float
    n_units: int
    luck: tuple[SeedLuck, ...]

    @property
    def seeds(self) -> float:
        """By the luck of training, the pictures given; 0 where no model was trained more than once."""
        return sum((each.net for each in self.luck), 0.0)

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the sum by Satterthwaite, Biometrics Bulletin 2 (1946), at least 1."""
        units = max(1, self.n_units - 1)
        uncertain = self.pictures**2 / units + sum(each.seen**2 / (each.trainings - 1) for each in self.luck)
        return max(1.0, (self.pictures + self.seeds) ** 2 / uncertain) if uncertain > 0 else float(units)

    def quantile(self, confidence: float) -> float:
        """Of Student's t, by which the square root of the sum becomes half an interval."""
        return float(stdtrit(self.freedom, (1 + confidence) / 2))

    def with_trainings(self, factor: float) -> Spread:
        """What it would be with that many times as many trainings."""
        more = (
            SeedLuck(each.net / factor, each.seen / factor, each.trainings * factor) for each in self.luck
        )
        return replace(self, luck=tuple(more))


def draw(pairs: Pairs, resamples: int) -> dict[str, Draws]:
    """Computes and resamples each of `MEASURES`.

    Args:
        pairs: at least one picture.
        resamples: R; fewer are made above 100,000 pictures, see `affordable_resamples`.
    """
    scored, sides = pairs.scored, (pairs.first, pairs.second)
    # Classes that are neither true nor named anywhere count nowhere.
    said = np.concatenate([scored.targets[None], *(side.predicted for side in sides)])  # [1 + M + M', N]
    present, places = np.unique(said, return_inverse=True)
    classes, *named = places.reshape(said.shape)
    n_classes, waiting = len(present), iter(named)
    indicator = _indicator(classes, n_classes)
    blocks = [indicator]
    for side in sides:
        blocks += [csr_array(indicator.multiply(right.astype(np.float64))) for right in side.right]
        blocks += [_indicator(next(waiting), n_classes) for _ in side.right]
        blocks.append(csr_array(side.nll))
    table = unit_sums(csr_array(vstack(blocks)), scored.unit, scored.n_units)
    drawn = resampled_sums(table, affordable_resamples(scored.n_units, resamples), scored.seed)
    plain = np.asarray(table.sum(axis=1), dtype=np.float64)[None]
    values, again = (_by_side(sums, sides, n_classes) for sums in (plain, drawn))
    return {
        name: Draws(values[0][name][0], values[1][name][0], again[0][name], again[1][name], scored.n_units)
        for name in MEASURES
    }


def _indicator(classes: npt.NDArray[np.int64], n_classes: int) -> csr_array:
    n = len(classes)
    return csr_array((np.ones(n), (classes, np.arange(n))), shape=(n_classes, n))


def spread_of(draws: Draws) -> Spread:
    """Takes the variance of a difference apart."""
    unbiased = draws.n_units / max(1, draws.n_units - 1)
    both = ((draws.first, draws.first_drawn), (draws.second, draws.second_drawn))
    luck = tuple(_luck(values, drawn, unbiased) for values, drawn in both if len(values) > 1)
    return Spread(unbiased * float(draws.drawn.var()), draws.n_units, luck)


def _luck(values: Floats, drawn: Floats, unbiased: float) -> SeedLuck:
    count, seen = len(values), float(values.var(ddof=1))
    own = drawn - drawn.mean(axis=1, keepdims=True)
    explained = unbiased * float(own.var(axis=0).sum()) / (count - 1)
    return SeedLuck(max(0.0, seen - explained) / count, seen / count, count)


def _by_side(sums: Floats, sides: tuple[Side, Side], n_classes: int) -> list[dict[str, Floats]]:
    support, start = sums[:, None, :n_classes], n_classes
    found = []
    for side in sides:
        count = len(side.seeds)
        middle = start + count * n_classes
        stop = middle + count * n_classes
        hits, predicted = (
            sums[:, first:last].reshape(len(sums), count, n_classes)
            for first, last in ((start, middle), (middle, stop))
        )
        found.append(_measures(ClassTallies(support, predicted, hits), sums[:, stop : stop + count]))
        start = stop + count
    return found


def _measures(tallies: ClassTallies, nll: Floats) -> dict[str, Floats]:
    # Of support [R, 1, K], hits and predicted [R, M, K] and summed nll [R, M]
    n, hits = tallies.support.sum(axis=-1), tallies.hits.sum(axis=-1)
    seen = np.maximum(tallies.support, 1)
    recall = (tallies.hits / seen).sum(axis=-1) / (tallies.support > 0).sum(axis=-1)
    return {
        "accuracy": hits / n,
        "balanced_accuracy": recall,
        "macro_f1": macro_f1_of(tallies),
        "nll": nll / n,
    }
