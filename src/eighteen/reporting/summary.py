"""What `--json` prints of a run: where it lies, what it counted and measured, and what it cost."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from eighteen.core.run import Run
from eighteen.reporting.decisions import decisions

if TYPE_CHECKING:
    from eighteen.evaluating.evaluate import Evaluation


def summary(run: Run, seconds: float, splits: Sequence[str] = ()) -> dict[str, Any]:
    """What `--json` prints of a run: paths, counts, measures, cost.

    Args:
        run: the run.
        seconds: what the command took.
        splits: whose measures to give; all where none is named.
    """
    details = run.details
    evaluated = {name: details[name]["counts"] for name in details if not splits or name in splits}
    return {
        "run": run.path.as_posix(),
        "report": (run.path / "report.html").as_posix(),
        "counts": {**run.counts, "evaluated": evaluated},
        "measures": {
            split: {name: measure.to_json() for name, measure in measures.items()}
            for split, measures in run.measures.items()
            if split in evaluated
        },
        "seconds": round(seconds, 2),
        "images_per_second": _images_per_second(run, seconds, evaluated if splits else {}),
        "peak_memory_mb": round(peak_memory_mb(), 1),
    }


def artifact_summary(path: Path, result: Evaluation, seconds: float) -> dict[str, Any]:
    """The same of an exported model that was evaluated; it has no report of its own.

    Args:
        path: the model.
        result: what was measured.
        seconds: what the command took.
    """
    counts = result.details["counts"]
    return {
        "run": path.as_posix(),
        "report": None,
        "counts": {"evaluated": {result.name: counts}},
        "measures": {result.name: {name: each.to_json() for name, each in result.measures.items()}},
        "seconds": round(seconds, 2),
        "images_per_second": round(counts["scored"] / seconds, 1),
        "peak_memory_mb": round(peak_memory_mb(), 1),
    }


def sentences(details: Mapping[str, Any]) -> tuple[str, ...]:
    """What a terminal says about a split beside its measures: decisions that were asked for, and a shift.

    Args:
        details: of the split.
    """
    shift = details.get("shift", {}).get("sentence", "")
    return (*decisions(details).sentences, *([shift] if shift else ()))


def _images_per_second(run: Run, seconds: float, evaluated: Mapping[str, Mapping[str, int]]) -> float | None:
    """Of training, or of an evaluation from start to end where one is named."""
    if evaluated:
        return round(sum(counts["scored"] for counts in evaluated.values()) / seconds, 1)
    history = run.history
    if not history or not history[-1]["seconds"]:
        return None
    images = run.dataset.split_counts["train"] * len(history)
    return round(float(images / history[-1]["seconds"]), 1)


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, MB."""
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset) / 1024**2
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
