"""Tables beside class folders, joined to the pictures as further columns.

The pictures of class folders and the tables that lie among them go in, columns come out. A table is joined
where its path column names the pictures, from the table's own folder; it never changes which pictures or
classes there are. Its split and group columns count only when the user names them.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eighteen.core.corrections import are_corrections
from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding, Severity, name_some
from eighteen.reading._cells import Cells
from eighteen.reading._columns import (
    describe_headings,
    find_heading,
    image_candidates,
    label_candidates,
)
from eighteen.reading._hints import is_metadata
from eighteen.reading._locate import Index
from eighteen.reading._names import counted
from eighteen.reading._opening import TABLE_ENDINGS, read_cells
from eighteen.reading._splits import parse_splits
from eighteen.reading.options import ReadOptions

_TRIED_ROWS = 200
"""Rows that are looked up to see whether a column names the pictures (count)."""


@dataclass
class Metadata:
    """What tables say about the pictures, in the pictures' order.

    Attributes:
        columns: heading to one cell a picture, "" where no row names it.
        split: splits by the named column; empty where none is named.
        group: groups by the named column; empty where none is named.
        used: paths of the tables that were joined.
        decisions: paths of tables that hold corrections, which are not joined.
        notes: what was joined, and what did not fit.
    """

    columns: dict[str, list[str]] = field(default_factory=dict)
    split: list[str] = field(default_factory=list)
    group: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)


def join_metadata(
    root: Path,
    texts: Sequence[str],
    options: ReadOptions,
    *,
    paths: Sequence[str],
    targets: Sequence[str],
    splits: Sequence[str],
) -> Metadata:
    """Joins the tables in the root and in the folders right below it.

    Args:
        root: the data set's folder.
        texts: all files below the root that are no pictures.
        options: `group_column`, `split_column` and `image_column` may name columns of these tables.
        paths: the pictures, relative to the root.
        targets: their classes, to say where a table's label column differs.
        splits: their splits by folder, which stand where the named split column is empty.

    Raises:
        DatasetError: a named column is in no table that was joined.
    """
    metadata = Metadata()
    tables = [text for text in texts if text.count("/") < 2 and Path(text).suffix.casefold() in TABLE_ENDINGS]
    for table in sorted(tables, key=lambda text: (not is_metadata(text), text.count("/"), text)):
        if are_corrections(root / table):
            _note_decisions(metadata, table)
        else:
            _join(metadata, root, table, paths, options)
    if options.image_column is not None and not metadata.used:
        raise DatasetError(
            f"{root}: --image-column {options.image_column}: no table beside the class folders names the "
            "pictures in such a column; leave the option out or correct it"
        )
    _note_differing_labels(metadata, paths, targets)
    group, split = (
        _named(metadata, option, name, root)
        for option, name in (("group", options.group_column), ("split", options.split_column))
    )
    if group is not None:
        metadata.group = [cell.strip() for cell in metadata.columns[group]]
        _note_missing_groups(metadata, group)
    if split is not None:
        cells = metadata.columns[split]
        metadata.split, notes = parse_splits(cells, lambda row: paths[row], f"column {split}", splits)
        metadata.notes += notes
    return metadata


def _join(metadata: Metadata, root: Path, table: str, paths: Sequence[str], options: ReadOptions) -> None:
    """Adds one table's columns, or says why it is not joined."""
    try:
        cells = read_cells(root / table)
    except DatasetError as error:
        # The pictures and classes are known without it, so that a broken table is no reason to stop.
        message = f"{table} is not joined: {error}"
        metadata.notes.append(
            Finding("metadata_unmatched", "warning", message, (), "repair or remove the table")
        )
        return
    folder = posixpath.dirname(table)
    heading, rows = _matched(cells, folder, paths, options)
    if heading is None:
        severity: Severity = "warning" if is_metadata(table) else "info"
        message = (
            f"{table} is not joined: no column of it names the pictures. {describe_headings(cells.headings)}"
        )
        advice = f"give it a column path with paths from the folder of {table}"
        metadata.notes.append(Finding("metadata_unmatched", severity, message, (), advice))
        return
    metadata.used.append(table)
    for name in cells.headings:
        if name != heading:
            _add_column(metadata.columns.setdefault(name, [""] * len(paths)), cells.column(name), rows)
    _note_joined(metadata, table, cells, heading, joined=len(rows), pictures=len(paths))


