"""A table's file becomes `Cells`: CSV and TSV in any usual encoding, JSON Lines, a JSON list, Parquet.

Nothing is guessed about types: `007`, `NA` and `TRUE` stay what they are. Numbers of JSON and Parquet become
their decimal text, true and false the words `true` and `false`, null an empty cell.
"""

from __future__ import annotations

import codecs
import io
import json
from pathlib import Path
from typing import Any

import polars as pl

from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding, name_some
from eighteen.reading._cells import Cells
from eighteen.reading._names import printable
from eighteen.reading._separated import from_separated

TABLE_ENDINGS = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"})
"""Endings of files that a folder may hold as its table (others must be named themselves)."""

_TEXT_ENDINGS = frozenset({".csv", ".tsv", ".tab", ".txt", ""})
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_cells(path: Path) -> Cells:
    """Reads a table file.

    Raises:
        DatasetError: the file is empty, no table, cut, or not of a kind that is read.
    """
    ending = path.suffix.casefold()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be opened ({error.strerror})") from error
    if data.startswith(b"PAR1") or ending == ".parquet":
        return _from_parquet(path, data)
    if not data.strip():
        raise DatasetError(f"{path}: empty file; expected a table with the columns image and label")
    if ending not in _TEXT_ENDINGS | {".jsonl", ".ndjson", ".json"}:
        raise DatasetError(
            f"{path}: not a kind of table that is read; expected CSV, TSV, JSONL, JSON (a list of objects) "
            "or Parquet"
        )
    text, notes = _decoded(path, data)
    if ending in {".jsonl", ".ndjson"}:
        return _from_objects(path, _json_lines(path, text), "line", notes)
    if ending == ".json":
        return _from_objects(path, _json_list(path, text), "row", notes)
    return from_separated(path, text, notes)


def _decoded(path: Path, data: bytes) -> tuple[str, list[Finding]]:
    """The file's text: by its byte-order mark, else UTF-8, else Windows-1252, which is said."""
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), None) or _utf16_without_mark(
        data
    )
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding is not None:
            raise DatasetError(
                f"{path}: starts as {encoding} and breaks off ({error.reason}); save it again"
            ) from error
        text = data.decode("cp1252") if _fits_cp1252(data) else data.decode("latin-1")
        message = f"{path.name} is not UTF-8; it is read as Windows-1252 (Western European)"
        return text, [Finding("encoding_guessed", "warning", message, (), "save the table as UTF-8")]
    if "\0" in text:
        raise DatasetError(f"{path}: holds NUL bytes, so it is no text table; save it as CSV in UTF-8")
    return text, []


def _utf16_without_mark(data: bytes) -> str | None:
    """UTF-16 that lost its mark: nearly every second byte of the start is zero."""
    head = data[:200]
    half = max(1, len(head) // 2)
    if head[1::2].count(0) > 0.8 * half:
        return "utf-16-le"
    return "utf-16-be" if head[0::2].count(0) > 0.8 * half else None


def _fits_cp1252(data: bytes) -> bool:
    return not set(data) & {0x81, 0x8D, 0x8F, 0x90, 0x9D}


def _json_lines(path: Path, text: str) -> list[tuple[int, Any]]:
    rows, bad = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append((number, json.loads(line)))
        except (ValueError, RecursionError):
            bad.append(str(number))
    if bad:
        raise DatasetError(
            f"{path}: {len(bad)} lines are no JSON: line {name_some(bad)}; expected one object a line"
        )
    return rows


def _json_list(path: Path, text: str) -> list[tuple[int, Any]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: no readable JSON ({error}); save it again") from error
    if not isinstance(content, list):
        raise DatasetError(
            f"{path}: holds one {type(content).__name__}; expected a JSON list of objects, one a picture"
        )
    return list(enumerate(content, start=1))


def _from_objects(path: Path, rows: list[tuple[int, Any]], unit: str, notes: list[Finding]) -> Cells:
    wrong = [str(line) for line, row in rows if not isinstance(row, dict)]
    if wrong:
        raise DatasetError(
            f'{path}: {unit} {name_some(wrong)}: no JSON object; expected {{"image": …, "label": …}}'
        )
    headings = tuple(dict.fromkeys(key for _, row in rows for key in row))
    texts = [[_text(row.get(heading)) for heading in headings] for _, row in rows]
    return Cells(tuple(map(printable, headings)), texts, [line for line, _ in rows], unit, (), tuple(notes))


def _from_parquet(path: Path, data: bytes) -> Cells:
    if not (data.startswith(b"PAR1") and data.endswith(b"PAR1")):
        raise DatasetError(f"{path}: no Parquet file, or cut off; write it again")
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise DatasetError(f"{path}: no readable Parquet ({error}); write it again") from error
    columns = [_column_text(series) for series in frame.get_columns()]
    rows = [list(row) for row in zip(*columns, strict=True)]
    return Cells(tuple(frame.columns), rows, list(range(1, len(rows) + 1)), "row")


def _column_text(series: pl.Series) -> list[str]:
    dtype = series.dtype
    if dtype in (pl.String, pl.Categorical, pl.Enum) or dtype.is_integer():
        return series.cast(pl.String).fill_null("").to_list()
    return [_text(value) for value in series.to_list()]


def _text(value: Any) -> str:
    """A value of JSON or Parquet as the text of a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return printable(str(value))
    if isinstance(value, (list, dict)):
        return printable(json.dumps(value, ensure_ascii=False, default=_inner_text))
    return _inner_text(value)


def _inner_text(value: object) -> str:
    """Bytes by their number, so that no message prints a whole picture; dates and the like as they are."""
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value)
