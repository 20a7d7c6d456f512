"""Before training: everything explicit, the network built, and what needs measuring measured.

`plan` settles each "auto" of the recipe, loads the weights, times a few steps for precision and layout, and
fits a time budget. What it returns decides the training completely.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from eighteen.core import store
from eighteen.core.dataset import Dataset
from eighteen.core.errors import RecipeError, TrainingError
from eighteen.core.findings import name_some
from eighteen.core.memory import keep_freed_memory
from eighteen.core.recipe import Recipe
from eighteen.formats import native
from eighteen.inference.devices import choose_device
from eighteen.models import weights as model_weights
from eighteen.models.family import takes_small_stem
from eighteen.models.hub import only_size
from eighteen.training.budget import SIZES_PX, Fitted, fit_to_budget
from eighteen.training.cache import SquareReader
from eighteen.training.choices import SMALL_PX
from eighteen.training.contradictions import check_size, idle_settings
from eighteen.training.facts import weights_statistics
from eighteen.training.optimizer import step_seconds
from eighteen.training.precision import Mode, fastest, has_fast_bf16, measure_modes, mode_of
from eighteen.training.progressive import training_work
from eighteen.training.resolve import input_spec, resolve
from eighteen.training.teaching import ITSELF, teachers_work
from eighteen.training.unseen import check_weights

FORWARD_SHARE = 0.4
"""What a picture of validation costs, as a share of one in training (forward of forward and backward)."""

MEASURED_PIXELS = 400_000
"""Pixels of the batch that modes are timed on: 8 pictures of 224 px, 97 of 64."""


@dataclass(frozen=True)
class Plan:
    """An explicit recipe, why it is so, and the untrained (or pretrained) network.

    Attributes:
        notes: sentences for the user, such as how many tensors of the weights were matched.
        weights_sha256: of the file of the weights that training starts from; "" from scratch.
    """

    recipe: Recipe
    reasons: Mapping[str, str]
    network: nn.Module
    notes: tuple[str, ...]
    weights_sha256: str


def plan(recipe: Recipe, dataset: Dataset) -> Plan:
    """Settles every "auto", builds the network and measures what has to be measured.

    Raises:
        WeightsError: the weights cannot be had.
        RecipeError: the weights have learned from pictures that are to measure the run.
        TrainingError: there is nothing to train on.
    """
    _check_enough(dataset)
    check_weights(recipe, dataset)
    keep_freed_memory()
    resolved, reasons = with_statistics(*_resolved(recipe, dataset), dataset)
    torch.manual_seed(resolved.seed)
    network = native.build(resolved, len(dataset.class_names))
    notes, weights_sha256 = _load_weights(network, resolved)
    device, note = choose_device(resolved.training.device)
    resolved = resolved.changed(training={"device": str(device)})
    reasons["training.device"] = note or "the first accelerator there is, else the CPU"
    seconds = _time_modes(resolved, network, dataset, device)
    resolved, reasons = _with_mode(resolved, reasons, seconds)
    if resolved.training.budget_minutes is not None:
        resolved, reasons = _within_budget(
            recipe, resolved, reasons, seconds[mode_of(resolved)], dataset, network
        )
    notes += [note, *idle_settings(resolved)]
    return Plan(resolved, reasons, network, tuple(filter(None, notes)), weights_sha256)


def _check_enough(dataset: Dataset) -> None:
    if len(dataset.class_names) < 2:
        raise TrainingError(
            f"found one class ({', '.join(dataset.class_names)}); at least two are needed: add another"
        )
    counts = dataset.class_counts("train")
    empty = [name for name, count in counts.items() if count == 0]
    if empty:
        raise TrainingError(f"no training pictures of {name_some(empty)}: add some, or remove the class")


def _resolved(recipe: Recipe, dataset: Dataset) -> tuple[Recipe, dict[str, str]]:
    resolved, reasons = resolve(recipe, dataset)
    check_size(resolved)
    if resolved.training.batch_size == 1:
        resolved = resolved.changed(training={"batch_size": 2})
        reasons["training.batch_size"] = "2 instead of 1: BatchNorm needs two pictures a step"
    return resolved, reasons


def with_statistics(
    recipe: Recipe, reasons: dict[str, str], dataset: Dataset
) -> tuple[Recipe, dict[str, str]]:
    """Mean and standard deviation: of the weights' training where there is one, else of these pictures.

    Raises:
        RecipeError: one of them was given, and not with a value a channel.
    """
    _check_one_a_channel(recipe)
    if "auto" not in (recipe.inputs.mean, recipe.inputs.std):
        return recipe, reasons
    if recipe.model.weights != "none":
        mean, std = weights_statistics(recipe)
        reason = "as the weights were made"
    else:
        mean, std = _statistics(recipe, dataset.subset("train"))
        reason = "measured on the training pictures"
    values = {"mean": mean, "std": std}
    unset = {key: value for key, value in values.items() if getattr(recipe.inputs, key) == "auto"}
    reasons.update({f"inputs.{key}": reason for key in unset})
    return recipe.changed(inputs=unset), reasons


def _check_one_a_channel(recipe: Recipe) -> None:
    inputs = recipe.inputs
    given = {"inputs.mean": inputs.mean, "inputs.std": inputs.std}
    wrong = [name for name, values in given.items() if values != "auto" and len(values) != inputs.channels]
    if wrong:
        raise RecipeError(
            f"{' and '.join(wrong)} {'have' if len(wrong) > 1 else 'has'} {len(given[wrong[0]])} values, the "
            f"pictures {inputs.channels} channels; give one value a channel, or set inputs.channels"
        )


def _statistics(
    recipe: Recipe, training: Dataset, sample: int = 500
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Per channel, over up to `sample` pictures taken evenly from those sorted by content."""
    spec = input_spec(recipe.changed(inputs={"mean": (0.5,), "std": (0.5,)}))
    order = training.table.with_row_index("_row").sort("sha256", "id")["_row"].to_numpy()
    rows = order[np.linspace(0, len(order) - 1, min(sample, len(order))).round().astype(int)]
    reader = SquareReader(training, spec, min(64, spec.size), recipe.data.max_pixels)
    pixels = np.stack([reader.read(int(row)) for row in rows]) / 255.0  # [n, C, S, S]
    mean, std = pixels.mean(axis=(0, 2, 3)), pixels.std(axis=(0, 2, 3))
    return tuple(round(float(v), 4) for v in mean), tuple(round(max(0.05, float(v)), 4) for v in std)


