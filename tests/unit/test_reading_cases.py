"""The failure cases that concern reading, as far as names and tables (not pixels) decide."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.reading import ReadOptions, read

pytestmark = pytest.mark.shared

ACCEPTED = ["C22", "C24", "C25", "C27", "C30", "C32", "C36", "C38", "C39", "C40", "C41", "C43", "C46"]
BY_PIXELS = ["C01", "C03", "C05", "C06", "C08", "C10", "C12", "C14", "C16", "C18", "C20", "C21", "C44", "C48"]


def said(dataset: Dataset) -> str:
    notes = [f"{note.check} {note.message} {note.advice}" for note in dataset.notes]
    return " ".join(notes + [f"{item.path} {item.reason}" for item in dataset.skipped])


def check(dataset: Dataset, expected: dict[str, object], mention: bool = True) -> None:
    if "n_used" in expected:
        assert len(dataset) == expected["n_used"]
    if "classes" in expected:
        assert list(dataset.class_names) == expected["classes"]
    assert set(expected.get("used", [])) <= set(dataset.ids)
    assert set(expected.get("skipped", [])) <= {item.path for item in dataset.skipped}
    assert set(expected.get("missing", [])) <= {item.path for item in dataset.skipped}
    for words in expected.get("mention", []) if mention else []:
        assert any(word in said(dataset) for word in words), words


@pytest.mark.parametrize("case", ACCEPTED)
def test_case(case: str, case_dir: Callable[[str], Path]) -> None:
    folder = case_dir(case)
    story = json.loads((folder / "case.json").read_text("utf-8"))
    expected = story["expected"]
    inputs = story["input"] if isinstance(story["input"], list) else [story["input"]]
    check(read(folder / inputs[0]), expected, mention=case != "C43")
    for path in inputs[1:]:
        check(read(folder / path), expected["second"])


@pytest.mark.parametrize("case", BY_PIXELS)
def test_no_picture_is_lost_before_its_content_is_looked_at(
    case: str, case_dir: Callable[[str], Path]
) -> None:
    folder = case_dir(case) / "data"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    dataset = read(folder)
    assert {*dataset.ids, *(item.path for item in dataset.skipped)} == files


def test_class_only_in_validation_blocks_and_names_folders(case_dir: Callable[[str], Path]) -> None:
    dataset = read(case_dir("C28") / "data")
    (finding,) = [note for note in dataset.notes if note.severity == "blocking"]
    assert finding.check == "class_without_training"
    assert "val/a" in finding.message
    assert "train/a" in finding.message
    assert "--accept class_without_training" in finding.advice
    assert set(finding.images) == {f"val/a/{p.name}" for p in (case_dir("C28") / "data/val/a").iterdir()}
    assert dataset.class_names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("case", "words"), [("C31", ["one class", "two"]), ("C34", ["folder", "class", "CSV"])]
)
def test_refused(case: str, words: list[str], case_dir: Callable[[str], Path]) -> None:
    with pytest.raises(DatasetError) as refused:
        read(case_dir(case) / "data")
    assert all(word in str(refused.value) for word in words)


def test_patients_are_groups_only_when_named(case_dir: Callable[[str], Path]) -> None:
    table = case_dir("C46") / "data" / "labels.csv"
    assert set(read(table).table["group"]) == {""}
    assert "--group-column patient_id" in said(read(table))
    grouped = read(table, ReadOptions(group_column="patient_id"))
    assert grouped.table["group"].n_unique() == 8
    assert "group_hint" not in {note.check for note in grouped.notes}


def test_metadata_beside_real_class_folders_is_joined(shared_data: Callable[[str], Path]) -> None:
    dataset = read(shared_data("clothing"), ReadOptions(group_column="sender_id"))
    assert dataset.counts["splits"] == {"train": 1547, "val": 341, "test": 372}
    assert len(dataset.class_names) == 10
    assert dataset.table["group"].n_unique() == 259
    assert dataset.table["metadata_split"].n_unique() == 3
    assert dataset.skipped == ()
