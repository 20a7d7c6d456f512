"""Cells that name a split, by the same spellings as folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding, name_some
from eighteen.reading._names import counted, split_of


def parse_splits(
    values: Sequence[str], at: Callable[[int], str], where: str, fallback: Sequence[str] | None = None
) -> tuple[list[str], list[Finding]]:
    """Cells as splits; an empty one takes the fallback, or train where other rows have a split.

    A picture without a word about its split never enters validation or test: those are what somebody chose.

    Raises:
        DatasetError: cells that mean no split, with their lines.
    """
    meanings = [split_of(value) if value.strip() else "" for value in values]
    unknown: dict[str, list[str]] = {}
    for row, meaning in enumerate(meanings):
        if meaning is None:
            unknown.setdefault(values[row].strip(), []).append(at(row))
    if unknown:
        named = name_some([f"'{value}' ({name_some(lines, 3)})" for value, lines in unknown.items()])
        raise DatasetError(
            f"{where}: unknown splits {named}; expected train, val or test (or Training, valid, dev, Testing "
            "and the like), or an empty cell. Correct them or rename the column"
        )
    if not any(meanings):
        return list(fallback or [""] * len(values)), []
    empty = [row for row, meaning in enumerate(meanings) if not meaning]
    splits = [
        meaning or (fallback[row] if fallback and fallback[row] else "train")
        for row, meaning in enumerate(meanings)
    ]
    if not empty:
        return splits, []
    named = name_some([at(row) for row in empty])
    message = f"{counted(len(empty), 'row')} of {where} without a split beside others that have one: {named}"
    advice = "they are used for training unless their folder says otherwise; fill the cells in to change that"
    return splits, [Finding("missing_splits", "warning", message, (), advice)]
