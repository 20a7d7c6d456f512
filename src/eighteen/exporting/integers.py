"""The way to integers that keeps accuracy.

First all layers become integers. Where accuracy on validation falls by more than half a point, the layers
that suffer most stay in float: one, then two, four and so on, up to half of them. Where that is not enough, a
short training teaches the network to bear integers. What still falls short is refused, with all figures.
After that the calibration is fitted again: integers change how sure a network is.

Every attempt is written, opened in its own runtime and asked for the validation pictures, as pictures and as
tensors, since a value that is rounded otherwise can turn an answer: the worse of the two entries counts. So
what is judged is what would be shipped. All pictures judge the first attempt, which nothing was chosen for.
The others are chosen by one half where validation is large enough (`halves`), so that the other half can tell
how the chosen one does, unselected. The calibration that is fitted again changes no layer; where pictures are
too few to calibrate on, the run's own stays.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import nn

from eighteen.core import store
from eighteen.core.artifact import Exportable
from eighteen.core.calibration import Calibration
from eighteen.core.dataset import Dataset
from eighteen.core.errors import CannotKeepError, GateError
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.core.progress import Progress
from eighteen.evaluating.finishing import LEAST_FOR_CALIBRATION, fit_calibration
from eighteen.exporting.aware_training import STEPS
from eighteen.exporting.fake_quantising import layers_of
from eighteen.exporting.sensitivity import noise_shares
from eighteen.inference.predictor import Predictor
from eighteen.measuring.paired import compare

ALLOWED_FALL = 0.005
"""Of accuracy on the validation pictures that judge."""

MOST_KEPT = 0.5
"""Share of the layers that may stay in float: with more, another precision is the better choice."""

_JUDGED = 32
"""Training pictures by which layers are ranked."""

Trainer = Callable[[nn.Module, torch.Tensor, tuple[str, ...], Progress], nn.Module]
"""A network, normalised pictures and the layers that stay in float, to a network that bears integers."""


@dataclass(frozen=True)
class Held:
    """What attempts are judged by.

    Attributes:
        validation: pictures that no layer was fitted on.
        known: what the source says about them.
        max_pixels: pictures above it are unreadable.
        balanced: whether training made rare classes count for more, which the calibration must not undo.
        choosing: ids of the validation pictures that choose where the first attempt falls short; None: all.
    """

    validation: Dataset
    known: Predictions
    max_pixels: int | None
    balanced: bool = False
    choosing: frozenset[str] | None = None

    @property
    def half(self) -> Held:
        """With the pictures alone that choose."""
        if self.choosing is None:
            return self
        table = self.validation.table.filter(pl.col("id").is_in(list(self.choosing)))
        rows = self.known.rows["id"].is_in(list(self.choosing)).to_numpy()
        return replace(self, validation=self.validation.with_table(table), known=self.known.where(rows))


@dataclass(frozen=True)
class Attempt:
    """One way to integers.

    Attributes:
        model: with its network and the layers that stay in float.
        answers: about validation, without calibration: through the entry for pictures, then, where that had
            not said enough, through the one for tensors.
        steps: of training with rounded layers.
        difference: of accuracy on validation, integers minus source, paired, through the entry that falls
            further; None where answers are NaN, or infinity.
    """

    model: Exportable
    answers: tuple[Predictions, ...]
    steps: int
    difference: Measure | None

    @property
    def said(self) -> Predictions:
        return self.answers[0]

    @property
    def fall(self) -> float:
        return float("inf") if self.difference is None else _fall(self.difference)

    @property
    def sentence(self) -> str:
        each, kept = self.difference, len(self.model.kept)
        how = f"{kept} of {len(layers_of(self.model.network))} layers in float" if kept else "all layers"
        trained = f", after {self.steps} steps of training" if self.steps else ""
        if each is None:
            bad = max(map(_not_finite, self.answers))
            return f"{how}{trained}: NaN or infinity about {bad} of {len(self.said)} pictures"
        return f"{how}{trained}: {each.value:+.4f} ({each.low:+.4f} to {each.high:+.4f}, n = {each.n})"

    @property
    def facts(self) -> dict[str, Any]:
        return {"kept_layers": list(self.model.kept), "training_steps": self.steps}


def to_integers(
    writer: ModuleType,
    model: Exportable,
    held: Held,
    train: Trainer,
    scratch: Path,
    progress: Progress,
) -> tuple[Exportable, dict[str, Any]]:
    """The model as it is to be written in integers, and what was done for it.

    Args:
        writer: module of the format.
        model: of the run.
        held: validation pictures.
        train: the last resort.
        scratch: empty folder, kept until the model is written.
        progress: told how far it is.

    Raises:
        GateError: accuracy falls too far whatever is tried; with all attempts.
    """
    tried: list[Attempt] = []
    for attempt in _attempts(writer, model, held, train, scratch, progress):
        tried.append(attempt)
        progress("note", 0, 0, f"integers, {attempt.sentence}")
        if attempt.fall <= ALLOWED_FALL:
            break
    else:
        figures = "; ".join(each.sentence for each in tried)
        raise GateError(
            f"in integers accuracy on validation falls by more than {ALLOWED_FALL:g}, so nothing was "
            f"written. {figures}. Take a higher precision: --precision fp16"
        )
    facts = {**attempt.facts, "attempts": [each.sentence for each in tried]}
    bends = not getattr(writer, "INTEGERS_THROUGHOUT", False)
    if len(attempt.said) < LEAST_FOR_CALIBRATION:
        own = attempt.model.calibration
        return replace(attempt.model, calibration=own if bends else own.straight), facts
    calibration = fit_calibration(held.validation, attempt.said, held.balanced, bends)
    return replace(attempt.model, calibration=calibration), facts


def _attempts(
    writer: ModuleType, model: Exportable, held: Held, train: Trainer, scratch: Path, progress: Progress
) -> Iterator[Attempt]:
    """Every attempt, the cheapest first."""
    model = replace(model, scratch=_made(scratch / "trained"))
    first = _attempt(writer, model, held, 0)
    yield first
    held = held.half
    best = _judged(first.model, first.answers, held, 0)
    tensor = torch.from_numpy(model.inputs.normalised(model.samples()))
    for kept in _choices(writer, model, tensor):
        try:
            found = _attempt(writer, replace(model, kept=kept), held, 0)
        except CannotKeepError as cannot:
            progress("note", 0, 0, f"integers, {len(kept)} layers in float: {cannot}")
            continue
        yield found
        best = min(best, found, key=lambda each: each.fall)
    network = train(model.network, tensor, best.model.kept, progress)
    again = replace(best.model, network=network, scratch=_made(scratch / "trained-further"))
    yield _attempt(writer, again, held, STEPS)


def _made(folder: Path) -> Path:
    store.make_folder(folder)
    return folder


def _choices(writer: ModuleType, model: Exportable, tensor: torch.Tensor) -> Iterator[tuple[str, ...]]:
    """Layers to keep: the worst one, the worst two, four … up to `MOST_KEPT`."""
    if not getattr(writer, "KEEPS_LAYERS", False):
        return
    ranked = list(noise_shares(model.network, tensor[:_JUDGED]))
    number = 1
    while number <= len(ranked) * MOST_KEPT:
        yield tuple(ranked[:number])
        number *= 2


def _attempt(writer: ModuleType, model: Exportable, held: Held, steps: int) -> Attempt:
    bare = replace(model, calibration=Calibration())
    with tempfile.TemporaryDirectory(prefix="eighteen-integers-") as name:
        files = writer.write(bare, Path(name), "int8")
        opened = writer.open_files(Path(name) / files.model, Path(name) / files.bare)
        # One that answers infinity is seen as such afterwards; NumPy need not say so too.
        with np.errstate(invalid="ignore", over="ignore"):
            said = Predictor.of(opened, held.max_pixels).score(held.validation)
            pictures = _judged(model, (said,), held, steps)
            if pictures.fall > ALLOWED_FALL:
                return pictures
            by_tensor = Predictor.of(opened, held.max_pixels, by_tensor=True).score(held.validation)
    worse = max(pictures, _judged(model, (by_tensor,), held, steps), key=lambda each: each.fall)
    return replace(worse, answers=(said, by_tensor))


def _judged(model: Exportable, answers: tuple[Predictions, ...], held: Held, steps: int) -> Attempt:
    """By the pictures that are held, of those that were asked about."""
    if any(map(_not_finite, answers)):
        return Attempt(model, answers, steps, None)
    differences = [
        compare(held.known, each.calibrated(model.calibration), split="val").difference for each in answers
    ]
    return Attempt(model, answers, steps, max(differences, key=_fall))


def _fall(difference: Measure) -> float:
    assert difference.value is not None
    return -difference.value


def _not_finite(said: Predictions) -> int:
    """Pictures that are answered with NaN, or infinity."""
    return int((~np.isfinite(said.logits)).any(axis=1).sum())
