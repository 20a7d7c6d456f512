"""Does the model notice pictures of none of its classes?

In come a trained run, a split that it has scored, and pictures of something else; out come two measures, the
chance that such a picture looks less known than one of the split: by the energy of its logits, which every
format of a model can give, and by its distance to the training pictures in feature space.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.measures import Measure
from eighteen.core.progress import Progress
from eighteen.core.run import Run
from eighteen.inference.devices import open_placed
from eighteen.inference.reading import Item, items_of, read_batches
from eighteen.inference.scoring import Scorer
from eighteen.measuring.feature_distance import NeighbourDistance
from eighteen.measuring.unknown import auroc_unknown, energy
from eighteen.training.features import FeatureReader, features_of

Floats = npt.NDArray[np.float32]


def measure_unknown(
    run: Run, known: Dataset, unknown: Sequence[Path], split: str, progress: Progress
) -> dict[str, Measure]:
    """Measures `auroc_unknown` (energy) and `auroc_unknown_distance` (features).

    Args:
        run: trained; its training pictures must still lie where they lay.
        known: pictures of the model's classes.
        unknown: files of anything else.
        split: name of `known`, written into the measures.
        progress: told how far it is.

    Raises:
        DatasetError: none of the unknown pictures can be read.
    """
    network, device, _ = open_placed(run)
    scorer, inputs, limit = Scorer(network, run.inputs, device), run.inputs, run.recipe.data.max_pixels
    reader = FeatureReader(network, inputs, device, limit)
    bank = NeighbourDistance.fit(reader.read(run.dataset.subset("train"), progress)[0])

    def scores(items: Sequence[Item]) -> tuple[Floats, Floats, list[int]]:
        """Energy and distance of those that can be read, and which they are."""
        energies, distances, places = [], [], []
        for batch in read_batches(items, inputs, 64, limit):
            if len(batch.positions):
                energies.append(energy(scorer(batch.pixels)))
                distances.append(bank(features_of(network, inputs, batch.pixels)))
                places += batch.positions.tolist()
        empty = [np.empty(0)]
        return np.concatenate(energies or empty), np.concatenate(distances or empty), places

    with torch.inference_mode():
        mine, theirs = scores(items_of(known)), scores([(path, -1) for path in unknown])
    if not theirs[2]:
        raise DatasetError(f"none of the {len(unknown)} unknown pictures can be read; name others")
    groups = known.table["group"].to_list()
    known_groups = [groups[place] for place in mine[2]]
    return {
        name: auroc_unknown(mine[kind], theirs[kind], known_groups=known_groups, split=split)
        for kind, name in enumerate(("auroc_unknown", "auroc_unknown_distance"))
    }