def _load_weights(network: nn.Module, recipe: Recipe) -> tuple[list[str], str]:
    """Sentences about what was loaded, and the SHA-256 of its file; nothing and "" from scratch."""
    if recipe.model.weights == "none":
        return [], ""
    start = model_weights.start(recipe.model.name, recipe.model.weights)
    notes = [model_weights.fit(network, start.tensors).sentence, start.licence]
    return notes, store.file_sha256(start.path)


def _time_modes(
    recipe: Recipe, network: nn.Module, dataset: Dataset, device: torch.device
) -> dict[Mode, float]:
    """Seconds an image in each mode that comes into question; untimed where nothing depends on it."""
    modes = _candidate_modes(recipe, device)
    if len(modes) == 1 and recipe.training.budget_minutes is None:
        return {modes[0]: 0.0}
    images = _first_images(recipe, dataset, device)
    return measure_modes(network.to(device), images, len(dataset.class_names), modes)


def _with_mode(
    recipe: Recipe, reasons: dict[str, str], seconds: Mapping[Mode, float]
) -> tuple[Recipe, dict[str, str]]:
    plain = next(iter(seconds))
    mode = fastest(seconds, plain)
    chosen = {"precision": mode.precision, "channels_last": mode.channels_last}
    if len(seconds) > 1:
        reason = "measured images/s: " + ", ".join(f"{mode} {1 / s:.0f}" for mode, s in seconds.items())
        free = [key for key in chosen if getattr(recipe.training, key) == "auto"]
        reasons = {**reasons, **{f"training.{key}": reason for key in free}}
    return recipe.changed(training=chosen), reasons


def _within_budget(
    recipe: Recipe,
    resolved: Recipe,
    reasons: dict[str, str],
    image_s: float,
    dataset: Dataset,
    network: nn.Module,
) -> tuple[Recipe, dict[str, str]]:
    """Everything resolved for the epochs and the size that end in time."""
    start = resolved.training.progressive_from
    assert start != "auto"
    step_s = step_seconds(network, resolved.optimizer, mode_of(resolved).memory_format)
    fitted = _fitted(recipe, resolved, start, (image_s, step_s), dataset, network)
    within = _with_budget(recipe, resolved, reasons, fitted, dataset)
    fewer = within[0].training.progressive_from
    assert fewer != "auto"
    if fewer == start:
        return within
    # So few epochs begin at another size than those that were reckoned with.
    fitted = _fitted(recipe, resolved, fewer, (image_s, step_s), dataset, network)
    return _with_budget(recipe, resolved, reasons, fitted, dataset)


