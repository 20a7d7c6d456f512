"""Corrections: what people decided about single pictures, kept beside the data set and never in it.

In comes a table `path,action,label,reason,by,time`, as `eighteen review` or any spreadsheet writes it; out
comes a data set with other labels and without the dropped pictures. The files of the pictures and their
table stay as they are, so that a decision can be taken back by removing its line. The last decision about a
picture counts, where its time says that it is the last; lines that contradict each other otherwise are
refused.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import polars as pl

from eighteen.core import store
from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding, name_some, one_line

ACTIONS = ("keep", "relabel", "drop", "unsure")
"""What can be decided: the label is right, it is another one, the picture is of no use, somebody else must
look. `keep` and `unsure` change nothing."""

COLUMNS = ("path", "action", "label", "reason", "by", "time")
REQUIRED = COLUMNS[:2]
_END = "end"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

LABEL_BEFORE = "label_before"
"""Column of a corrected data set: the label that the source gave, "" where it was not changed."""


@dataclass(frozen=True)
class Correction:
    """One decision.

    Attributes:
        path: id of the picture: its path from the data set's root (`path#index` in a file of many).
        action: one of `ACTIONS`.
        label: the right class, where the action is `relabel`; else "".
        reason: why, in the words of whoever decided.
        by: who decided.
        time: when, UTC, `2026-01-31T12:00:00Z`.
        line: of the file that it was read from; 0 for one that was not read.
    """

    path: str
    action: str
    label: str = ""
    reason: str = ""
    by: str = ""
    time: str = ""
    line: int = field(default=0, compare=False)

    def to_csv(self) -> str:
        """The line of a file, with its end; line breaks in the reason become escapes."""
        words = (self.action, self.label, one_line(self.reason), one_line(self.by), self.time)
        return _lines([[self.path, *words]])


@dataclass(frozen=True)
class Corrections:
    """Decisions in the order in which they were made.

    Attributes:
        rows: all of them, also those that later ones replace.
        name: what messages call them: the name of the file.
        sha256: hash of the file that they were read from; "" for those that were not read.
        cut_line: the last line of the file, where it was cut and left out; else 0.
    """

    rows: tuple[Correction, ...]
    name: str = "corrections"
    sha256: str = ""
    cut_line: int = 0

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Reads a file: CSV, separated by commas, semicolons or tabs, in UTF-8.

        Only `path` and `action` must be there, and further columns are passed over. A last line that a crash
        cut is left out. What a row says is checked by `applied_to`, when pictures and classes are known.

        Raises:
            DatasetError: the file cannot be read, or is no such table.
        """
        path = Path(path)
        try:
            content = path.read_bytes()
            text = content.decode("utf-8-sig")
        except OSError as error:
            raise DatasetError(f"cannot read the corrections {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise DatasetError(
                f"{path} is no text in UTF-8 ({error.reason}); save it as CSV, UTF-8"
            ) from error
        rows, cut_line = _parsed(path, text)
        return cls(rows, path.name, hashlib.sha256(content).hexdigest(), cut_line)

    def write(self, path: str | Path) -> None:
        """Writes all decisions as a whole file, or leaves the old one."""
        store.write_text(Path(path), heading() + "".join(row.to_csv() for row in self.rows))

    @property
    def decisions(self) -> dict[str, Correction]:
        """The decision that counts, by picture."""
        return {row.path: row for row in self.rows}

    def about(self, source: Dataset) -> list[Correction]:
        """The decisions that count, where a label that the source gives already is one to keep.

        Args:
            source: uncorrected.
        """
        label_of = dict(source.table.select("id", "target").iter_rows())
        return [
            replace(row, action="keep", label="")
            if row.action == "relabel" and row.label == label_of.get(row.path)
            else row
            for row in self.decisions.values()
        ]

    def applied_to(self, dataset: Dataset) -> Dataset:
        """The data set with the decided labels and without the dropped pictures, which stay in `skipped`.

        Changed rows have the label of the source in the column `label_before`. Applying the same decisions
        again changes nothing.

        Raises:
            DatasetError: unknown pictures, classes or actions, or lines of a file that decide differently
                about a picture; all of them are named at once.
        """
        decisions = self.decisions.values()
        if problems := [*_problems(decisions, dataset), *_contradictions(self.rows)]:
            count = f"{len(problems)} problems" if len(problems) > 1 else "a problem"
            raise DatasetError(
                f"{self.name} does not fit {dataset.root}, {count}: {name_some(problems, 20)}. "
                f"Correct or remove these lines; the picture files were not touched"
            )
        labels = {row.path: row.label for row in decisions if row.action == "relabel"}
        drops = {row.path: self._dropped(row) for row in decisions if row.action == "drop"}
        done = replace(
            _relabelled(dataset, labels).without(drops), uncorrected=dataset.uncorrected or dataset
        )
        note = self._note(dataset.uncorrected or dataset)
        return done if note in dataset.notes else done.with_notes([note])

    def _dropped(self, row: Correction) -> str:
        return f"dropped by {self.name}" + (f": {row.reason}" if row.reason else "")

    def _note(self, source: Dataset) -> Finding:
        decisions, used = self.about(source), set(source.ids)
        idle = [row.path for row in decisions if row.action == "relabel" and row.path not in used]
        count = {action: sum(row.action == action for row in decisions) for action in ACTIONS}
        message = (
            f"{self.name}: {count['relabel'] - len(idle)} labels changed, {count['drop']} pictures dropped, "
            f"{count['keep']} kept, {count['unsure']} undecided"
        )
        if idle:
            message += f"; labels of pictures that are left out already, without effect: {name_some(idle)}"
        if self.cut_line:
            message += f"; line {self.cut_line}, the last one, ends too early and was left out: complete it"
        images = tuple(row.path for row in decisions if row.action in ("relabel", "drop"))
        return Finding("corrections", "info", message, images, "the picture files themselves are untouched")


