"""Text with separators becomes `Cells`.

The separator is told by the content; quotes, blank lines and a first line `sep=;` are minded. The line
numbers are those of the file, also behind blank lines and cells with line breaks.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding
from eighteen.reading._cells import Cells

_SEPARATORS = ",;\t|"
_SAMPLE_ROWS = 50


def from_separated(path: Path, text: str, notes: list[Finding]) -> Cells:
    declared = re.match(r'"?sep=(.)"?\r?\n', text)
    separator = declared[1] if declared else _separator(text)
    rows, lines = [], []
    for line, row in _parsed(path, text, separator):
        if any(cell.strip() for cell in row) and not (declared and line == 1):
            rows.append(row)
            lines.append(line)
    if not rows:
        raise DatasetError(f"{path}: holds no rows; expected a table with the columns image and label")
    width = max(len(row) for row in rows)
    while width > 1 and not any(row[width - 1].strip() for row in rows if len(row) >= width):
        width -= 1
    headings, repeated = _unique([cell.strip() for cell in rows[0]][:width])
    return Cells(
        headings,
        [_trimmed(row, len(headings)) for row in rows[1:]],
        lines[1:],
        "line",
        repeated,
        tuple(notes),
    )


def _trimmed(row: list[str], width: int) -> list[str]:
    """A row without the empty cells behind the last column (a separator at the end of the line)."""
    return row[:width] if not any(cell.strip() for cell in row[width:]) else row


def _separator(text: str) -> str:
    """The separator that cuts the heading into several cells and most rows into as many."""

    def score(separator: str) -> tuple[float, int]:
        sample = [row for row in islice(csv.reader(_lines(text), delimiter=separator), _SAMPLE_ROWS) if row]
        width = len(sample[0]) if sample else 0
        if width < 2:
            return 0.0, 0
        return sum(len(row) == width for row in sample) / len(sample), width

    head = "\n".join(text.splitlines()[: 2 * _SAMPLE_ROWS])
    text = head
    try:
        return max(_SEPARATORS, key=score)
    except csv.Error:
        return ","


def _parsed(path: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line they start on; quotes that are never closed are refused."""
    strict = True
    try:
        rows = list(_numbered(text, separator, strict))
    except csv.Error as error:
        if "end of data" in str(error):
            start = _open_quote(text, separator)
            raise DatasetError(
                f"{path}: the quote that opens in line {start} is never closed; close it"
            ) from error
        strict = False
        try:
            rows = list(_numbered(text, separator, strict))
        except csv.Error as second:
            raise DatasetError(f"{path}: no readable CSV ({second}); save it again") from second
    yield from rows


def _numbered(text: str, separator: str, strict: bool) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(_lines(text), delimiter=separator, strict=strict)
    line = 1
    for row in reader:
        yield line, row
        line = reader.line_num + 1


def _open_quote(text: str, separator: str) -> int:
    """The line after the last row that can be read whole."""
    reader = csv.reader(_lines(text), delimiter=separator, strict=True)
    line = 1
    try:
        for _ in reader:
            line = reader.line_num + 1
    except csv.Error:
        return line
    return line


def _lines(text: str) -> Iterable[str]:
    return io.StringIO(text, newline="")


def _unique(headings: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Headings made unique (an empty one by its place, a repeated one by a number), and those repeated."""
    unique: list[str] = []
    repeated = []
    for place, written in enumerate(headings, start=1):
        heading = written or f"column_{place}"
        if heading in unique:
            repeated.append(heading)
            number = next(n for n in range(2, place + 2) if f"{heading}_{n}" not in unique)
            heading = f"{heading}_{number}"
        unique.append(heading)
    return tuple(unique), tuple(dict.fromkeys(repeated))
