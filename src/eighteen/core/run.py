"""A run: a folder that holds everything about one trained model, and the handle on it.

The folder's layout is version 1 of the house plan (see docs/architecture.md). `Run.create` makes it,
`Run.open` opens it, and every write goes through `store`, so that a crash never leaves half a file.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

import polars as pl

from eighteen.core import store, stored
from eighteen.core.calibration import Calibration
from eighteen.core.config import recipe_from_json
from eighteen.core.dataset import Dataset
from eighteen.core.errors import RunError
from eighteen.core.findings import Finding
from eighteen.core.inputs import InputSpec
from eighteen.core.measures import Measure
from eighteen.core.migrations import FORMAT, VERSION, upgraded
from eighteen.core.recipe import Recipe
from eighteen.core.scored import Scored

PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow", "polars", "safetensors", "scikit-learn")

Measures = Mapping[str, Mapping[str, Measure]]
"""Measures by split and name."""


@dataclass(frozen=True)
class Run(Scored):
    """A handle on a run folder; it holds no state of its own."""

    # Making and opening

    @classmethod
    @contextmanager
    def creating(cls, path: str | Path, task: str) -> Iterator[Self]:
        """Makes a new run folder in state `running`; inside the block it is filled under another name, and
        appears under its own, whole, at the end.

        Raises:
            RunError: something of that name exists; it is never overwritten.
        """
        require_absent(Path(path))
        with store.new_folder(Path(path)) as staging:
            yield cls._begun(staging, task)

    @classmethod
    def _begun(cls, path: Path, task: str) -> Self:
        run = cls(path)
        store.write_json(
            run.path / "run.json",
            {
                "format": FORMAT,
                "version": VERSION,
                "package_version": package_version(),
                "task": task,
                "state": "running",
                "stages": [],
                "events": [],
                "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            },
        )
        return run

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Opens a run folder.

        Raises:
            RunError: there is none, it is damaged, or a newer version wrote it.
        """
        run = cls(Path(path))
        if not (run.path / "run.json").exists():
            there = "there is no such folder" if not run.path.exists() else "it holds no run.json"
            raise RunError(f"{run.path} is no run folder of eighteen: {there}")
        upgraded(store.read_json(run.path / "run.json"), run.path)
        return run

    # What is in it

    @property
    def info(self) -> dict[str, Any]:
        """`run.json`: format, version, package version, task, state, stages with seconds, events."""
        return upgraded(store.read_json(self.path / "run.json"), self.path)

    @property
    def recipe(self) -> Recipe:
        return recipe_from_json(store.read_object(self.path / "recipe.json", "recipe")["recipe"])

    @property
    def reasons(self) -> dict[str, str]:
        """Why the program chose what it chose, by setting."""
        return dict(store.read_object(self.path / "recipe.json", "reasons")["reasons"])

    @property
    def inputs(self) -> InputSpec:
        path = self.path / "inputs.json"
        return InputSpec.from_json(store.read_object(path), str(path))

    @property
    def calibration(self) -> Calibration:
        """What is done to the network's logits; nothing in runs that were made without."""
        path = self.path / "calibration.json"
        if not path.exists():
            return Calibration()
        found = Calibration.from_json(store.read_object(path))
        if found.scale and len(found.scale) != len(self.class_names):
            raise RunError(
                f"{path} is for {len(found.scale)} classes, and the run has {len(self.class_names)}; put "
                f"its own file back, or train the run again"
            )
        return found

    @property
    def is_calibrated(self) -> bool:
        """Whether calibrating has been tried; its outcome may be to change nothing."""
        return (self.path / "calibration.json").exists()

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(store.read_object(self.path / "dataset.json", "class_names")["class_names"])

    @property
    def dataset(self) -> Dataset:
        """The data set as it was trained on, with splits; its root is where it lay then."""
        return stored.read_dataset(self.path)

    @property
    def counts(self) -> dict[str, Any]:
        return dict(store.read_object(self.path / "dataset.json", "counts")["counts"])

    @property
    def findings(self) -> tuple[Finding, ...]:
        path = self.path / "audit.json"
        try:
            return tuple(map(Finding.from_json, store.read_json(path)))
        except (KeyError, TypeError) as error:
            raise RunError(f"{path} is damaged (no list of findings); restore it") from error

    @property
    def environment(self) -> dict[str, Any]:
        return store.read_object(self.path / "environment.json")

    @property
    def history(self) -> list[dict[str, Any]]:
        """One row an epoch.

        Raises:
            RunError: a row does not name its epoch.
        """
        rows = store.read_lines(self.path / "history.jsonl")
        if not all(isinstance(row.get("epoch"), int) for row in rows):
            raise RunError(f"{self.path}/history.jsonl is damaged (a row without epoch); restore it")
        return rows

    @property
    def weights_path(self) -> Path:
        return self.path / "weights.safetensors"

    @property
    def resume_folder(self) -> Path:
        return self.path / "resume"

    # Writing

    def set_state(self, state: str) -> None:
        """One of running, interrupted, trained, complete, failed."""
        store.write_json(self.path / "run.json", {**self.info, "state": state})

    def add_event(self, message: str) -> None:
        """Something worth knowing that happened on the way."""
        info = self.info
        info["events"] = [*info["events"], message]
        store.write_json(self.path / "run.json", info)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage and writes it into `run.json`, also where it is stopped: it took that long."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add_stage(name, time.perf_counter() - start)

    def add_stage(self, name: str, seconds: float) -> None:
        """Writes down what a stage took."""
        info = self.info
        info["stages"] = [*info["stages"], {"name": name, "seconds": round(seconds, 3)}]
        store.write_json(self.path / "run.json", info)

    def save_recipe(self, recipe: Recipe, reasons: Mapping[str, str]) -> None:
        store.write_json(self.path / "recipe.json", {"recipe": recipe.to_json(), "reasons": dict(reasons)})

    def save_environment(self, facts: Mapping[str, Any]) -> None:
        """Interpreter, packages and machine, and whatever facts the caller adds (device, threads, seeds)."""
        store.write_json(self.path / "environment.json", {**environment(), **facts})

    def save_dataset(self, dataset: Dataset) -> None:
        stored.write_dataset(self.path, dataset)

    def save_findings(self, findings: Iterable[Finding]) -> None:
        store.write_json(self.path / "audit.json", [finding.to_json() for finding in findings])

    def save_review(self, rows: pl.DataFrame) -> Path:
        """Pictures with contradictory labels, for a person to decide."""
        path = self.path / "review.csv"
        store.write_text(path, rows.write_csv())
        return path

    def save_calibration(self, calibration: Calibration) -> None:
        store.write_json(self.path / "calibration.json", calibration.to_json())

    def save_inputs(self, inputs: InputSpec) -> None:
        store.write_json(self.path / "inputs.json", inputs.to_json())

    def save_weights(self, tensors: Mapping[str, Any], metadata: Mapping[str, str]) -> str:
        return store.write_tensors(self.weights_path, tensors, metadata)

    def drop_weights(self, why: str) -> None:
        """Removes what takes room, and says so; what was measured stays."""
        folder = self.resume_folder
        for path in [self.weights_path, *(folder.iterdir() if folder.exists() else ())]:
            if path.exists():
                store.remove(path)
        self.add_event(f"the weights were removed: {why}")

    def add_history(self, row: Mapping[str, Any]) -> None:
        store.append_line(self.path / "history.jsonl", row)

    def cut_history(self, epochs: int) -> None:
        """Keeps the first rows only: what resuming takes back. A last line cut by a crash goes too, so that
        the next row does not continue it."""
        store.write_lines(self.path / "history.jsonl", self.history[:epochs])

    def save_text(self, name: str, content: str) -> Path:
        """Writes a page such as report.html or README.md."""
        store.write_text(self.path / name, content)
        return self.path / name


def package_version() -> str:
    """Version of this package; "0" in a source tree that is not installed."""
    try:
        return version("eighteen")
    except PackageNotFoundError:
        return "0"


def environment() -> dict[str, Any]:
    """What this program runs on."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
        "eighteen": package_version(),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def require_absent(path: Path, option: str = "--out") -> None:
    """Refuses an output that exists, or that cannot be made, before any work is done.

    Args:
        path: of the output.
        option: what named it.

    Raises:
        RunError: naming the path and what to do; also for a name that no file of a run could hold.
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise RunError(f"{str(path)!a}: the name is not valid UTF-8; choose another {option}") from error
    if os.path.lexists(path):
        is_run = (path / "run.json").is_file()
        go_on = f", or go on with it: --resume {path}" if is_run else ""
        raise RunError(f"{path} exists already and is never overwritten; choose another {option}{go_on}")
    above = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
    if not above.is_dir():
        raise RunError(f"{path} cannot be made: {above} is no folder; choose another {option}")
