"""Does the model notice pictures of none of its classes?

In come a trained run, a split that it has scored, and pictures of something else; out come two measures, the
chance that such a picture looks less known than one of the split: by the energy of its logits, which every
format of a model can give, and by its distance to the training pictures in feature space.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.inputs import InputSpec
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.core.progress import Progress
from eighteen.core.run import Run
from eighteen.inference.devices import open_placed
from eighteen.inference.reading import Item, read_batches
from eighteen.inference.scoring import Scorer
from eighteen.measuring.feature_distance import NeighbourDistance
from eighteen.measuring.scored import Floats
from eighteen.measuring.unknown import auroc_unknown, energy
from eighteen.training.features import FeatureReader, features_of

BATCH_SIZE = 64


def measure_unknown(
    run: Run, known: Dataset, scored: Predictions, unknown: Sequence[Path], split: str, progress: Progress
) -> dict[str, Measure]:
    """Measures `auroc_unknown` (energy) and `auroc_unknown_distance` (features).

    Args:
        run: trained; its training pictures must still lie where they lay.
        known: pictures of the model's classes.
        scored: what the model says about them, so that only their features are computed, if these are not in
            the cache.
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
    readable = known.with_table(scored.rows.select("id").join(known.table, on="id", how="left"))
    mine = energy(scored.uncalibrated), bank(reader.read(readable, progress)[0])
    theirs = _of_unknown(unknown, scorer, network, bank, inputs, limit)
    if not len(theirs[0]):
        raise DatasetError(f"none of the {len(unknown)} unknown pictures can be read; name others")
    groups = scored.rows["group"].to_list()
    return {
        name: auroc_unknown(mine[kind], theirs[kind], known_groups=groups, split=split)
        for kind, name in enumerate(("auroc_unknown", "auroc_unknown_distance"))
    }


def _of_unknown(
    unknown: Sequence[Path],
    scorer: Scorer,
    network: nn.Module,
    bank: NeighbourDistance,
    inputs: InputSpec,
    limit: int,
) -> tuple[Floats, Floats]:
    """Energy and distance of those that can be read."""
    energies: list[Floats] = [np.empty(0)]
    distances: list[Floats] = [np.empty(0)]
    items: list[Item] = [(path, -1) for path in unknown]
    with torch.inference_mode():
        for batch in read_batches(items, inputs, BATCH_SIZE, limit):
            if len(batch.positions):
                energies.append(energy(scorer(batch.pixels)))
                distances.append(bank(features_of(network, inputs, batch.pixels)))
    return np.concatenate(energies), np.concatenate(distances)
