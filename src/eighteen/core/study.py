"""A study: a folder of many runs that answer one question together, and the handle on it.

`study.json` says what was asked and how far it is, `dataset.parquet` holds the pictures, `runs/` a run folder
for each training, and at the end `predictions.parquet` what all of them said about pictures that they had not
seen (columns `fold` and `seed` tell them apart) and `measures.json`, `comparison.json` or `result.json` the
answer. A study that was interrupted goes on: finished runs are not made again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from eighteen.core import store, stored
from eighteen.core.dataset import Dataset
from eighteen.core.errors import Interrupted, RunError
from eighteen.core.locking import alone_in
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.core.run import Run, package_version, require_absent

FORMAT = "eighteen-study"
VERSION = 1


@dataclass(frozen=True)
class Study:
    """A handle on a study's folder; it holds no state of its own."""

    path: Path

    @classmethod
    @contextmanager
    def creating(cls, path: str | Path, kind: str, asked: Mapping[str, Any]) -> Iterator[Self]:
        """Makes a new study; it appears under its name, whole, at the end of the block.

        Args:
            path: must not exist.
            kind: the command that makes it: "crossval", "compare", "clean", "tune", "climb".
            asked: everything that resuming needs to know.

        Raises:
            RunError: something of that name exists.
        """
        require_absent(Path(path))
        with store.new_folder(Path(path)) as staging:
            study = cls(staging)
            study._write(
                {
                    "format": FORMAT,
                    "version": VERSION,
                    "package_version": package_version(),
                    "kind": kind,
                    "state": "running",
                    "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                    "asked": dict(asked),
                }
            )
            yield study

    @classmethod
    def open(cls, path: str | Path, kind: str | None = None) -> Self:
        """Opens a study.

        Raises:
            RunError: there is none, a newer version wrote it, or it is of another kind.
        """
        study = cls(Path(path))
        if not (study.path / "study.json").exists():
            there = "there is no such folder" if not study.path.exists() else "it holds no study.json"
            raise RunError(f"{study.path} is no study of eighteen: {there}")
        info = study.info
        if info["version"] > VERSION:
            raise RunError(
                f"{study.path} was written by a newer eighteen (study version {info['version']}, this one "
                f"knows {VERSION}); update eighteen to open it"
            )
        if kind is not None and info["kind"] != kind:
            raise RunError(f"{study.path} was made by eighteen {info['kind']}; go on with that command")
        return study

    @property
    def info(self) -> dict[str, Any]:
        """`study.json`: format, version, kind, state, what was asked."""
        return store.read_object(self.path / "study.json", "format", "version", "kind", "state", "asked")

    @property
    def asked(self) -> dict[str, Any]:
        return dict(self.info["asked"])

    @property
    def dataset(self) -> Dataset:
        return stored.read_dataset(self.path)

    def run_path(self, name: str) -> Path:
        """Where the run of that name lies or will lie."""
        return self.path / "runs" / name

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs that were begun, by name; a folder that a killed process was making begins with a dot."""
        folder = self.path / "runs"
        return tuple(Run.open(path.parent) for path in sorted(folder.glob("[!.]*/run.json")))

    @property
    def predictions(self) -> Predictions:
        return stored.read_predictions(self.path, "predictions")

    @property
    def measures(self) -> dict[str, Measure]:
        rows = store.read_object(self.path / "measures.json", "measures")["measures"]
        return {name: Measure.from_json(row, "out of fold") for name, row in rows.items()}

    @property
    def details(self) -> dict[str, Any]:
        return dict(store.read_object(self.path / "measures.json", "details")["details"])

    @property
    def comparison(self) -> dict[str, Any]:
        return store.read_object(self.path / "comparison.json", "verdict")

    @property
    def result(self) -> dict[str, Any]:
        """What a search or a climb came to."""
        return store.read_object(self.path / "result.json", "default", "best")

    def set_state(self, state: str) -> None:
        """One of running, interrupted, complete."""
        self._write({**self.info, "state": state})

    @contextmanager
    def working(self) -> Iterator[None]:
        """The block in which the study is made: by one process at a time, and marked where it is stopped.

        Raises:
            RunError: another process is at work on it.
            Interrupted: the user stopped it; the message says how to go on.
        """
        with alone_in(self.path):
            try:
                yield
            except (Interrupted, KeyboardInterrupt) as error:
                self.set_state("interrupted")
                code = error.exit_code if isinstance(error, Interrupted) else 130
                again = f"stopped; go on with: eighteen {self.info['kind']} --resume {self.path}"
                raise Interrupted(again, code) from error

    def save_dataset(self, dataset: Dataset) -> None:
        stored.write_dataset(self.path, dataset)

    def save_predictions(self, predictions: Predictions) -> Path:
        stored.write_predictions(self.path, "predictions", predictions)
        return self.path / "predictions.parquet"

    def save_measures(self, measures: Mapping[str, Measure], details: Mapping[str, Any]) -> None:
        rows = {name: measure.to_json() for name, measure in measures.items()}
        store.write_json(self.path / "measures.json", {"measures": rows, "details": dict(details)})

    def save_comparison(self, comparison: Mapping[str, Any]) -> None:
        store.write_json(self.path / "comparison.json", dict(comparison))

    def save_result(self, result: Mapping[str, Any]) -> None:
        store.write_json(self.path / "result.json", dict(result))

    def save_text(self, name: str, content: str) -> Path:
        store.write_text(self.path / name, content)
        return self.path / name

    def _write(self, info: Mapping[str, Any]) -> None:
        store.write_json(self.path / "study.json", dict(info))
