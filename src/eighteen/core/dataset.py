"""The data set: an immutable table with one row per image.

A `Dataset` is what reading gives and everything else takes. Each operation returns a new one; the class
index is built once, from all splits together, and never again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding

SPLITS: tuple[str, ...] = ("train", "val", "test")
Split = Literal["train", "val", "test", ""]

SCHEMA: Mapping[str, pl.DataType] = {
    "id": pl.String(),
    "path": pl.String(),
    "index": pl.Int64(),
    "target": pl.String(),
    "split": pl.String(),
    "group": pl.String(),
    "sha256": pl.String(),
    "width": pl.Int64(),
    "height": pl.Int64(),
    "mode": pl.String(),
}
"""The columns every data set has. `index` is -1 where a file holds one image; `split`, `group`, `sha256` and
`mode` are "" and `width` and `height` 0 (pixels) while they are not known."""

NEAR_COLUMN = "near_copy_of"
"""A further column that the audit adds: the first id of the near copies that a picture is one of, else ""."""


@dataclass(frozen=True)
class Skipped:
    """An image that was found and is not used, and why; with its label and split where it had any."""

    path: str
    reason: str
    label: str = ""
    split: str = ""

    def to_json(self) -> dict[str, str]:
        return {"path": self.path, "reason": self.reason}


@dataclass(frozen=True, eq=False)
class Dataset:
    """An immutable table of images.

    Attributes:
        table: one row per image, with the columns of `SCHEMA` and every further column the source had.
        class_names: the classes in the order of the network's outputs, the same for every split.
        root: folder that the relative `path`s start from.
        task: name of the task module that gives `target` its meaning.
        skipped: images that were found and are not used.
        notes: what reading and scanning noticed; `audit` shows them with the findings of its checks.
        uncorrected: the same as it was read, where corrections were applied.
        test_origin: identity of the test split as it would be without corrections, where they changed it.
    """

    table: pl.DataFrame
    class_names: tuple[str, ...]
    root: Path
    task: str = "classification"
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[Finding, ...] = ()
    uncorrected: Dataset | None = field(default=None, repr=False)
    test_origin: str = ""
    _cache: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        problems = [
            f"column '{name}' is {self.table.schema.get(name)}, expected {dtype}"
            for name, dtype in SCHEMA.items()
            if self.table.schema.get(name) != dtype
        ]
        if problems:
            raise DatasetError("not a data set table: " + "; ".join(problems))
        ids = self.table["id"]
        if ids.n_unique() != len(ids):
            twice = ids.filter(ids.is_duplicated()).unique().sort().to_list()
            raise DatasetError(f"ids must be unique; these stand twice: {twice[:10]}")
        unknown = set(self.table["split"].unique()) - {*SPLITS, ""}
        if unknown:
            raise DatasetError(f"split must be train, val, test or empty, not {sorted(unknown)}")

    def __len__(self) -> int:
        return len(self.table)

    @property
    def ids(self) -> list[str]:
        return self.table["id"].to_list()

    @property
    def found(self) -> int:
        """Number of images found, used or not."""
        return len(self.table) + len(self.skipped)

    @property
    def split_counts(self) -> dict[str, int]:
        counts = dict(self.table["split"].value_counts().iter_rows())
        return {name: int(counts.get(name, 0)) for name in SPLITS}

    @property
    def counts(self) -> dict[str, Any]:
        """`found`, `used`, `skipped` and the number of images of each split."""
        return {
            "found": self.found,
            "used": len(self),
            "skipped": len(self.skipped),
            "splits": self.split_counts,
        }

    @property
    def has_splits(self) -> bool:
        return bool((self.table["split"] != "").any())

    def class_counts(self, split: str | None = None) -> dict[str, int]:
        """Images of each class, in class order; of one split where one is named."""
        table = self.table if split is None else self.table.filter(pl.col("split") == split)
        counts = dict(table["target"].value_counts().iter_rows())
        return {name: int(counts.get(name, 0)) for name in self.class_names}

    def class_index(self) -> npt.NDArray[np.int64]:
        """Index of each row's class, `[N]`; -1 where the target is none of `class_names`."""
        lookup = {name: position for position, name in enumerate(self.class_names)}
        return np.array([lookup.get(name, -1) for name in self.table["target"]], dtype=np.int64)

    def subset(self, split: str) -> Dataset:
        """The rows of one split, in table order."""
        return replace(self, table=self.table.filter(pl.col("split") == split))

    def file(self, path: str) -> Path:
        """Where a row's file lies."""
        return self.root / path

    def with_table(self, table: pl.DataFrame) -> Dataset:
        return replace(self, table=table)

    def with_columns(self, **columns: Sequence[Any] | npt.NDArray[Any]) -> Dataset:
        """A data set with these columns set (known ones keep their type)."""
        series = [
            pl.Series(name, values if isinstance(values, np.ndarray) else list(values), SCHEMA.get(name))
            for name, values in columns.items()
        ]
        return replace(self, table=self.table.with_columns(series))

    def with_notes(self, notes: Iterable[Finding]) -> Dataset:
        return replace(self, notes=(*self.notes, *notes))

    def without(self, reasons: Mapping[str, str]) -> Dataset:
        """Leaves images out: `reasons` maps their id to why. They stay counted, in `skipped`."""
        if not reasons:
            return self
        gone = self.table.filter(pl.col("id").is_in(list(reasons)))
        rows = gone.select("id", "target", "split").iter_rows()
        skipped = tuple(Skipped(image, reasons[image], label, split) for image, label, split in rows)
        kept = self.table.filter(~pl.col("id").is_in(list(reasons)))
        return replace(self, table=kept, skipped=(*self.skipped, *skipped))

    @property
    def fingerprint(self) -> str:
        """Hash of the content: picture bytes (or ids while these are not hashed), targets, splits, groups."""
        if "fingerprint" not in self._cache:
            self._cache["fingerprint"] = content_hash(
                self.table, ("sha256", "index", "target", "split", "group"), self.class_names
            )
        return str(self._cache["fingerprint"])

    @property
    def test_identity(self) -> str:
        """What the ledger of the test split goes by; corrected labels do not make a split unseen."""
        return self.test_origin or self.split_fingerprint("test")

    def split_fingerprint(self, split: str) -> str:
        """Hash of one split's pictures and targets, whatever their names, order and folder."""
        return content_hash(self.subset(split).table, ("sha256", "index", "target"), ())


