"""How training went, ready to be drawn: one panel a quantity, one point an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eighteen.core import store
from eighteen.core.run import Run


@dataclass(frozen=True)
class Series:
    """A named line; None where an epoch has no value."""

    label: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Panel:
    """Lines over the epochs.

    Attributes:
        title: what is shown.
        series: at least one.
        percent: whether values are fractions to be written in percent, on an axis that ends at 100 %.
    """

    title: str
    series: tuple[Series, ...]
    percent: bool = False


@dataclass(frozen=True)
class Training:
    """What the history of a run says.

    Attributes:
        epochs: numbers of the finished epochs.
        planned: epochs that the recipe asks for.
        panels: only those that have values.
        chosen: epoch whose weights were kept; 0 while none are stored.
        select_by: measure that picked it.
        seconds: training time up to the last finished epoch.
        smoothing: label smoothing, which raises the training loss but not the validation loss.
        averaged: whether the averaged weights are the ones that were validated.
    """

    epochs: tuple[int, ...]
    planned: int
    panels: tuple[Panel, ...]
    chosen: int
    select_by: str
    seconds: float
    smoothing: float
    averaged: bool


def training(run: Run) -> Training:
    """Reads a run's history."""
    rows, recipe = run.history, run.recipe
    planned, decay = recipe.training.epochs, recipe.training.ema_decay
    return Training(
        epochs=tuple(int(row["epoch"]) for row in rows),
        planned=planned if isinstance(planned, int) else 0,
        panels=_panels(rows),
        chosen=_chosen_epoch(run),
        select_by=recipe.training.select_by if any("val_nll" in row for row in rows) else "last",
        seconds=float(rows[-1].get("seconds", 0.0)) if rows else 0.0,
        smoothing=recipe.loss.label_smoothing,
        averaged=decay != "auto" and decay > 0,
    )


def _panels(rows: Sequence[Mapping[str, Any]]) -> tuple[Panel, ...]:
    loss = _series(rows, {"train_loss": "training", "val_nll": "validation"})
    share = _series(rows, {"val_accuracy": "accuracy", "val_balanced_accuracy": "balanced accuracy"})
    rate = _series(rows, {"lr": "learning rate"})
    panels = (
        Panel("Loss", loss),
        Panel("Validation", _distinct(share), percent=True),
        Panel("Learning rate", rate),
    )
    return tuple(panel for panel in panels if panel.series)


def _series(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> tuple[Series, ...]:
    made = (Series(label, tuple(row.get(name) for row in rows)) for name, label in names.items())
    return tuple(series for series in made if any(value is not None for value in series.values))


def _distinct(series: tuple[Series, ...]) -> tuple[Series, ...]:
    """Without a line that would lie under another one, as balanced accuracy does where classes are even."""
    kept: list[Series] = []
    for candidate in series:
        if not any(_alike(candidate, other) for other in kept):
            kept.append(candidate)
    return tuple(kept)


def _alike(one: Series, other: Series) -> bool:
    pairs = zip(one.values, other.values, strict=True)
    return all(a is None or b is None or abs(a - b) < 1e-3 for a, b in pairs)


def _chosen_epoch(run: Run) -> int:
    """The epoch that training wrote into the metadata of the weights."""
    if not run.weights_path.is_file():
        return 0
    return int(store.read_tensor_notes(run.weights_path).get("epoch", 0))