def _fitted(
    recipe: Recipe,
    resolved: Recipe,
    start: float,
    measured_s: tuple[float, float],
    dataset: Dataset,
    network: nn.Module,
) -> Fitted:
    """Epochs and size within the budget, by the seconds that a picture takes at the size that was resolved,
    and those of a step of the optimizer."""
    image_s, step_s = measured_s
    settings, size = resolved.training, resolved.inputs.size
    minutes, epochs, batch = settings.budget_minutes, settings.epochs, settings.batch_size
    assert minutes is not None and epochs != "auto" and size != "auto" and batch != "auto"
    share = training_work(epochs, size, start, settings.side_fraction)
    # Teachers only answer, but its like is trained first; a sharpness-aware step does everything twice.
    share *= 1 + FORWARD_SHARE * teachers_work(resolved, network) + (ITSELF in settings.teacher)
    share *= 2 if resolved.optimizer.sam_rho > 0 else 1
    answers = FORWARD_SHARE * (2 if resolved.inputs.mirror_average is True else 1)
    images = share * dataset.split_counts["train"] + answers * dataset.split_counts["val"]
    steps = math.ceil(dataset.split_counts["train"] / batch)
    updates_s = steps * step_s * (1 + (ITSELF in settings.teacher))
    return fit_to_budget(minutes, image_s * images, size, epochs, _smallest_px(recipe, resolved), updates_s)


def _smallest_px(recipe: Recipe, resolved: Recipe) -> int:
    """How far a budget may lower the side: not where the user set it, and not so far that "auto" would take
    the small stem, which is another network than the timed one, and a slower one in spite of the size."""
    size = resolved.inputs.size
    assert size != "auto"
    if recipe.inputs.size != "auto" or only_size(resolved.model.name) is not None:
        return size
    model = resolved.model
    stem_may_change = recipe.model.stem == "auto" and (model.stem, model.weights) == ("imagenet", "none")
    return SMALL_PX + 1 if stem_may_change and takes_small_stem(model.name) else min(SIZES_PX)


def _with_budget(
    recipe: Recipe, resolved: Recipe, reasons: dict[str, str], fitted: Fitted, dataset: Dataset
) -> tuple[Recipe, dict[str, str]]:
    """Everything resolved once more for the epochs and the size that fit; what was measured stays."""
    measured = {key: getattr(resolved.training, key) for key in ("device", "precision", "channels_last")}
    known = {"mean": resolved.inputs.mean, "std": resolved.inputs.std}
    fixed = recipe.changed(
        training={**measured, "epochs": fitted.epochs}, inputs={**known, "size": fitted.size_px}
    )
    again, anew = _resolved(fixed, dataset)
    changed = {"training.epochs": fitted.reason}
    if fitted.size_px != resolved.inputs.size:
        changed["inputs.size"] = fitted.reason
    return again, {**reasons, **anew, **changed}


def _candidate_modes(recipe: Recipe, device: torch.device) -> list[Mode]:
    """Modes to try; the first is the plain one that noise must not displace."""
    precision, layout = recipe.training.precision, recipe.training.channels_last
    precisions = [False, True] if has_fast_bf16(device) else [False]
    if precision != "auto":
        precisions = [precision == "bf16"]
    layouts = [False, True] if layout == "auto" else [layout]
    return [Mode(bf16, last) for bf16 in precisions for last in layouts]


def _first_images(recipe: Recipe, dataset: Dataset, device: torch.device) -> torch.Tensor:
    """A batch of the recipe's shape; noise costs a network what pictures cost it."""
    size, channels, batch = recipe.inputs.size, recipe.inputs.channels, recipe.training.batch_size
    assert size != "auto" and channels != "auto" and batch != "auto"
    n = max(2, min(batch, dataset.split_counts["train"], MEASURED_PIXELS // size**2))
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, channels, size, size, generator=generator).to(device)