def _note_decisions(metadata: Metadata, table: str) -> None:
    metadata.decisions.append(table)
    message = f"{table} holds corrections, which count only where they are asked for"
    advice = f"to apply them: --corrections with the path of {table}"
    metadata.notes.append(Finding("corrections_beside", "info", message, (), advice))


def _add_column(column: list[str], cells: Sequence[str], rows: dict[int, int]) -> None:
    for picture, row in rows.items():
        column[picture] = column[picture] or cells[row]


def _matched(
    cells: Cells, folder: str, paths: Sequence[str], options: ReadOptions
) -> tuple[str | None, dict[int, int]]:
    """The column that names most pictures, and picture to row; the first row of a picture stands."""
    named = find_heading(options.image_column, cells.headings) if options.image_column else None
    candidates = image_candidates(cells) if options.image_column is None else [named] if named else []
    index, places = Index(paths), {path: place for place, path in enumerate(paths)}

    def find(cell: str) -> int | None:
        plain = posixpath.normpath(cell.strip().replace("\\", "/")) if cell.strip() else ""
        full = posixpath.normpath(posixpath.join(folder, plain))
        if not plain or full in places:
            return places.get(full)
        return places.get(index.find(full.lstrip("/"), full.startswith("/")).path)

    best: tuple[int, str] | None = None
    for heading in candidates:
        hits = sum(find(cell) is not None for cell in cells.column(heading)[:_TRIED_ROWS])
        if hits and (best is None or hits > best[0]):
            best = hits, heading
    if best is None:
        return None, {}
    rows: dict[int, int] = {}
    for row, cell in enumerate(cells.column(best[1])):
        picture = find(cell)
        if picture is not None:
            rows.setdefault(picture, row)
    return best[1], rows


def _named(metadata: Metadata, option: str, name: str | None, root: Path) -> str | None:
    """The joined column that an option names."""
    if name is None:
        return None
    heading = find_heading(name, metadata.columns)
    if heading is None:
        what = f"joined tables: {name_some(metadata.used)}. {describe_headings(metadata.columns)}"
        if not metadata.used:
            what = (
                "no table beside the class folders names the pictures; add a metadata.csv with a column path"
            )
        raise DatasetError(f"{root}: --{option}-column {name}: there is no such column; {what}")
    return heading


def _note_joined(
    metadata: Metadata, table: str, cells: Cells, heading: str, *, joined: int, pictures: int
) -> None:
    further = [name for name in cells.headings if name != heading]
    message = f"{table} is joined by its column {heading} to {joined} of {counted(pictures, 'picture')}"
    if further:
        message += f": {name_some(further, 20)}"
    advice = "name columns of it with --group-column or --split-column"
    metadata.notes.append(Finding("metadata_joined", "info", message, (), advice))
    surplus = len(cells.rows) - joined
    if surplus:
        message = (
            f"{counted(surplus, 'row')} of {table} name no picture here, or one that an earlier row names"
        )
        metadata.notes.append(Finding("metadata_surplus", "info", message, (), "nothing to do"))


def _note_differing_labels(metadata: Metadata, paths: Sequence[str], targets: Sequence[str]) -> None:
    """A label column that speaks against the folders is worth a look; the folders decide."""
    for heading in label_candidates(metadata.columns)[:1]:
        column = metadata.columns[heading]
        stated = [place for place, cell in enumerate(column) if cell.strip()]
        differing = [place for place in stated if column[place].strip() != targets[place]]
        # A column of which nothing fits holds something else (numbers of the classes, say).
        if differing and len(differing) < len(stated):
            first = name_some([f"{paths[n]} is {column[n]} there" for n in differing], 5)
            number = counted(len(differing), "picture")
            message = f"the column {heading} differs from the class folder for {number}: {first}"
            images = tuple(paths[place] for place in differing)
            advice = "the folders decide; correct either, or read the table with --label-column"
            metadata.notes.append(Finding("metadata_label_differs", "warning", message, images, advice))


def _note_missing_groups(metadata: Metadata, group: str) -> None:
    empty = metadata.group.count("")
    if empty:
        message = (
            f"{empty} of {counted(len(metadata.group), 'picture')} have no {group}; each of them stands alone"
        )
        metadata.notes.append(
            Finding("missing_groups", "warning", message, (), "fill the column in if they belong together")
        )
