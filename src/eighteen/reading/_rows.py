"""The rows of a table, and the questions that each has to pass: a name, a label, a file.

`Rows` go through the steps of this file in turn. Each step takes rows out of use and says so in one finding,
with the line and the picture of the first ten; nothing disappears without a word.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eighteen.core.dataset import Skipped
from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding, name_some
from eighteen.reading._cells import Cells
from eighteen.reading._columns import Columns
from eighteen.reading._locate import Locator, Place
from eighteen.reading._names import counted, printable
from eighteen.reading._walk import OUTSIDE_OPTION

_WHOLE_NUMBER = re.compile(r"-?[0-9]+(\.0+)?")


@dataclass
class Rows:
    """The rows still in use, by number, and what became of the others.

    Attributes:
        cells: the whole table.
        columns: which of its columns are used.
        file: the table's file; paths start from its folder.
        kept: numbers of the rows still in use, from 0.
        images, labels: the cells of all rows.
        paths: row number to the file found for it.
        out: how many rows each check took out.
        skipped, notes: what is said about those.
    """

    cells: Cells
    columns: Columns
    file: Path
    kept: list[int] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    paths: dict[int, str] = field(default_factory=dict)
    out: Counter[str] = field(default_factory=Counter)
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kept = list(range(len(self.cells.rows)))
        self.images = self.cells.column(self.columns.image)
        self.labels = [label.strip() for label in self.cells.column(self.columns.label)]
        self.notes = [*self.cells.notes, *self.columns.notes]

    def leave_out(
        self, check: str, reasons: dict[int, str], what: str, advice: str, listed: bool = True
    ) -> None:
        """Takes rows out of use and says so in one finding with the first lines."""
        if not reasons:
            return
        self.kept = [row for row in self.kept if row not in reasons]
        self.out[check] += len(reasons)
        names = {row: printable(self.images[row].strip()) for row in reasons}
        self.skipped += [
            Skipped(names[row] or self.cells.at(row), f"{self.cells.at(row)}: {why}")
            for row, why in reasons.items()
        ]
        named = name_some([f"{self.cells.at(row)} ({names[row] or 'no picture'})" for row in reasons])
        images = tuple(name for name in names.values() if name)
        message = f"{counted(len(reasons), 'row')} of {self.file.name} {what}, left out: {named}"
        self.notes.append(Finding(check, "warning", message, images, advice))

    def reasons(self) -> str:
        return "; ".join(note.message for note in self.notes if note.severity != "info")


def leave_out_long_rows(rows: Rows) -> None:
    width = len(rows.cells.headings)
    long = {
        row: f"has {len(cells)} cells, expected {width}"
        for row, cells in enumerate(rows.cells.rows)
        if len(cells) > width
    }
    advice = "put quotes around cells that hold the separator"
    rows.leave_out("ragged_rows", long, "with more cells than headings", advice)


def leave_out_blanks(rows: Rows) -> None:
    """Rows without a picture name and rows without a label (empty, blanks, or a written nan)."""
    unnamed = {row: "no picture name" for row in rows.kept if _is_missing(rows.images[row])}
    what = "without a picture name"
    rows.leave_out("missing_names", unnamed, what, "name the picture or remove the row")
    unlabelled = {row: "no label" for row in rows.kept if _is_missing(rows.labels[row])}
    what = "without a label (empty, blank or nan)"
    rows.leave_out("missing_labels", unlabelled, what, "fill the labels in, or leave it so")


def _is_missing(cell: str) -> bool:
    """Empty, blank, or what scripts write for "not a number"; NA, None and null are labels like any other."""
    return cell.strip() in {"", "nan", "NaN", "NAN"}


def leave_out_negative(rows: Rows) -> None:
    """-1 beside whole numbers from 0 up stands for "no label" in many sets."""
    distinct = {rows.labels[row] for row in rows.kept}
    negative = {label for label in distinct if _WHOLE_NUMBER.fullmatch(label) and float(label) == -1}
    others = distinct - negative
    if not others or not all(
        _WHOLE_NUMBER.fullmatch(label) and not label.startswith("-") for label in others
    ):
        return
    reasons = {row: "label -1" for row in rows.kept if rows.labels[row] in negative}
    advice = "if -1 is a class, add --set data.keep_negative_labels=true"
    rows.leave_out("negative_labels", reasons, "with the label -1, taken for no label", advice)


def locate(rows: Rows, locator: Locator) -> None:
    """Finds each row's file; rows without one fall out, guesses are counted."""
    places = {row: locator.find(rows.images[row]) for row in rows.kept}
    _refuse_shared_guesses(rows, places)
    missing = {row: place.how for row, place in places.items() if place.kind == "missing"}
    outside = {row: place.how for row, place in places.items() if place.kind == "outside"}
    where = f"without a file below {rows.file.parent}"
    advice = "correct the paths (they start from the table's folder) or remove the rows"
    rows.leave_out("missing_files", missing, where, advice)
    where = f"with a file outside the table's folder {rows.file.parent}"
    rows.leave_out("outside_paths", outside, where, f"if these files may be read, add {OUTSIDE_OPTION}")
    rows.paths = {row: places[row].path for row in rows.kept}
    helped = {row: places[row] for row in rows.kept if places[row].how}
    if helped:
        ways = Counter(place.how for place in helped.values())
        by_way = ", ".join(f"{number} {how}" for how, number in ways.most_common())
        first = name_some([f"{rows.cells.at(row)} is {place.path}" for row, place in helped.items()], 3)
        message = f"{counted(len(helped), 'path')} not there letter for letter, and found ({by_way}): {first}"
        images = tuple(place.path for place in helped.values())
        rows.notes.append(
            Finding("resolved_paths", "info", message, images, "look whether these are the files meant")
        )


def _refuse_shared_guesses(rows: Rows, places: dict[int, Place]) -> None:
    """Two rows that name different files cannot both mean the one file that fits: no guess stands then."""
    cells: dict[str, set[str]] = defaultdict(set)
    for row, place in places.items():
        if place.path:
            cells[place.path].add(place.path if place.kind == "found" else rows.images[row].strip())
    for row, place in places.items():
        if place.kind == "guessed" and len(cells[place.path]) > 1:
            places[row] = Place("missing", how=f"other rows mean {place.path}, the only file that fits")


def refuse_too_few(rows: Rows, checks: Sequence[str], max_skipped_fraction: float) -> None:
    total, lost = len(rows.cells.rows), sum(rows.out[check] for check in checks)
    if lost > max_skipped_fraction * total:
        raise DatasetError(
            f"{rows.file}: {lost} of {total} rows would be left out, more than the share of "
            f"{max_skipped_fraction:g} that data.max_skipped_fraction allows. {rows.reasons()}. Paths are "
            f"searched from {rows.file.parent}; correct the table or raise that share"
        )
