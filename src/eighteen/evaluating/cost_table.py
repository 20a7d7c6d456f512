"""What each mistake costs, from a table that people write.

In comes a CSV file with a row for each true class and a column for each answer, joined by name in any order;
out goes a `CostTable` in the model's order of classes. The first column holds the true classes, and its
heading may be anything:

    true,cat,dog
    cat,0,1
    dog,10,0
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eighteen.core.errors import DatasetError, EighteenError
from eighteen.core.findings import name_some
from eighteen.measuring.costs import cheapest_answer
from eighteen.measuring.scored import Floats

SEPARATORS = ",;\t"


@dataclass(frozen=True, eq=False)
class CostTable:
    """What answers cost.

    Attributes:
        costs: `[K, K]`, rows are true classes, columns answers.
        abstain_cost: of giving no answer; None where every picture gets one.
    """

    costs: Floats
    abstain_cost: float | None


def read_costs(path: Path, class_names: Sequence[str], abstain_cost: float | None = None) -> CostTable:
    """Reads a table of costs.

    Args:
        path: CSV, in UTF-8, separated by commas, semicolons or tabs.
        class_names: the K classes of the model.
        abstain_cost: of giving no answer, 0 or more.

    Raises:
        DatasetError: the file cannot be read, or is not a number for each pair of classes.
        EighteenError: a cost is negative, or a wrong answer is cheaper than the right one.
    """
    rows = _rows(path)
    answers = [cell.strip() for cell in rows[0][1:]]
    given = [row[0].strip() for row in rows[1:]]
    problems = [*_differences("row", given, class_names), *_differences("column", answers, class_names)]
    problems += [
        f"the row of '{name}' has {len(row) - 1} costs, expected {len(answers)}"
        for name, row in zip(given, rows[1:], strict=True)
        if len(row) - 1 != len(answers)
    ]
    if problems:
        raise DatasetError(
            f"{path} is no table of costs for this model: {'; '.join(problems)}. Give one row for each true "
            f"class and one column for each answer, under the names of the classes"
        )
    table = np.array(
        [[_number(cell, name, path) for cell in row[1:]] for name, row in zip(given, rows[1:], strict=True)]
    )
    ordered = table[[given.index(name) for name in class_names]][
        :, [answers.index(name) for name in class_names]
    ]
    even = np.full((1, len(class_names)), 1 / len(class_names))
    try:
        cheapest_answer(even, ordered, abstain_cost)
    except EighteenError as error:
        raise EighteenError(
            f"{path}: {error} (rows and columns count from 0 as in {list(class_names)})"
        ) from error
    return CostTable(ordered, abstain_cost)


def _rows(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DatasetError(
            f"the table of costs {path} cannot be read: {reason}; name another file"
        ) from error
    head = text.partition("\n")[0]
    try:
        parsed = csv.reader(
            io.StringIO(text, newline=""), delimiter=max(SEPARATORS, key=head.count), strict=True
        )
        rows = [row for row in parsed if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DatasetError(f"{path}: no readable CSV ({error}); save it again") from error
    if not rows:
        raise DatasetError(f"{path}: holds no rows; expected a row and a column for each class")
    return rows


def _differences(kind: str, found: Sequence[str], expected: Sequence[str]) -> list[str]:
    missing = [name for name in expected if name not in found]
    strange = [name for name in found if name not in expected]
    repeated = sorted({name for name in found if found.count(name) > 1})
    told = {"without a": missing, "no class of the model but a": strange, "more than one": repeated}
    return [f"{words} {kind}: {name_some(names)}" for words, names in told.items() if names]


def _number(cell: str, name: str, path: Path) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise DatasetError(
            f"{path}: '{cell}' in the row of '{name}' is no number; write costs as 2.5"
        ) from error