def are_corrections(path: Path) -> bool:
    """Whether a file begins like corrections: it holds decisions then, and is no table of pictures."""
    try:
        with path.open("rb") as file:
            first = file.read(1024).decode("utf-8-sig", "ignore").split("\n", 1)[0]
    except OSError:
        # Whoever reads it as a table will say so.
        return False
    cells = first.replace(";", ",").replace("\t", ",").split(",")
    return set(COLUMNS[:3]) <= {cell.strip().strip('"').lower() for cell in cells}


def heading() -> str:
    """The first line of a file."""
    return _lines([COLUMNS])


def _relabelled(dataset: Dataset, labels: dict[str, str]) -> Dataset:
    """The decided labels in place, those of the source beside them."""
    table = dataset.table
    target = pl.col("id").replace_strict(labels, default=pl.col("target"), return_dtype=pl.String)
    earlier = pl.col(LABEL_BEFORE) if LABEL_BEFORE in table.columns else pl.lit("")
    before = pl.when(target == pl.col("target")).then(earlier).otherwise(pl.col("target"))
    return dataset.with_table(table.with_columns(target.alias("target"), before.alias(LABEL_BEFORE)))


def _problems(decisions: Iterable[Correction], dataset: Dataset) -> list[str]:
    known = {*dataset.ids, *(skipped.path for skipped in dataset.skipped)}
    found = []
    for row in decisions:
        where = f"line {row.line}: " if row.line else ""
        if row.path not in known:
            found.append(f"{where}there is no picture '{row.path}'")
        if row.action not in ACTIONS:
            found.append(f"{where}'{row.action}' is no action; there are {', '.join(ACTIONS)}")
        if row.action == "relabel" and row.label not in dataset.class_names:
            classes = name_some(list(dataset.class_names))
            found.append(f"{where}'{row.label}' is no class; there are {classes}")
    return found


def _contradictions(rows: Iterable[Correction]) -> list[str]:
    """Lines that a later one decides differently, whose time does not say that it came later.

    A review writes the time of each decision, so that changing one's mind is no contradiction.
    """
    lines: dict[str, list[Correction]] = {}
    for row in rows:
        if row.line:
            lines.setdefault(row.path, []).append(row)
    return [
        f"lines {row.line} and {last.line} decide differently about '{last.path}' ({_words(row)}; "
        f"{_words(last)}), and their times do not say that line {last.line} came later: keep one of them"
        for *earlier, last in lines.values()
        for row in earlier
        if _words(row) != _words(last) and not _is_later(last, row)
    ]


def _is_later(last: Correction, row: Correction) -> bool:
    """Whether a line says that it was written after another one, or in the same second."""
    if not _TIME.fullmatch(last.time):
        return False
    return row.time <= last.time if _TIME.fullmatch(row.time) else not row.time


def _words(row: Correction) -> str:
    return f"{row.action} {row.label}" if row.action == "relabel" else row.action


def _parsed(path: Path, text: str) -> tuple[tuple[Correction, ...], int]:
    """The decisions of a file, and the number of a last line that was cut (0: it is whole)."""
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    # The line behind the end is a row of its own, unless a quote before it was never closed.
    reader = csv.reader(io.StringIO(f"{text}\n{_END}\n", newline=""), delimiter=separator)
    rows: list[tuple[int, list[str]]] = []
    line = 1
    try:
        headings = [cell.strip().lower() for cell in next(reader, [])]
        line = reader.line_num + 1
        for cells in reader:
            rows.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DatasetError(
            f"{path}: no readable CSV from line {line} on ({error}); close a quote there, or save it again"
        ) from error
    missing = [name for name in REQUIRED if name not in headings]
    if missing:
        raise DatasetError(
            f"{path} lacks the column {' and '.join(missing)}; expected the first line {','.join(COLUMNS)}"
        )
    twice = [name for name in COLUMNS if headings.count(name) > 1]
    if twice:
        raise DatasetError(
            f"{path}, line 1: the column {' and '.join(twice)} is there more than once; expected each once. "
            f"Remove or rename all but the one that counts"
        )
    last, end = rows.pop() if rows else (1, headings)
    unclosed = end != [_END]
    is_whole = text.endswith(("\n", "\r"))
    if unclosed and (is_whole or last < reader.line_num - 1):
        raise DatasetError(
            f"{path}: a quote in line {last} is never closed, so what follows would be lost; close it, or "
            f"write the cell as spreadsheets do, with quotes around it and each quote inside it twice"
        )
    cut_line = last if unclosed else 0
    if not unclosed and rows and not is_whole and len(rows[-1][1]) < len(headings):
        cut_line = rows.pop()[0]
    return tuple(_correction(headings, number, cells) for number, cells in rows if any(cells)), cut_line


def _correction(headings: Sequence[str], line: int, cells: Sequence[str]) -> Correction:
    values = {**dict.fromkeys(COLUMNS, ""), **dict(zip(headings, cells, strict=False))}
    image, action, label, reason, by, time = (values[name] for name in COLUMNS)
    return Correction(image, action.strip().lower(), label, reason, by, time, line)


def _lines(rows: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
