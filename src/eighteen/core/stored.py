"""Data sets and predictions in a folder: the files that runs and studies have in common."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from eighteen.core import store
from eighteen.core.dataset import Dataset, Skipped
from eighteen.core.predictions import Predictions


def write_dataset(folder: Path, dataset: Dataset) -> None:
    """`dataset.parquet` and `dataset.json`."""
    store.write_table(folder / "dataset.parquet", dataset.table)
    store.write_json(
        folder / "dataset.json",
        {
            "class_names": list(dataset.class_names),
            "counts": dataset.counts,
            "fingerprint": dataset.fingerprint,
            "root": dataset.root.resolve().as_posix(),
            "skipped": [asdict(row) for row in dataset.skipped],
            "task": dataset.task,
            "test_origin": dataset.test_origin,
        },
    )


def read_dataset(folder: Path) -> Dataset:
    """The data set as it was written; its root is where it lay then."""
    about = store.read_object(folder / "dataset.json", "class_names", "root", "task", "skipped")
    return Dataset(
        table=store.read_table(folder / "dataset.parquet"),
        class_names=tuple(about["class_names"]),
        root=Path(about["root"]),
        task=about["task"],
        skipped=tuple(_skipped(row) for row in about["skipped"]),
        test_origin=about.get("test_origin", ""),
    )


def _skipped(row: dict[str, str]) -> Skipped:
    return Skipped(row["path"], row["reason"], row.get("label", ""), row.get("split", ""))


def write_predictions(folder: Path, name: str, predictions: Predictions) -> None:
    """`NAME.parquet`, `NAME.safetensors` and `NAME.json`."""
    store.make_folder(folder)
    store.write_table(folder / f"{name}.parquet", predictions.rows)
    store.write_arrays(folder / f"{name}.safetensors", predictions.arrays, {})
    store.write_json(
        folder / f"{name}.json",
        {
            "class_names": list(predictions.class_names),
            "expected": predictions.expected,
            "unreadable": [list(row) for row in predictions.unreadable],
            **({} if predictions.own_logits else {"own_logits": False}),
        },
    )


def read_predictions(folder: Path, name: str) -> Predictions:
    """Predictions as they were written."""
    about = store.read_object(folder / f"{name}.json", "class_names", "expected", "unreadable")
    return Predictions(
        rows=store.read_table(folder / f"{name}.parquet"),
        arrays=store.read_arrays(folder / f"{name}.safetensors"),
        class_names=tuple(about["class_names"]),
        expected=about["expected"],
        unreadable=tuple((path, reason) for path, reason in about["unreadable"]),
        own_logits=about.get("own_logits", True),
    )
