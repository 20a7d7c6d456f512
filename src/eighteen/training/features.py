"""Frozen features: what the backbone says about each picture before any of it is trained.

One pass through the frozen network gives a vector a picture and view; everything that is fitted on them
(the linear head, its strength, folds) then takes seconds. Features are kept in the user's cache by the
picture's content, the network, its weights and the view, so that a second training on the same pictures
starts at once. The cache only saves time: one that cannot be written is said once and done without.
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
from timm.layers.drop import DropPath
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

VERSION = 2
"""Raised when a change makes older cached features wrong."""

_PASSES_ON = (nn.Identity, nn.Dropout, DropPath)
"""Modules that do nothing outside training: which of them a network has is no matter to its features."""


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
        self._told = False

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
            problem = _save(self._key, known)
            if problem and not self._told:
                progress("warning", 0, 0, problem)
                self._told = True
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
    """Hash of the network and its weights below the head, of the inputs and of this module's version."""
    digest = hashlib.sha256(f"{VERSION} {inputs.sha256} ".encode())
    head = f"{head_name(network)}."
    digest.update(_architecture(network, head).encode())
    for name, value in network.state_dict().items():
        if not name.startswith(head):
            digest.update(name.encode())
            digest.update(value.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()


def _architecture(network: nn.Module, head: str) -> str:
    """What the tensors do not tell: two networks (other padding, another epsilon) can take one file."""
    name = getattr(network, "pretrained_cfg", {}).get("architecture", type(network).__name__)
    layers = [
        f"{place} {type(module).__name__}({module.extra_repr()})"
        for place, module in network.named_modules()
        if not f"{place}.".startswith(head) and not isinstance(module, _PASSES_ON)
    ]
    return "\n".join([name, *layers])


def _file(key: str) -> Path:
    return cache_folder("features") / f"{key[:32]}.safetensors"


def _load(key: str) -> dict[str, Floats]:
    """Cached features by content; a cache that is damaged or cannot be read counts as empty, since it can be
    made again."""
    path = _file(key)
    try:
        if not path.exists():
            return {}
        arrays = store.read_arrays(path)
        return dict(zip(_split_keys(arrays["keys"]), arrays["features"], strict=True))
    except (RunError, OSError, KeyError, ValueError):
        return {}


def _save(key: str, features: Mapping[str, Floats]) -> str:
    """Keeps features for later trainings; says why where that cannot be, else ""."""
    path = _file(key)
    text = "\n".join(features).encode()
    arrays: dict[str, npt.NDArray[Any]] = {
        "keys": np.frombuffer(text, np.uint8),
        "features": np.stack(list(features.values())),
    }
    try:
        store.make_folder(path.parent)
        store.write_arrays(path, arrays, {})
    except (RunError, OSError) as error:
        return (
            f"the features cannot be kept in {path} ({error.__cause__ or error}); results do not depend on "
            f"it, but the next training computes them again: set XDG_CACHE_HOME to a folder with room that "
            f"can be written"
        )
    return ""


def _split_keys(text: npt.NDArray[np.uint8]) -> list[str]:
    return text.tobytes().decode().split("\n")
