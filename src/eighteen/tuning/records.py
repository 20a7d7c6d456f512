"""What is remembered of a trial, and which of them are the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


@dataclass(frozen=True)
class Record:
    """A trial as the storage remembers it.

    Attributes:
        state: complete, pruned, failed, running or waiting.
        value: what it is worth; of a pruned one, what it was worth at its last step.
        steps: value at each step.
        seconds: that it took; of a failed one too.
        error: why it failed.
        notes: sentences about what happened on the way.
        batch: pictures a step that memory sufficed for, where it did not for those of the recipe.
    """

    number: int
    name: str
    state: str
    value: float | None
    point: dict[str, Any]
    steps: dict[int, float]
    seconds: float | None
    error: str
    notes: tuple[str, ...]
    is_default: bool
    batch: int | None = None


def record_of(trial: FrozenTrial) -> Record:
    """What a storage holds of a trial."""
    attributes = trial.user_attrs
    steps = {int(step): float(value) for step, value in sorted(trial.intermediate_values.items())}
    last = list(steps.values())[-1] if steps else None
    value = trial.value if trial.state == TrialState.COMPLETE else last
    return Record(
        number=trial.number,
        name=attributes.get("name", f"trial-{trial.number:04d}"),
        state=_STATES[trial.state],
        value=value,
        point=dict(trial.params),
        steps=steps,
        seconds=attributes.get("seconds"),
        error=attributes.get("error", ""),
        notes=tuple(attributes.get("notes", ())),
        is_default=bool(attributes.get("default", False)),
        batch=attributes.get("batch"),
    )


def ranked(rows: Sequence[Record], maximise: bool) -> list[Record]:
    """The complete trials, best first; of equal ones the earlier."""
    whole = [row for row in rows if row.state == "complete" and row.value is not None]
    return sorted(
        whole, key=lambda row: (-(row.value or 0.0) if maximise else (row.value or 0.0), row.number)
    )
