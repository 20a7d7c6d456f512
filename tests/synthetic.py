"""Answers of models whose truth is known, for tests of measures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import nn

from eighteen.core.predictions import softmax

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Logits = npt.NDArray[np.float32]


def honest_logits(n: int, k: int, seed: int, spread: float = 2.0) -> tuple[Logits, Ints]:
    """Logits `[n, k]` whose softmax is the true distribution of the targets `[n]`."""
    generator = np.random.default_rng(seed)
    logits = (generator.normal(size=(n, k)) * spread).astype(np.float32)
    return logits, _drawn(softmax(logits), generator)


def honest(n: int, k: int, seed: int, spread: float = 1.5) -> tuple[Floats, Ints, list[str]]:
    """Probabilities that are the true ones, classes drawn from them, and ids."""
    logits, targets = honest_logits(n, k, seed, spread)
    return softmax(logits), targets, [f"{row:05d}.png" for row in range(n)]


def tied(n: int, k: int, seed: int) -> tuple[Floats, Ints]:
    """Probabilities in twentieths, with equal ones within rows and equal rows; classes drawn from them."""
    generator = np.random.default_rng(seed)
    table = generator.multinomial(20, np.full(k, 1 / k), size=n) / 20
    return table, _drawn(table, generator)


def _drawn(table: Floats, generator: np.random.Generator) -> Ints:
    drawn = (table.cumsum(axis=1) < generator.random((len(table), 1))).sum(axis=1)
    return np.minimum(drawn, table.shape[1] - 1).astype(np.int64)


def with_random_norms(network: nn.Module) -> None:
    """Norms as trained ones might be: those of a new network pass faults of a converter by."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_var is not None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