def content_hash(table: pl.DataFrame, columns: Sequence[str], extra: Sequence[str]) -> str:
    """SHA-256 over the sorted rows; a row whose picture is not hashed yet stands by its id."""
    keyed = table.with_columns(
        pl.when(pl.col("sha256") == "").then(pl.col("id")).otherwise(pl.col("sha256")).alias("sha256")
    )
    rows = sorted("\x1f".join(map(str, row)) for row in keyed.select(columns).iter_rows())
    digest = hashlib.sha256("\x1e".join([*extra, "", *rows]).encode())
    return digest.hexdigest()


def picture_hash(columns: Sequence[str], by: Sequence[str] = ("pixels_sha256", "sha256")) -> pl.Expr:
    """What each row of a table shows, as a hash: equal ones mean equal pictures. Null where a row has none.

    Args:
        columns: of the table; hashes that it does not have are passed over.
        by: the hashes to go by, the first that a row has.
    """
    known = [pl.col(name) for name in by if name in columns]
    return pl.coalesce([pl.when(column.fill_null("") != "").then(column) for column in known])


def empty_table() -> pl.DataFrame:
    return pl.DataFrame(schema=dict(SCHEMA))


def image_id(path: str, index: int = -1) -> str:
    """`path`, or `path#index` where a file holds several images."""
    return path if index < 0 else f"{path}#{index}"


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts "2" before "10" and text by code point.

    >>> sorted(["10", "2", "a10", "a9"], key=natural_key)
    ['2', '10', 'a9', 'a10']
    """
    parts = re.split(r"([0-9]+)", name)
    key = tuple((0, int(part), "") if part[:1].isdecimal() else (1, 0, part) for part in parts if part)
    return (*key, (2, 0, name))
