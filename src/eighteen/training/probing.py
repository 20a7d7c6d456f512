"""The first rung of every training from weights: the last layer is fitted on frozen features.

Fine-tuning then starts from a model that is already good, so that its first steps do not throw the features
away (Kumar et al., Fine-Tuning can Distort Pretrained Features, ICLR 2022).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from eighteen.core.dataset import Dataset
from eighteen.core.progress import Progress
from eighteen.core.recipe import Recipe
from eighteen.models.family import head_name
from eighteen.splitting import find_units, folds
from eighteen.tasks import Task
from eighteen.training.features import FeatureReader
from eighteen.training.head import Head, Ints, fit_head
from eighteen.training.resolve import input_spec
from eighteen.training.resume import Moving

FOLDS = 5


class HeadStart(NamedTuple):
    """What came of fitting the last layer: a sentence, and whether it was fitted."""

    sentence: str
    fitted: bool


def start_from_head(
    moving: Moving,
    training: Dataset,
    task: Task,
    recipe: Recipe,
    device: torch.device,
    progress: Progress,
) -> HeadStart:
    """Fits the last layer of the network, and of its average, on frozen features.

    The layer is a linear one, or a 1x1 convolution of pooled features, as some networks of timm have.
    """
    name = head_name(moving.network)
    layer = moving.network.get_submodule(name)
    if not _is_linear(layer):
        return HeadStart(f"the last layer ({name}) is no linear one: it starts at random", fitted=False)
    reader = FeatureReader(moving.network, input_spec(recipe), device, recipe.data.max_pixels)
    plain, mirrored = reader.read(training, progress)
    flips = recipe.augment.horizontal_flip
    views = [plain, mirrored] if flips != "auto" and flips > 0 else [plain]
    targets = task.collate(training).numpy()
    fold = head_folds(training, targets)
    head = fit_head(views, targets, fold, task.outputs)
    for network in (moving.network, moving.evaluated):
        _set_head(network.get_submodule(name), head)
    loss = head.fold_nll[head.strength]
    how = "" if np.isnan(loss) else f", log loss {loss:.3f} on {len(np.unique(fold))} folds"
    sentence = f"the last layer was fitted on frozen features (C = {head.strength:.3g}{how})"
    return HeadStart(sentence, fitted=True)


def _is_linear(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Conv2d):
        return layer.kernel_size == (1, 1) and layer.groups == 1
    return isinstance(layer, nn.Linear)


def head_folds(training: Dataset, targets: Ints) -> Ints:
    """Folds that keep groups and copies together, fewer where there are not as many of those; one fold where
    some class is too small for two."""
    smallest = int(np.unique(targets, return_counts=True)[1].min())
    k = min(FOLDS, len(find_units(training)))
    if smallest < 2 or k < 2:
        return np.zeros(len(targets), np.int64)
    return folds(training, k)


def _set_head(layer: nn.Module, head: Head) -> None:
    with torch.no_grad():
        weight = layer.get_parameter("weight")
        weight.copy_(torch.from_numpy(head.weight).view(weight.shape))
        layer.get_parameter("bias").copy_(torch.from_numpy(head.bias))
