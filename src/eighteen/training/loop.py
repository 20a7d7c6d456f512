"""The one loop: epochs of steps, a look at validation after each, the best weights kept.

It knows a task's `loss` and `selection` and nothing more. Everything that changes lies in `Moving` and
`Position`, so that a state saved after any step goes on bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from eighteen.core.errors import Interrupted, TrainingError
from eighteen.core.progress import Progress
from eighteen.core.recipe import Recipe
from eighteen.tasks import Task
from eighteen.training.batches import TrainBatch, TrainBatches
from eighteen.training.freezing import set_training
from eighteen.training.optimizer import set_rate
from eighteen.training.precision import Mode
from eighteen.training.resume import Moving, Position
from eighteen.training.schedule import rate_factor
from eighteen.training.selection import is_better, last_is_as_good
from eighteen.training.sharpness import climbed
from eighteen.training.stopping import StopRequest
from eighteen.training.swa import first_epoch
from eighteen.training.teaching import Loss

DIVERGED = 3.0
"""An epoch whose mean training loss is above this many times the loss of the first step has diverged. The
first step is computed before any update, so a rate far too high cannot spoil what it is judged against."""


@dataclass(frozen=True)
class Surroundings:
    """What the loop works with and does not change.

    Attributes:
        loss: the task's, or with teachers a mixture of theirs and it.
        validate: selection measures of a network on the validation split; {} where there is none.
        validation_images: how many pictures that split has.
        save: writes the state of a position.
        rescue: keeps the best weights so far of a training that cannot go on; says how to begin from them.
        record: writes one row of the history.
        warn: tells the user, and the run, something that happened on the way.
        files: names the files of a batch's rows.
    """

    task: Task
    loss: Loss
    recipe: Recipe
    batches: TrainBatches
    mode: Mode
    device: torch.device
    validate: Callable[[nn.Module], Mapping[str, float]]
    validation_images: int
    save: Callable[[Position], None]
    rescue: Callable[[Position], str]
    record: Callable[[Mapping[str, Any]], None]
    warn: Callable[[str], None]
    files: Callable[[TrainBatch], str]
    stop: StopRequest
    progress: Progress


def train_epochs(moving: Moving, position: Position, around: Surroundings) -> Position:
    """Trains from a position to the end.

    Raises:
        Interrupted: the user asked to stop; the state is saved.
        TrainingError: the loss is not finite, of a batch, whose files are named, or of validation.
    """
    epochs = around.recipe.training.epochs
    assert epochs != "auto"
    clock = _Clock(position.seconds, around.recipe.training.checkpoint_minutes)
    for epoch in range(position.epoch, epochs):
        if position.step == 0 and _out_of_time(position, around):
            break
        set_training(moving.network, around.recipe.training, epoch)
        for batch in around.batches.epoch(epoch, start=position.step):
            position = _step(moving, position, batch, around)
            _show(around, position, epochs)
            if around.stop.requested or clock.is_due():
                position = position.moved(seconds=clock.seconds)
                around.save(position)
            _heed(around.stop)
        position = _end_epoch(moving, position, around, clock)
        if around.stop.requested:
            around.save(position)
        _heed(around.stop)
    return _settled(moving, position, around)


def _heed(stop: StopRequest) -> None:
    if stop.requested:
        raise Interrupted("stopped; the state is saved", stop.exit_code)


def _step(moving: Moving, position: Position, batch: TrainBatch, around: Surroundings) -> Position:
    rate = _rate(position.total_steps, around)
    set_rate(moving.optimizer, rate)
    value = _compute_gradients(moving, batch, around)
    if not math.isfinite(value):
        raise TrainingError(_not_finite(position, rate, around, around.files(batch)))
    if around.recipe.optimizer.sam_rho > 0:
        with climbed(moving.network, around.recipe.optimizer.sam_rho):
            _compute_gradients(moving, batch, around)
    clip_norm = around.recipe.training.clip_norm
    if clip_norm > 0:
        nn.utils.clip_grad_norm_(moving.network.parameters(), clip_norm)
    moving.optimizer.step()
    if moving.average is not None:
        moving.average.update(position.total_steps)
    return _counted(position, value, len(batch.rows))


def _compute_gradients(moving: Moving, batch: TrainBatch, around: Surroundings) -> float:
    """Gives the network the gradients of a batch; returns its loss."""
    images = batch.images.to(around.device, memory_format=around.mode.memory_format)
    with around.mode.computing(around.device):
        loss = around.loss(moving.network, images, batch.targets.to(around.device))
    moving.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    return loss.item()


def _counted(position: Position, loss: float, images: int) -> Position:
    return position.moved(
        step=position.step + 1,
        total_steps=position.total_steps + 1,
        loss_sum=position.loss_sum + loss * images,
        images=position.images + images,
        first_loss=loss if position.first_loss is None else position.first_loss,
    )


def _end_epoch(moving: Moving, position: Position, around: Surroundings, clock: _Clock) -> Position:
    loss = position.loss_sum / position.images
    number = position.epoch + 1
    if position.first_loss is not None and loss > DIVERGED * position.first_loss:
        around.warn(_diverged(number, loss, position.first_loss, _peak(around)))
    if moving.mean is not None and position.epoch >= _first_averaged(around):
        moving.mean.take(moving.network)
    measures = around.validate(moving.evaluated)
    if not math.isfinite(measures.get("nll", 0.0)):
        raise TrainingError(_not_finite_on_validation(number, around, position))
    best, last = position.best, {**measures, "epoch": float(number)}
    if is_better(measures, best, around.recipe.training.select_by):
        best = last
        moving.best = _copied(moving.evaluated)
    row = {"epoch": number, "train_loss": loss, "lr": _rate(position.total_steps - 1, around)}
    around.record({**row, "seconds": round(clock.seconds, 3), **{f"val_{k}": v for k, v in measures.items()}})
    return position.moved(
        epoch=number, step=0, loss_sum=0.0, images=0, best=best, last=last, seconds=clock.seconds
    )


def _settled(moving: Moving, position: Position, around: Surroundings) -> Position:
    """Keeps the last epoch's weights where the best ones are not clearly better."""
    last, best, select_by = position.last, position.best, around.recipe.training.select_by
    if not last or not best or last["epoch"] == best["epoch"] or select_by == "last":
        return position
    if not last_is_as_good(last, best, select_by, around.validation_images):
        return position
    moving.best = _copied(moving.evaluated)
    return position.moved(best=last)


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone().contiguous() for name, value in network.state_dict().items()}


