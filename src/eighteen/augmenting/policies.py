"""Policies: which of fourteen operations a picture gets, and how strong.

In come the name of a policy and uniform draws; out come chains of operations, one row per picture. Geometric
operations of a chain become one homography, which joins the picture's single resampling; the rest is done by
`operations`, in the order drawn.

The magnitudes are those of `torchvision.transforms.v2` (a test compares the tables):

* `trivial`: TrivialAugment Wide, Mueller and Hutter 2021 (arXiv 2103.10158): one operation, any strength.
* `rand`: RandAugment, Cubuk et al. 2020 (arXiv 1909.13719): n operations of strength m.
* `augmix`: AugMix, Hendrycks et al. 2020 (arXiv 1912.02781): three chains of one to three operations, mixed
  with the picture itself; the paper's width 3, depth 1 to 3 and alpha 1. The paper's Jensen-Shannon loss is
  not part of it, as in torchvision.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from eighteen.augmenting import warping
from eighteen.augmenting.geometry import Floats
from eighteen.augmenting.settings import AugmentSettings

BINS = 31
"""Steps of strength of `trivial` and `rand`; the strongest is 30."""

SEVERITIES = 10
"""Steps of strength of `augmix`."""

CHAINS, LONGEST_CHAIN = 3, 3
_PER_OPERATION = 3
"""Draws of an operation: which, how strong, which way."""


class Operation(IntEnum):
    """What can be done; up to ROTATE it moves pixels, from BRIGHTNESS on it changes their values."""

    IDENTITY = 0
    SHEAR_X = 1
    SHEAR_Y = 2
    TRANSLATE_X = 3
    TRANSLATE_Y = 4
    ROTATE = 5
    BRIGHTNESS = 6
    COLOR = 7
    CONTRAST = 8
    SHARPNESS = 9
    POSTERIZE = 10
    SOLARIZE = 11
    AUTO_CONTRAST = 12
    EQUALIZE = 13


SIGNED = np.array([Operation.SHEAR_X <= kind <= Operation.SHARPNESS for kind in Operation])
"""Which operations go either way."""


@dataclass(frozen=True)
class Chain:
    """Operations one after the other, a row per picture.

    Attributes:
        operations: int64 `[B, steps]`, of `Operation`.
        magnitudes: `[B, steps]`; see `magnitude_table` for the units.
        share: `[B]`, how much of the result this chain makes; None where there is no other.
    """

    operations: npt.NDArray[np.int64]
    magnitudes: Floats
    share: Floats | None = None

    def homographies(self, size_px: int) -> Floats:
        """All moves of the chain as one map, output to view coordinates: `[B, 3, 3]`."""
        found = np.tile(np.eye(3), (len(self.operations), 1, 1))
        for step in range(self.operations.shape[1]):
            found = found @ _moves(self.operations[:, step], self.magnitudes[:, step], size_px)
        return found


def draw_count(settings: AugmentSettings) -> int:
    """How many uniform numbers a picture's chains need."""
    steps = {"none": 0, "trivial": 1, "rand": settings.policy_operations}
    if settings.policy == "augmix":
        return CHAINS * (1 + LONGEST_CHAIN * _PER_OPERATION) + CHAINS + 1
    return _PER_OPERATION * steps[settings.policy]


def draw_chains(settings: AugmentSettings, draws: Floats, size_px: int) -> tuple[Chain, ...]:
    """The chains of each picture; none where there is no policy, and the first of AugMix does nothing.

    Args:
        settings: the policy, and n and m where it has them.
        draws: `[B, draw_count(settings)]` in [0, 1).
        size_px: side of the network's input, on which shifts depend.
    """
    if settings.policy == "none":
        return ()
    if settings.policy == "augmix":
        return _augmix(settings, draws, size_px)
    table = magnitude_table(settings.policy, size_px)
    rows = draws.reshape(len(draws), -1, _PER_OPERATION)
    operations = np.floor(rows[:, :, 0] * len(Operation)).astype(np.int64)
    if settings.policy == "trivial":
        strengths = np.floor(rows[:, :, 1] * BINS).astype(np.int64)
    else:
        strengths = np.full(operations.shape, round(settings.policy_magnitude), np.int64)
    return (Chain(operations, _signed(table[operations, strengths], operations, rows[:, :, 2])),)


