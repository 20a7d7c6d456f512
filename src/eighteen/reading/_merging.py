"""One row a picture: what happens when several rows of a table name the same file.

Rows that agree count once; two labels leave the picture out of every split; of two splits the stricter one
(test, then validation) keeps it, so that no picture is trained on and tested with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from eighteen.core.dataset import Skipped
from eighteen.core.findings import Finding, Severity, name_some
from eighteen.reading._cells import Cells
from eighteen.reading._names import counted
from eighteen.reading._rows import Rows

_STRENGTH = {"test": 3, "val": 2, "train": 1, "": 0}


def merge_equal_paths(rows: Rows, splits: dict[int, str]) -> None:
    """One row a picture: equal rows count once, two labels leave the picture out, of two splits one stays."""
    of_path: dict[str, list[int]] = defaultdict(list)
    for row in rows.kept:
        of_path[rows.paths[row]].append(row)
    several = {path: numbers for path, numbers in of_path.items() if len(numbers) > 1}
    conflicts = {
        path: numbers for path, numbers in several.items() if len({rows.labels[n] for n in numbers}) > 1
    }
    _leave_out_conflicts(rows, conflicts)
    agreeing = {path: numbers for path, numbers in several.items() if path not in conflicts}
    torn = {path: numbers for path, numbers in agreeing.items() if len({splits[n] for n in numbers}) > 1}
    _note_torn(rows, torn, splits)
    stay = {
        path: max(numbers, key=lambda n: (_STRENGTH[splits[n]], -n)) for path, numbers in agreeing.items()
    }
    surplus = {n for path, numbers in agreeing.items() for n in numbers if n != stay[path]}
    rows.kept = [row for row in rows.kept if row not in surplus]
    _note_repeated(rows, {path: numbers for path, numbers in agreeing.items() if path not in torn})


def _leave_out_conflicts(rows: Rows, conflicts: dict[str, list[int]]) -> None:
    if not conflicts:
        return
    lines = {
        path: _lines_by(numbers, dict(enumerate(rows.labels)), rows.cells)
        for path, numbers in conflicts.items()
    }
    gone = {number for numbers in conflicts.values() for number in numbers}
    rows.kept = [row for row in rows.kept if row not in gone]
    rows.out["conflicting_labels"] += len(gone)
    rows.skipped += [Skipped(path, f"two labels: {named}") for path, named in lines.items()]
    named = name_some([f"{path} is {where}" for path, where in lines.items()])
    message = f"{counted(len(lines), 'picture')} with contradictory labels, left out of every split: {named}"
    advice = "decide for one label each and correct the table"
    rows.notes.append(Finding("conflicting_labels", "warning", message, tuple(lines), advice))


def _lines_by(numbers: Iterable[int], values: Mapping[int, str], cells: Cells) -> str:
    return " and ".join(f"'{values[number]}' ({cells.at(number)})" for number in numbers)


def _note_torn(rows: Rows, torn: dict[str, list[int]], splits: dict[int, str]) -> None:
    if not torn:
        return
    named = name_some(
        [f"{path} is in {_lines_by(numbers, splits, rows.cells)}" for path, numbers in torn.items()]
    )
    message = f"{counted(len(torn), 'picture')} listed in two splits: {named}"
    advice = (
        "the test row stays, else the validation row, and the other goes; correct the table to change that"
    )
    rows.notes.append(Finding("split_conflict", "warning", message, tuple(torn), advice))


def _note_repeated(rows: Rows, repeated: dict[str, list[int]]) -> None:
    if not repeated:
        return
    surplus = sum(len(numbers) - 1 for numbers in repeated.values())
    where = [f"{path} ({', '.join(map(rows.cells.at, numbers))})" for path, numbers in repeated.items()]
    message = f"{counted(surplus, 'row')} too many for pictures that count once: {name_some(where)}"
    differing = [
        path
        for path, numbers in repeated.items()
        if len({_other_cells(rows, number) for number in numbers}) > 1
    ]
    if differing:
        message += f"; for {name_some(differing)} other columns differ and the first row stands"
    severity: Severity = "warning" if differing else "info"
    rows.notes.append(Finding("repeated_rows", severity, message, tuple(repeated), "remove the surplus rows"))


def _other_cells(rows: Rows, number: int) -> tuple[str, ...]:
    headings, used = rows.cells.headings, rows.columns.used
    pairs = zip(headings, rows.cells.rows[number], strict=False)
    return tuple(cell.strip() for heading, cell in pairs if heading not in used)
