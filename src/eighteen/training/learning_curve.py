"""How right heads on frozen features are with fewer pictures: the points of a learning curve.

In: a data set, its features and folds. Out: for several numbers of training pictures, which pictures a head
of so many named right. Each training part is cut to nested shares. Whole units are drawn (groups, copies), so
that half of the pictures of a data set with groups also means half of its groups.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eighteen.core.dataset import Dataset
from eighteen.splitting import find_units
from eighteen.training.frozen import Floats, OutOfFold
from eighteen.training.head import head_of_strength

SHARES = (0.125, 0.25, 0.5)
"""Of each training part; all of it is known already."""


def hits_by_size(
    dataset: Dataset, features: Floats, scored: OutOfFold, seed: int = 0
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Mean numbers of training pictures `[S]`, rising, and who was named right with so many, `[S, N]`.

    Args:
        dataset: as was scored.
        features: `[N, D]`.
        scored: of all of it.
        seed: of the drawing.
    """
    targets, units = dataset.class_index(), find_units(dataset).of_row
    drawn = np.random.default_rng(seed).permutation(int(units.max()) + 1)[units] / (units.max() + 1)  # [N]
    sizes: list[float] = []
    hits: list[npt.NDArray[np.bool_]] = []
    for share in SHARES:
        right, seen = np.zeros(len(targets), np.bool_), []
        for fold in np.unique(scored.folds):
            held = scored.folds == fold
            # Nested: a smaller share is part of a larger one.
            kept = ~held & (drawn <= np.quantile(drawn[~held], share))
            classes = len(dataset.class_names)
            head = head_of_strength([features[kept]], targets[kept], classes, scored.strength)
            right[held] = head.logits(features[held]).argmax(axis=1) == targets[held]
            seen.append(int(kept.sum()))
        sizes.append(float(np.mean(seen)))
        hits.append(right)
    whole = scored.predictions.logits.argmax(axis=1) == targets
    n, k = len(targets), len(np.unique(scored.folds))
    return np.array([*sizes, n * (k - 1) / k]), np.stack([*hits, whole])
