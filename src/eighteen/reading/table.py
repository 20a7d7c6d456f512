"""A table that names picture files and their labels: CSV, TSV, JSON Lines, a JSON list, Parquet.

    image,label,split,patient          the table itself, or the folder that it lies in where that holds one
    img/1.png,cat,train,p1             table and no class folders; paths start from the table's folder

Cells are text. Rows go through one question after another (is there a picture name, a label, a file, only one
label for the file), and each row that falls out is named with its line. What is left is the data set.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding, name_some
from eighteen.reading._checks import (
    build_table,
    class_without_training,
    classes_of,
    group_hints,
    multi_label_hint,
    similar_class_names,
)
from eighteen.reading._columns import Columns, choose_columns
from eighteen.reading._hints import class_folders, tables_in
from eighteen.reading._locate import Locator
from eighteen.reading._merging import merge_equal_paths
from eighteen.reading._names import counted, has_picture_ending
from eighteen.reading._opening import read_cells
from eighteen.reading._rows import (
    Rows,
    leave_out_blanks,
    leave_out_long_rows,
    leave_out_negative,
    locate,
    refuse_too_few,
)
from eighteen.reading._splits import parse_splits
from eighteen.reading._walk import path_key
from eighteen.reading.options import ReadOptions

ORDER = 20
"""Asked before class folders, which a folder with a table may look like too."""

_ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"})


def recognises(path: Path, options: ReadOptions) -> bool:
    """Whether the path is a file, or a folder whose labels must come from a table.

    A folder with tables and fewer than two class folders is one; with class folders beside the tables only
    where a label column is named, since the tables are metadata otherwise.
    """
    if path.is_file():
        return True
    return bool(tables_in(path)) and (options.label_column is not None or len(class_folders(path)) < 2)


def read(path: Path, options: ReadOptions) -> Dataset:
    """Reads a table.

    Args:
        path: the table, or a folder with exactly one.
        options: column names and what is allowed.

    Returns:
        One row per picture file, with every further column of the table as text.

    Raises:
        DatasetError: no table that can be read, columns that are not found, too many rows without a file or
            with contradictory labels, or nothing left.
    """
    file = _table_file(path)
    locator = Locator(file.parent, options.allow_outside)
    cells, columns = choose_columns(read_cells(file), options, file.name, locator.exists)
    if not cells.rows:
        raise DatasetError(f"{file}: holds headings and no rows; expected one row a picture")
    rows = Rows(cells, columns, file)
    leave_out_long_rows(rows)
    leave_out_blanks(rows)
    if not options.keep_negative_labels:
        leave_out_negative(rows)
    locate(rows, locator)
    refuse_too_few(rows, ("missing_files", "outside_paths", "ragged_rows"), options.max_skipped_fraction)
    splits = _splits(rows)
    merge_equal_paths(rows, splits)
    refuse_too_few(rows, ("conflicting_labels",), options.max_skipped_fraction)
    if not rows.kept:
        raise DatasetError(f"{file}: none of its {len(cells.rows)} rows can be used. {rows.reasons()}")
    return _dataset(rows, splits, options)


def _table_file(path: Path) -> Path:
    """The table that is meant.

    Raises:
        DatasetError: a file that cannot be a table, or a folder with several.
    """
    if path.is_file():
        if has_picture_ending(path.name):
            raise DatasetError(
                f"{path}: a single picture; expected a data set (a folder or a table). A trained model "
                "classifies single pictures with `eighteen predict`"
            )
        if path.suffix.casefold() in _ARCHIVES:
            raise DatasetError(f"{path}: a packed file; unpack it and give the folder")
        return path
    tables = tables_in(path)
    if len(tables) > 1:
        raise DatasetError(
            f"{path} holds {len(tables)} tables ({name_some(tables)}) and no class folders; give the path "
            f"of the one that is meant, such as {path / tables[0]}"
        )
    return path / tables[0]


def _splits(rows: Rows) -> dict[int, str]:
    if rows.columns.split is None:
        return dict.fromkeys(rows.kept, "")
    column = rows.cells.column(rows.columns.split)
    values = [column[row] for row in rows.kept]
    splits, notes = parse_splits(values, lambda place: rows.cells.at(rows.kept[place]), rows.file.name)
    rows.notes += notes
    return dict(zip(rows.kept, splits, strict=True))


def _dataset(rows: Rows, splits: dict[int, str], options: ReadOptions) -> Dataset:
    order = sorted(rows.kept, key=lambda row: path_key(rows.paths[row]))
    columns = rows.columns
    paths = [rows.paths[row] for row in order]
    targets = [rows.labels[row] for row in order]
    names = classes_of(targets, rows.file)

    def cells_of(heading: str) -> list[str]:
        column = rows.cells.column(heading)
        return [column[row] for row in order]

    groups = [cell.strip() for cell in cells_of(columns.group)] if columns.group else [""] * len(order)
    extra = {name: cells_of(name) for name in rows.cells.headings if name not in columns.used}
    known = {
        "id": paths,
        "path": paths,
        "target": targets,
        "split": [splits[row] for row in order],
        "group": groups,
    }
    table = build_table(known, extra)
    notes = [
        *similar_class_names(names),
        *class_without_training(table, _rows_of),
        *multi_label_hint(targets),
        *_missing_groups(groups, columns),
        *group_hints(table, list(extra), options.group_column is not None),
    ]
    return Dataset(
        table=table,
        class_names=names,
        root=rows.file.parent,
        skipped=tuple(rows.skipped),
        notes=(*rows.notes, *notes),
    )


def _rows_of(split: str, name: str) -> str:
    return f"rows of split {split} with label {name}"


def _missing_groups(groups: Sequence[str], columns: Columns) -> list[Finding]:
    empty = groups.count("")
    if columns.group is None or not empty:
        return []
    message = (
        f"{empty} of {counted(len(groups), 'picture')} have no {columns.group}; each of them stands alone"
    )
    return [Finding("missing_groups", "warning", message, (), "fill the column in if they belong together")]
