"""Frozen features: what the backbone says about each picture before any of it is trained.

One pass through the frozen network gives a vector a picture and view; everything that is fitted on them
(the linear head, its strength, folds) then takes seconds. Features are kept in the user's cache by the
picture's content, the weights and the view, so that a second training on the same pictures starts at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor, nn

from eighteen.core import store
from eighteen.core.dataset import Dataset, picture_hash
from eighteen.core.errors import RunError, TrainingError
from eighteen.core.inputs import InputSpec
from eighteen.core.places import cache_folder
from eighteen.core.progress import Progress, silent
from eighteen.inference.reading import items_of, read_batches
from eighteen.inference.scoring import Scorer, evaluating
from eighteen.models.family import head_name

Floats = npt.NDArray[np.float32]

VERSION = 1
"""Raised when a change makes older cached features wrong."""


class FeatureReader:
    """Features of pictures in the plain view of `inputs`, and of their mirror image.

    Args:
        network: with `forward_features` and `forward_head(..., pre_logits=True)`, as every network of the
            family has; it is left untouched.
        inputs: how a picture becomes the network's input.
        device: where the network lies.
        max_pixels: larger pictures are refused by the decoder.
    """

    def __init__(self, network: nn.Module, inputs: InputSpec, device: torch.device, max_pixels: int) -> None:
        self._network = network
        self._inputs = inputs
        self._scorer = Scorer(network, inputs, device)
        self._max_pixels = max_pixels
        self._key = _key(network, inputs)

    def read(self, dataset: Dataset, progress: Progress = silent) -> tuple[Floats, Floats]:
        """Features of every row: plain and mirrored, each `[N, D]` float32.

        Raises:
            TrainingError: a picture that was readable when the data set was scanned no longer is.
        """
        known = _load(self._key)
        keys = _content_keys(dataset)
        missing = [row for row, key in enumerate(keys) if key not in known]
        if missing:
            fresh = self._compute(dataset.with_table(dataset.table[missing]), progress)
            known = {**known, **{keys[row]: fresh[place] for place, row in enumerate(missing)}}
            _save(self._key, known)
        both = np.stack([known[key] for key in keys]) if keys else np.empty((0, 2, 0), np.float32)
        return both[:, 0], both[:, 1]  # [N, 2, D]

    def _compute(self, dataset: Dataset, progress: Progress) -> Floats:
        parts: list[Floats] = []
        done = 0
        for batch in read_batches(items_of(dataset), self._inputs, 32, self._max_pixels):
            if batch.unreadable:
                row, reason = batch.unreadable[0]
                raise TrainingError(
                    f"{dataset.ids[row]}: {reason}; it was readable when the data set was scanned. Bring it "
                    f"back or audit again"
                )
            images = self._scorer.normalised(torch.from_numpy(batch.pixels))
            views = [_features(self._network, each) for each in (images, images.flip(-1))]
            parts.append(np.stack(views, axis=1))  # [B, 2, D]
            done += len(batch.positions)
            progress("features", done, len(dataset), "")
        return np.concatenate(parts)


def features_of(network: nn.Module, inputs: InputSpec, pixels: Floats, batch_size: int = 64) -> Floats:
    """Features of fitted pictures in the plain view, as `FeatureReader` makes them: `[B, D]` float32.

    Args:
        network: as for `FeatureReader`; left as it is, on its device.
        inputs: what the network expects.
        pixels: `[B, C, H, W]`, 0..255, B of 1 or more.
        batch_size: pictures a forward pass.

    Raises:
        TrainingError: there is no picture.
    """
    if not len(pixels):
        raise TrainingError("there is no picture to take features of; give one or more")
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    scorer = Scorer(network, inputs, device)
    starts = range(0, len(pixels), batch_size)
    parts = [torch.from_numpy(pixels[start : start + batch_size]) for start in starts]
    return np.concatenate([_features(network, scorer.normalised(part)) for part in parts])


def _features(network: nn.Module, images: Tensor) -> Floats:
    with torch.inference_mode(), evaluating(network):
        maps = network.forward_features(images)  # type: ignore[operator]
        vectors: Tensor = network.forward_head(maps, pre_logits=True)  # type: ignore[operator]
        return vectors.float().cpu().numpy()


def _content_keys(dataset: Dataset) -> list[str]:
    """What identifies each picture's content; a row that is not hashed yet stands by its id."""
    table = dataset.table
    return table.select(pl.coalesce(picture_hash(table.columns, ("sha256",)), "id")).to_series().to_list()


def _key(network: nn.Module, inputs: InputSpec) -> str:
    """Hash of the weights below the head, of the inputs and of this module's version."""
    digest = hashlib.sha256(f"{VERSION} {inputs.sha256} ".encode())
    head = f"{head_name(network)}."
    for name, value in network.state_dict().items():
        if not name.startswith(head):
            digest.update(name.encode())
            digest.update(value.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()


def _file(key: str) -> Path:
    return cache_folder("features") / f"{key[:32]}.safetensors"


def _load(key: str) -> dict[str, Floats]:
    """Cached features by content; a damaged cache counts as empty, since it can be made again."""
    path = _file(key)
    if not path.exists():
        return {}
    try:
        arrays = store.read_arrays(path)
        return dict(zip(_split_keys(arrays["keys"]), arrays["features"], strict=True))
    except (RunError, KeyError, ValueError):
        return {}


def _save(key: str, features: Mapping[str, Floats]) -> None:
    path = _file(key)
    store.make_folder(path.parent)
    text = "\n".join(features).encode()
    arrays: dict[str, npt.NDArray[Any]] = {
        "keys": np.frombuffer(text, np.uint8),
        "features": np.stack(list(features.values())),
    }
    store.write_arrays(path, arrays, {})


def _split_keys(text: npt.NDArray[np.uint8]) -> list[str]:
    return text.tobytes().decode().split("\n")