def magnitude_table(policy: str, size_px: int) -> Floats:
    """Strength of each operation at each step: `[14, steps]`.

    Units: tangents (shear), pixels (translate), degrees (rotate), bits (posterize), share of full range
    (solarize); a factor less one for the others, 0 where there is nothing to choose.
    """
    tops = {
        "trivial": (0.99, 32.0, 135.0, 0.99),
        "rand": (0.3, 150.0 / 331.0 * size_px, 30.0, 0.9),
        "augmix": (0.3, size_px / 3.0, 30.0, 0.9),
    }
    shear, translate, rotate, factor = tops[policy]
    steps = SEVERITIES if policy == "augmix" else BINS
    # Half way to the next bit, PyTorch and NumPy both round to the even one.
    first_bits, lost_bits = {"trivial": (8, 6), "rand": (8, 4), "augmix": (4, 4)}[policy]
    table = np.zeros((len(Operation), steps))
    rising = np.linspace(0.0, 1.0, steps)
    for kinds, top in (
        ([Operation.SHEAR_X, Operation.SHEAR_Y], shear),
        ([Operation.TRANSLATE_X, Operation.TRANSLATE_Y], translate),
        ([Operation.ROTATE], rotate),
        ([Operation.BRIGHTNESS, Operation.COLOR, Operation.CONTRAST, Operation.SHARPNESS], factor),
    ):
        table[kinds] = top * rising
    table[Operation.POSTERIZE] = np.round(first_bits - np.arange(steps) / ((steps - 1) / lost_bits))
    table[Operation.SOLARIZE] = 1.0 - rising
    return table


def _augmix(settings: AugmentSettings, draws: Floats, size_px: int) -> tuple[Chain, ...]:
    severity = max(1, round(settings.policy_magnitude * SEVERITIES / (BINS - 1)))
    table = magnitude_table("augmix", size_px)
    per_chain = 1 + LONGEST_CHAIN * _PER_OPERATION
    last = CHAINS * per_chain
    # Exponential draws over their sum are Dirichlet(1, 1, 1); a uniform one is Beta(1, 1).
    parts = -np.log1p(-draws[:, last : last + CHAINS])
    own = draws[:, last + CHAINS]
    shares = parts / np.maximum(parts.sum(axis=1, keepdims=True), 1e-300) * (1.0 - own)[:, None]
    nothing = np.zeros((len(draws), LONGEST_CHAIN), np.int64)
    chains = [Chain(nothing, nothing.astype(np.float64), own)]
    for number in range(CHAINS):
        mine = draws[:, number * per_chain : (number + 1) * per_chain]
        rows = mine[:, 1:].reshape(len(draws), LONGEST_CHAIN, _PER_OPERATION)
        # The operations without the first, which does nothing.
        operations = 1 + np.floor(rows[:, :, 0] * (len(Operation) - 1)).astype(np.int64)
        strengths = np.floor(rows[:, :, 1] * severity).astype(np.int64)
        length = 1 + np.floor(mine[:, 0] * LONGEST_CHAIN)
        operations[np.arange(LONGEST_CHAIN) >= length[:, None]] = Operation.IDENTITY
        magnitudes = _signed(table[operations, strengths], operations, rows[:, :, 2])
        chains.append(Chain(operations, magnitudes, shares[:, number]))
    return tuple(chains)


def _signed(magnitudes: Floats, operations: npt.NDArray[np.int64], ways: Floats) -> Floats:
    return np.where(SIGNED[operations] & (ways < 0.5), -magnitudes, magnitudes)


def _moves(operations: npt.NDArray[np.int64], magnitudes: Floats, size_px: int) -> Floats:
    """What one operation a picture does to places: `[B, 3, 3]`."""

    def of(*kinds: Operation) -> Floats:
        return np.where(np.isin(operations, kinds), magnitudes, 0.0)

    shear_x, shear_y = of(Operation.SHEAR_X), of(Operation.SHEAR_Y)
    pixel = 2.0 / size_px
    moves = warping.slanted(shear_x, shear_y) @ warping.turned(of(Operation.ROTATE))
    # torchvision shears about the left top corner, and shifts by whole pixels.
    moves[:, 0, 2] = shear_x - pixel * np.trunc(of(Operation.TRANSLATE_X))
    moves[:, 1, 2] = shear_y - pixel * np.trunc(of(Operation.TRANSLATE_Y))
    return moves
