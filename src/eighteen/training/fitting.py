"""From a plan to a trained run: `start` writes the run folder, `fit` trains in it.

A run can be interrupted at any moment after `start`, and `fit` goes on from its newest whole state; the
weights selected on validation are stored at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import nn

from eighteen.augmenting.batch import BatchAugmenter
from eighteen.augmenting.mixing import Mixing
from eighteen.augmenting.settings import AugmentSettings
from eighteen.core import store
from eighteen.core.dataset import Dataset
from eighteen.core.errors import Interrupted, RunError, TrainingError
from eighteen.core.findings import Finding, name_some
from eighteen.core.memory import keep_freed_memory
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.formats import native
from eighteen.inference.devices import choose_device
from eighteen.tasks import Task, make
from eighteen.training.averaging import EpochMean, WeightAverage
from eighteen.training.batches import TrainBatch, TrainBatches
from eighteen.training.cache import SquareReader, Squares, stored_side_px
from eighteen.training.contradictions import check_settings
from eighteen.training.doubting import without_doubtful
from eighteen.training.freezing import check_stages
from eighteen.training.keeping import (
    drop_rescued,
    drop_start,
    is_put_aside,
    keep_the_better,
    put_aside,
    rescue_best,
)
from eighteen.training.loop import Surroundings, train_epochs
from eighteen.training.optimizer import make_optimizer
from eighteen.training.planning import Plan
from eighteen.training.precision import mode_of
from eighteen.training.probing import start_from_head
from eighteen.training.progressive import epoch_sides_px
from eighteen.training.resolve import input_spec
from eighteen.training.resume import Moving, Position, drop_state, load_state, save_state
from eighteen.training.stopping import StopRequest, listening
from eighteen.training.swa import keep_mean
from eighteen.training.teaching import Loss, located, taught, with_teachers
from eighteen.training.validation import Validation

Watch = Callable[[Mapping[str, Any]], None]
"""Looks at an epoch's row of the history as it is written."""

STATE_COPIES = 6
"""Copies of the weights that a saved state may hold: network, two averages, best, two of the optimizer."""


def start(plan: Plan, dataset: Dataset, findings: Iterable[Finding], review: pl.DataFrame, out: Path) -> Run:
    """Writes the run folder with a first state in it, so that it resumes from any moment on.

    Raises:
        RecipeError: settings that contradict one another.
        RunError: `out` exists, or the disk has no room for it.
    """
    recipe = with_teachers(plan.recipe, dataset)
    check_settings(recipe)
    _augmenter(recipe)
    check_stages(plan.network, plan.recipe.training.freeze_until)
    _check_space(out, plan.network)
    device = choose_device(plan.recipe.training.device)[0]
    with Run.creating(out, dataset.task) as staging:
        staging.save_recipe(recipe, plan.reasons)
        staging.save_dataset(dataset)
        staging.save_findings(findings)
        if len(review):
            staging.save_review(review)
        staging.save_inputs(input_spec(plan.recipe))
        facts = {"device": str(device), "threads": torch.get_num_threads(), "seed": plan.recipe.seed}
        staging.save_environment({**facts, "weights_sha256": plan.weights_sha256})
        for note in plan.notes:
            staging.add_event(note)
        save_state(staging, Position(), _moving(plan.network, plan.recipe, device))
    return Run.open(out)


def fit(run: Run, dataset: Dataset, progress: Progress = silent, watch: Watch | None = None) -> Run:
    """Trains a started run to its end and stores the selected weights.

    Args:
        run: as `start` left it, or interrupted at any moment since.
        dataset: the run's data set, whose root may have moved.
        watch: given each epoch's row of the history; what it raises ends the training there.

    Raises:
        Interrupted: the user asked to stop; the state is saved.
        TrainingError: the loss is not finite, or a picture has vanished.
    """
    keep_freed_memory()
    recipe = run.recipe
    device, fallback = choose_device(recipe.training.device)
    if fallback:
        _tell(run, progress, fallback)
    try:
        ready = _prepared(run, dataset, device, progress)
    except KeyboardInterrupt as error:
        run.set_state("interrupted")
        message = f"stopped before the first step; go on with: eighteen train --resume {run.path}"
        raise Interrupted(message, StopRequest().exit_code) from error
    moving, position, task = ready.moving, ready.position, ready.task
    validation = Validation(task, dataset.subset("val"), run.inputs, recipe, device)
    with listening() as stop:
        around = Surroundings(
            task=task,
            loss=ready.loss,
            recipe=recipe,
            batches=ready.batches,
            mode=mode_of(recipe),
            device=device,
            validate=validation,
            validation_images=dataset.split_counts["val"],
            save=lambda position: save_state(run, position, moving),
            rescue=lambda position: rescue_best(run, position, moving),
            record=lambda row: _record(run, row, watch),
            warn=lambda message: _tell(run, progress, message),
            files=lambda batch: _files(ready.training, batch),
            stop=stop,
            progress=progress,
        )
        try:
            position = train_epochs(moving, position, around)
        except Interrupted as error:
            run.set_state("interrupted")
            done = len(run.history)
            message = f"{error} after {done} epochs; go on with: eighteen train --resume {run.path}"
            raise Interrupted(message, error.exit_code) from error
        except TrainingError as error:
            run.add_event(str(error))
            run.set_state("failed")
            raise
    if moving.mean is not None:
        _tell(run, progress, _keep_mean(moving, position, around), "note")
    if recipe.training.keep_head is True and is_put_aside(run):
        _tell(run, progress, keep_the_better(run, moving, validation.losses), "note")
    _store_weights(run, moving, position, dataset)
    drop_state(run)
    drop_start(run)
    drop_rescued(run)
    return run


