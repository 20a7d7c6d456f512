"""How a search chooses its points, and which trials it stops early.

The methods are optuna's: grid, random, TPE (Bergstra et al. 2011), Gaussian processes, and TPE with Hyperband
(Li et al. 2018). All but grid and hyperband stop a trial early that does worse than the median of the others
at the same step.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna import pruners, samplers

from eighteen.core.errors import RecipeError
from eighteen.tuning.space import Parameter

METHODS = ("tpe", "random", "gp", "hyperband", "grid")

MOST_GRID_POINTS = 2_000


def grid_points(space: Sequence[Parameter]) -> list[dict[str, Any]]:
    """All combinations, in an order without a system, so that a grid that is cut short has seen all sides.

    Raises:
        RecipeError: there are too many.
    """
    values = [each.grid for each in space]
    count = int(np.prod([len(each) for each in values]))
    if count > MOST_GRID_POINTS:
        raise RecipeError(
            f"the grid has {count:,} points, {len(space)} fields with up to {max(map(len, values))} values; "
            f"expected at most {MOST_GRID_POINTS:,}. Name fewer: --space none "
            f"--space optimizer.lr=0.01,0.03,0.1"
        )
    names = [each.name for each in space]
    points = [dict(zip(names, each, strict=True)) for each in itertools.product(*values)]
    return [points[row] for row in np.random.default_rng(0).permutation(len(points))]


def sampler_of(method: str, seed: int) -> samplers.BaseSampler:
    """What draws the points; of a grid, which waits from the start, nothing is drawn."""
    if method == "gp":
        return samplers.GPSampler(seed=seed, deterministic_objective=False)
    if method in ("tpe", "hyperband"):
        return samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
    return samplers.RandomSampler(seed=seed)


def pruner_of(method: str, most_steps: int) -> pruners.BasePruner:
    """What stops trials early; a grid does not ask it.

    Args:
        method: one of `METHODS`.
        most_steps: steps of a whole trial.
    """
    if method == "hyperband":
        return pruners.HyperbandPruner(min_resource=1, max_resource=max(1, most_steps), reduction_factor=3)
    return pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=max(1, most_steps // 3))
