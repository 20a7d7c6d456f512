"""What left the house: the exported models of a run, each with the proof that it answers like it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eighteen.core.artifact import Artifact
from eighteen.core.measures import Measure
from eighteen.core.run import Run


@dataclass(frozen=True)
class ExportRow:
    """An exported model.

    Attributes:
        name: of its folder, such as "onnx-int8".
        precision: of its network.
        size_mb: of the file that takes pictures.
        n: real files that both were asked for.
        same_answer: share of them with the same answer, 0 … 1.
        largest_difference: in a class's probability.
        accuracy: on validation, exported minus source, in points, paired; None without validation.
        time_ms: by batch size, median and 95th percentile of a call.
        memory_mb: most that a fresh process needs for the answer to one picture; None if not measured.
        note: what was done for the precision; "" where nothing was.
        uncompared: why it was not asked where it was exported, and figures are nothing; "" where it was.
    """

    name: str
    precision: str
    size_mb: float
    n: int
    same_answer: float
    largest_difference: float
    accuracy: Measure | None
    time_ms: tuple[tuple[str, float, float], ...]
    memory_mb: float | None
    note: str
    uncompared: str = ""


def export_rows(run: Run) -> tuple[ExportRow, ...]:
    """The models below `exports/` of a run, by name.

    Raises:
        RunError: a file of theirs is damaged.
    """
    folders = sorted(path.parent for path in (run.path / "exports").glob("*/parity.json"))
    return tuple(_row(Artifact.open(folder)) for folder in folders if not folder.name.startswith("."))


def _row(artifact: Artifact) -> ExportRow:
    info, parity = artifact.info, artifact.parity
    if not parity.get("compared", True):
        size_mb, reason = parity["size_bytes"] / 1e6, parity["reason"]
        name, precision = artifact.path.name, info["precision"]
        return ExportRow(name, precision, size_mb, 0, 0.0, 0.0, None, (), None, "", reason)
    memory, accuracy = parity.get("memory"), parity["accuracy_difference"]
    return ExportRow(
        artifact.path.name,
        info["precision"],
        parity["size_bytes"] / 1e6,
        parity["n"],
        parity["top1_agreement"],
        parity["max_probability_difference"],
        None if accuracy is None else Measure.from_json(accuracy, "val"),
        tuple((size, times["p50"], times["p95"]) for size, times in parity["latency_ms"].items()),
        None if memory is None else memory["peak_bytes"] / 1e6,
        done_for(info.get("facts", {})),
    )


def done_for(facts: Mapping[str, Any]) -> str:
    """What was done so that integers answer alike, in words; "" where all layers are integers as they were.

    Args:
        facts: of the artifact.
    """
    kept, steps = facts.get("kept_layers", []), facts.get("training_steps", 0)
    parts = [f"layers kept in float: {', '.join(kept)}"] if kept else []
    parts += [f"{steps} steps of training with rounded layers"] if steps else []
    number = len(facts.get("attempts", []))
    by = "half of validation" if facts.get("judged_apart") else "validation"
    parts += [f"chosen by {by}, the last of {number} attempts"] if number > 1 else []
    return "; ".join(parts)