@dataclass(frozen=True)
class _Ready:
    """What the loop needs before its first step."""

    training: Dataset
    task: Task
    moving: Moving
    position: Position
    loss: Loss
    batches: TrainBatches


def _prepared(run: Run, dataset: Dataset, device: torch.device, progress: Progress) -> _Ready:
    recipe = run.recipe
    training, doubts = dataset.subset("train"), ""
    if recipe.training.drop_doubtful:
        training, doubts = without_doubtful(training, recipe, progress)
    task = make(dataset.task, dataset.class_names, recipe.loss, training.class_counts("train"))
    moving = _moving(native.build(recipe, task.outputs), recipe, device)
    # Before the state, whose random numbers go on where they were: opening teachers draws some.
    loss = taught(task.loss, located(recipe, run.path), dataset.class_names, run.inputs, device)
    position, warning = load_state(run, moving)
    run.set_state("running")
    run.cut_history(position.epoch)
    if doubts and not position.total_steps:
        _tell(run, progress, doubts, "note")
    if recipe.training.head_first is True and position.total_steps == 0:
        # Repeated after an interruption before the first state: it comes out the same.
        started = start_from_head(moving, training, task, recipe, device, progress)
        _tell(run, progress, started.sentence, "note")
        if started.fitted:
            put_aside(run, moving.evaluated)
    if warning:
        _tell(run, progress, warning)
    batches = training_batches(recipe, training, task, progress)
    return _Ready(training, task, moving, position, loss, batches)


def _moving(network: nn.Module, recipe: Recipe, device: torch.device) -> Moving:
    network = network.to(device).to(memory_format=mode_of(recipe).memory_format)
    decay = recipe.training.ema_decay
    assert decay != "auto"
    average = WeightAverage(network, decay) if decay > 0 else None
    mean = EpochMean() if recipe.training.swa_from < 1 else None
    optimizer = make_optimizer(network, recipe.optimizer, joining_later=bool(recipe.training.freeze_until))
    return Moving(network, optimizer, average, mean)


def _keep_mean(moving: Moving, position: Position, around: Surroundings) -> str:
    settings = around.recipe.training
    assert settings.epochs != "auto"
    # An epoch that training has not seen: at full size, with draws of its own.
    batches = around.batches.epoch(settings.epochs)
    images = None if settings.freeze_norms is True else (each.images.to(around.device) for each in batches)
    measured = (settings.select_by, around.validation_images)
    return keep_mean(moving, position, images, around.validate, *measured)


def training_batches(recipe: Recipe, training: Dataset, task: Task, progress: Progress) -> TrainBatches:
    """The batches of a resolved recipe, over the rows of its training split."""
    inputs, settings = input_spec(recipe), recipe.training
    assert settings.workers != "auto" and settings.batch_size != "auto"
    assert settings.epochs != "auto" and settings.progressive_from != "auto"
    short_sides = training.table.select(pl.min_horizontal("width", "height")).to_series().to_numpy()
    reader = SquareReader(training, inputs, stored_side_px(inputs.size, short_sides), recipe.data.max_pixels)
    squares = Squares(reader, settings.cache_fraction, settings.workers, progress)
    return TrainBatches(
        squares,
        task.collate(training),
        training.ids,
        _augmenter(recipe),
        settings.batch_size,
        recipe.seed,
        settings.workers,
        epoch_sides_px(settings.epochs, inputs.size, settings.progressive_from, settings.side_fraction),
        _mixing(recipe),
        task.soft,
        recipe.augment.repeats,
        settings.sampling,
        in_turns=choose_device(settings.device)[0].type == "cpu",
    )


def _mixing(recipe: Recipe) -> Mixing:
    augment = recipe.augment
    return Mixing(augment.mixup_alpha, augment.cutmix_alpha, augment.mixing_probability)


def _augmenter(recipe: Recipe) -> BatchAugmenter:
    known = {field.name for field in fields(AugmentSettings)}
    values = {name: value for name, value in recipe.augment.model_dump().items() if name in known}
    return BatchAugmenter.for_inputs(AugmentSettings(**values), input_spec(recipe))


def _files(training: Dataset, batch: TrainBatch) -> str:
    ids = training.ids
    return name_some([ids[row] for row in batch.rows])


def _record(run: Run, row: Mapping[str, Any], watch: Watch | None) -> None:
    run.add_history(row)
    if watch is not None:
        watch(row)


def _tell(run: Run, progress: Progress, message: str, kind: str = "warning") -> None:
    run.add_event(message)
    progress(kind, 0, 0, message)


def _store_weights(run: Run, moving: Moving, position: Position, dataset: Dataset) -> None:
    if not all(bool(value.isfinite().all()) for value in moving.best.values()):
        run.set_state("failed")
        raise TrainingError(
            f"the trained weights hold values that are not finite, so none are stored; train again with a "
            f"lower learning rate than {run.recipe.optimizer.lr}: --set optimizer.lr=…"
        )
    best = position.best or {}
    run.save_weights(
        moving.best,
        {
            "classes": str(len(dataset.class_names)),
            "epoch": str(int(best.get("epoch", position.epoch))),
            "input_spec_sha256": run.inputs.sha256,
        },
    )
    run.set_state("trained")


def _check_space(out: Path, network: nn.Module) -> None:
    size = sum(value.numel() * value.element_size() for value in network.state_dict().values())
    needed = 2 * STATE_COPIES * size
    free = store.free_bytes(out.absolute().parent)
    if free < needed:
        raise RunError(
            f"{out.absolute().parent} has {free:,} bytes free, a run of this network needs about {needed:,}; "
            f"make room or choose another --out"
        )
