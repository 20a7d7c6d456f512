"""The ledger of a test split: every time its labels were looked at, by any run.

It belongs to the pictures, not to a run: one file a split, named by the hash of its pictures and labels, in
the user's state folder. Corrected labels do not start a new one: it goes by the labels before corrections. A
number from a test split that was opened before is no longer unseen, and the report says so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eighteen.core import store
from eighteen.core.dataset import Dataset
from eighteen.core.places import state_folder

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def openings(dataset: Dataset) -> list[dict[str, Any]]:
    """Every opening of this data set's test split so far, oldest first."""
    return store.read_lines(_file(dataset))


def openings_by(dataset: Dataset, run: Path, since: str) -> list[dict[str, Any]]:
    """Every opening so far, where the last one was to evaluate this run; [] where it was not.

    Args:
        dataset: with the test split.
        run: its folder.
        since: when the run was made, as the ledger writes times: another one may have lain there before.
    """
    rows = openings(dataset)
    if not rows:
        return []
    last = rows[-1]
    by_it = (last["run"], last["purpose"]) == (run.resolve().as_posix(), "evaluate") and last["time"] >= since
    return rows if by_it else []


def record_opening(dataset: Dataset, run: Path, purpose: str) -> list[dict[str, Any]]:
    """Writes down that the test split is opened, before its labels are used; returns all openings.

    Raises:
        RunError: the state folder cannot be written, so the opening cannot be counted.
    """
    path = _file(dataset)
    store.make_folder(path.parent)
    opening = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "run": run.resolve().as_posix(),
        "purpose": purpose,
        "images": dataset.split_counts["test"],
    }
    store.append_line(path, opening)
    return store.read_lines(path)


def ledger_sentence(rows: list[Mapping[str, Any]] | list[dict[str, Any]]) -> str:
    """What the number of openings means for the last result.

    >>> ledger_sentence([{}, {}, {}])
    'This test split was opened 3 times; the third number is no longer unseen.'
    """
    count = len(rows)
    if count == 0:
        return "This test split was never opened."
    if count == 1:
        return "This test split was opened once: the number is unseen."
    ordinal = ORDINALS[count - 1] if count <= len(ORDINALS) else f"{count}th"
    return f"This test split was opened {count} times; the {ordinal} number is no longer unseen."


def _file(dataset: Dataset) -> Path:
    return state_folder("ledger") / f"{dataset.test_identity}.jsonl"