def _rate(step: int, around: Surroundings) -> float:
    """The learning rate; once weights are averaged by epochs, it stays."""
    epochs = around.recipe.training.epochs
    assert epochs != "auto"
    step = min(step, _first_averaged(around) * len(around.batches))
    return _peak(around) * rate_factor(step, epochs * len(around.batches), around.recipe.schedule)


def _first_averaged(around: Surroundings) -> int:
    training = around.recipe.training
    assert training.epochs != "auto"
    return first_epoch(training.epochs, training.swa_from)


def _peak(around: Surroundings) -> float:
    rate = around.recipe.optimizer.lr
    assert rate != "auto"
    return rate


def _show(around: Surroundings, position: Position, epochs: int) -> None:
    steps = len(around.batches)
    loss = position.loss_sum / position.images
    note = f"epoch {position.epoch + 1}/{epochs}, loss {loss:.3f}"
    if position.best is not None and around.task.headline in position.best:
        note += f", best val {around.task.headline} {position.best[around.task.headline]:.3f}"
    around.progress("train", position.epoch * steps + position.step, epochs * steps, note)


def _out_of_time(position: Position, around: Surroundings) -> bool:
    """Whether another epoch would end after the time budget."""
    training = around.recipe.training
    assert training.epochs != "auto"
    if training.budget_minutes is None or position.epoch in (0, training.epochs):
        return False
    left_s = training.budget_minutes * 60 - position.seconds
    if left_s > position.seconds / position.epoch:
        return False
    around.warn(
        f"stopped after epoch {position.epoch} of {training.epochs}: another one would end after the "
        f"{training.budget_minutes:g} minutes of the budget"
    )
    return True


def _not_finite(position: Position, rate: float, around: Surroundings, files: str) -> str:
    peak = _peak(around)
    precision = ", or --set training.precision=fp32" if around.mode.bf16 else ""
    return (
        f"the loss is not finite in epoch {position.epoch + 1}, step {position.step + 1}, at learning rate "
        f"{rate:g} (peak {peak:g}). Pictures of that batch: {files}. Resuming comes to the same step again: "
        f"train anew with --set optimizer.lr={peak / 10:.2g}{precision}. {around.rescue(position)}"
    )


def _not_finite_on_validation(epoch: int, around: Surroundings, position: Position) -> str:
    peak = _peak(around)
    return (
        f"the loss on validation is not finite after epoch {epoch}, at a peak learning rate of {peak:g}. "
        f"Resuming comes to the same point again: train anew with --set optimizer.lr={peak / 10:.2g}. "
        f"{around.rescue(position)}"
    )


def _diverged(epoch: int, loss: float, first: float, peak: float) -> str:
    return (
        f"training diverges: mean loss {loss:.3g} in epoch {epoch}, {first:.3g} at the start, peak learning "
        f"rate {peak:g}; try --set optimizer.lr={peak / 10:.2g}"
    )


class _Clock:
    """Seconds of training over all resumes, and when the next state is due."""

    def __init__(self, seconds_before: float, checkpoint_minutes: float) -> None:
        self._start = time.perf_counter() - seconds_before
        self._every_s = checkpoint_minutes * 60
        self._last = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start

    def is_due(self) -> bool:
        if time.perf_counter() - self._last < self._every_s:
            return False
        self._last = time.perf_counter()
        return True
