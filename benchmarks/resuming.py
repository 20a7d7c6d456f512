"""What benchmarks share that train by the command line, keep what they find, and go on where they stopped.

A training that was killed leaves a run that resumes, so the same command either begins it or goes on with it.
Results stay beside the runs and are not made again: a folder of them belongs to the arguments that it was
begun with.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eighteen import Run


def check_arguments(record: Path, arguments: Mapping[str, Any]) -> None:
    """Writes beside results what they are made with; where there is no record yet, they are taken as new.

    Raises:
        SystemExit: they were made with other arguments, which are named.
    """
    given = json.loads(json.dumps(arguments, default=str))
    if not record.exists():
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(given, indent=1, sort_keys=True), encoding="utf-8")
        return
    known = json.loads(record.read_text(encoding="utf-8"))
    changed = [name for name in sorted({*known, *given}) if known.get(name) != given.get(name)]
    if changed:
        told = "; ".join(f"{name} was {known.get(name)} and is {given.get(name)}" for name in changed)
        raise SystemExit(f"{record} tells of results with other arguments ({told}); give another --out")


def train_command(path: Path, options: Sequence[str]) -> list[str]:
    """The command that makes a run with these options, or goes on with it where it was begun."""
    how = ["--resume", str(path)] if path.exists() else [*options, "--out", str(path)]
    return [sys.executable, "-m", "eighteen", "train", *how]


def is_complete(path: Path) -> bool:
    return path.exists() and bool(Run.open(path).info["state"] == "complete")


def spent_s(path: Path) -> float:
    """Seconds that a run has taken so far and that going on does not take again; 0 where there is none.

    Its finished stages, and training up to its saved state. What is not in it: the start of each process.
    """
    if not path.exists():
        return 0.0
    run = Run.open(path)
    stages = {stage["name"]: stage["seconds"] for stage in run.info["stages"]}
    state, history = run.resume_folder / "state.json", run.history
    if state.exists():
        saved = json.loads(state.read_text(encoding="utf-8"))["states"][0]["position"]["seconds"]
    else:
        saved = history[-1]["seconds"] if history else 0.0
    # The stage is what the last process took, the history counts over all of them but knows steps alone.
    trained = max(stages.pop("train", 0.0), saved)
    return float(sum(stages.values()) + trained)
