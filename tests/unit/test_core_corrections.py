"""Corrections: what a file says, what it does to a data set, and that nothing else is touched."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eighteen import Corrections, Dataset, Recipe, audit, read
from eighteen.api.data import pinned
from eighteen.core import stored
from eighteen.core.corrections import ACTIONS, Correction
from eighteen.core.errors import DatasetError, RecipeError
from eighteen.evaluating import ledger

HEADING = "path,action,label,reason,by,time\n"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six different pictures of each of two classes in train and in test."""
    random = np.random.default_rng(0)
    for place in ("train/cat", "train/dog", "test/cat", "test/dog"):
        folder = tmp_path / "photos" / place
        folder.mkdir(parents=True)
        for number in range(6):
            Image.fromarray(random.integers(0, 255, (16, 16, 3), np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "photos"


@pytest.fixture
def table(photos: Path) -> Callable[[str], Path]:
    def written(rows: str) -> Path:
        path = photos.parent / "corrections.csv"
        path.write_text(HEADING + rows, encoding="utf-8")
        return path

    return written


def recipe_with(path: Path, **more: str) -> Recipe:
    return Recipe().changed(data={"corrections": path.as_posix(), **more})


def label_of(dataset: Dataset, image: str) -> str:
    return dict(dataset.table.select("id", "target").iter_rows())[image]


# The file


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    rows = (
        Correction("cat/a,b.png", "relabel", "dog", 'was "cat"; of two', "ann", "2026-01-31T12:00:00Z"),
        Correction("cat/line\nbreak.png", "drop", "", "a\nb", "", ""),
        Correction("ß/ü 漢.png", "keep"),
    )
    Corrections(rows).write(tmp_path / "c.csv")
    found = Corrections.read(tmp_path / "c.csv")
    assert found.rows[0] == rows[0] and found.rows[2] == rows[2]
    assert (found.rows[1].path, found.rows[1].reason) == ("cat/line\nbreak.png", "a\\nb")
    assert found.sha256 == hashlib.sha256((tmp_path / "c.csv").read_bytes()).hexdigest()
    assert (tmp_path / "c.csv").read_text("utf-8").startswith(HEADING)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffpath,action,label\r\na.png,relabel,dog\r\n",
        "path;action;label\na.png;relabel;dog\n\n",
        "label\tAction\tPath\tnotes\ndog\t Relabel \ta.png\tmine\n",
        'path,action,label\n"a.png","relabel","dog"',
    ],
)
def test_tables_of_spreadsheets_are_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(text, encoding="utf-8", newline="")
    (row,) = Corrections.read(tmp_path / "c.csv").rows
    assert (row.path, row.action, row.label) == ("a.png", "relabel", "dog")


def test_a_line_that_a_crash_cut_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(HEADING + "a.png,drop,,,,\nb.png,dr", encoding="utf-8")
    assert [row.path for row in Corrections.read(tmp_path / "c.csv").rows] == ["a.png"]


@pytest.mark.parametrize("cut", ["train/cat/1.png,drop", 'train/cat/1.png,relabel,dog,"was'])
def test_that_a_line_was_left_out_is_said(cut: str, photos: Path, table: Callable[[str], Path]) -> None:
    done = Corrections.read(table("train/cat/0.png,drop,,,,\n" + cut)).applied_to(read(photos))
    assert done.notes[-1].message == (
        "corrections.csv: 0 labels changed, 1 pictures dropped, 0 kept, 0 undecided; line 3, the last one, "
        "ends too early and was left out: complete it"
    )


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (HEADING + 'a.png,drop,"not clothes,,\nb.png,drop,,,,\n', 2),
        (HEADING + 'a.png,drop,,,,\nb.png,drop,"not clothes,,\n', 3),
        (HEADING + 'a.png,drop,"not clothes,,\nb.png,drop,,,,', 2),
        ('path,action,"label\na.png,drop,\n', 1),
    ],
)
def test_a_quote_that_is_never_closed_swallows_nothing(content: str, line: int, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError, match=f"a quote in line {line} is never closed"):
        Corrections.read(tmp_path / "c.csv")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "lacks the column path and action"),
        (b"image,label\na.png,dog\n", "lacks the column path and action; expected the first line path,act"),
        (b"path,action\n\xff\xfe,drop\n", "no text in UTF-8"),
    ],
)
def test_what_is_no_table_of_corrections_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=words):
        Corrections.read(tmp_path / "c.csv")
    with pytest.raises(DatasetError, match="cannot read the corrections"):
        Corrections.read(tmp_path / "none.csv")


# Applying


def test_every_action_does_what_it_says(photos: Path, table: Callable[[str], Path]) -> None:
    rows = "train/cat/0.png,relabel,dog,,,\ntrain/cat/1.png,drop,,blurred,,\ntrain/cat/2.png,keep,,,,\n"
    plain = read(photos)
    done = Corrections.read(table(rows + "train/cat/3.png,unsure,,,,\n")).applied_to(plain)
    assert label_of(done, "train/cat/0.png") == "dog"
    assert "train/cat/1.png" not in done.ids
    assert [row.reason for row in done.skipped] == ["dropped by corrections.csv: blurred"]
    others = {"train/cat/0.png", "train/cat/1.png"}
    assert {i: label_of(done, i) for i in done.ids if i not in others} == {
        i: label_of(plain, i) for i in plain.ids if i not in others
    }
    before = dict(done.table.select("id", "label_before").iter_rows())
    assert {image for image, label in before.items() if label} == {"train/cat/0.png"}
    assert before["train/cat/0.png"] == "cat"
    assert [note.message for note in done.notes if note.check == "corrections"] == [
        "corrections.csv: 1 labels changed, 1 pictures dropped, 1 kept, 1 undecided"
    ]
    assert label_of(plain, "train/cat/0.png") == "cat", "the data set that was given stays as it is"


def test_the_last_decision_counts(photos: Path, table: Callable[[str], Path]) -> None:
    """As a review writes them: by time, also within one second, and after lines of a spreadsheet."""
    rows = "train/cat/0.png,drop,,,,\ntrain/cat/0.png,relabel,dog,,ann,2026-01-31T12:00:00Z\n"
    rows += "train/cat/0.png,drop,,,bob,2026-01-31T12:00:00Z\n"
    done = Corrections.read(table(rows + "train/cat/0.png,keep,,,ann,2026-01-31T12:00:01Z\n"))
    assert label_of(done.applied_to(read(photos)), "train/cat/0.png") == "cat"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("drop,,,,", "keep,,,,"),
        ("relabel,dog,,,", "relabel,cat,,,"),
        ("drop,,,ann,2026-01-31T12:00:00Z", "keep,,,bob,"),
        ("drop,,,ann,2026-01-31T12:00:00Z", "keep,,,bob,2026-01-30T12:00:00Z"),
        ("drop,,,ann,31.1.2026 12:00", "keep,,,bob,2026-01-30T12:00:00Z"),
    ],
)
def test_lines_that_contradict_each_other_are_refused(
    first: str, second: str, photos: Path, table: Callable[[str], Path]
) -> None:
    rows = f"train/cat/0.png,{first}\ntrain/cat/1.png,keep,,,,\ntrain/cat/0.png,{second}\n"
    with pytest.raises(DatasetError) as refused:
        Corrections.read(table(rows)).applied_to(read(photos))
    said = str(refused.value)
    assert "corrections.csv does not fit" in said and "a problem: lines 2 and 4 decide differently" in said
    assert "about 'train/cat/0.png'" in said and "keep one of them" in said


def test_equal_decisions_do_no_harm(photos: Path, table: Callable[[str], Path]) -> None:
    once, twice = "train/cat/0.png,relabel,dog,,,\n", "train/cat/0.png,relabel,dog,seen again,bob,\n"
    done = Corrections.read(table(once + twice)).applied_to(read(photos))
    assert label_of(done, "train/cat/0.png") == "dog"


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("path,action,label,Label,,\na.png,relabel,dog,cat,,\n", "utf-8")
    with pytest.raises(DatasetError, match=r"c\.csv, line 1: the column label is there more.*rename"):
        Corrections.read(path)
    path.write_text("path,action,notes,notes,,\na.png,drop,a,b,,\n", "utf-8")
    assert [row.action for row in Corrections.read(path).rows] == ["drop"], "others are passed over"


def test_only_labels_that_change_are_counted(tmp_path: Path, table: Callable[[str], Path]) -> None:
    """Not one that is called what it was called already, nor one that its table contradicts."""
    for name in ("a", "b", "c", "d"):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
    index = tmp_path / "index.csv"
    index.write_text("image,label\na.png,cat\nb.png,dog\nc.png,cat\nd.png,cat\nd.png,dog\n", "utf-8")
    rows = "a.png,relabel,cat,,,\nb.png,relabel,cat,,,\nd.png,relabel,cat,,,\n"
    once = Corrections.read(table(rows)).applied_to(read(index))
    assert once.notes[-1].message == (
        "corrections.csv: 1 labels changed, 0 pictures dropped, 1 kept, 0 undecided; labels of pictures that "
        "are left out already, without effect: d.png"
    )
    assert Corrections.read(table(rows)).applied_to(once).notes == once.notes


def test_applying_twice_is_applying_once(photos: Path, table: Callable[[str], Path]) -> None:
    found = Corrections.read(table("train/cat/0.png,relabel,dog,,,\ntrain/cat/1.png,drop,,,,\n"))
    once = found.applied_to(read(photos))
    twice = found.applied_to(once)
    assert twice.table.equals(once.table)
    assert (twice.skipped, twice.notes) == (once.skipped, once.notes)


def test_all_problems_are_told_at_once(photos: Path, table: Callable[[str], Path]) -> None:
    rows = "train/cat/0.png,relabel,bird,,,\nnowhere.png,drop,,,,\ntrain/cat/1.png,delete,,,,\n"
    with pytest.raises(DatasetError) as refused:
        Corrections.read(table(rows + "train/cat/2.png,relabel,,,,\n")).applied_to(read(photos))
    said = str(refused.value)
    assert "4 problems" in said
    assert "line 2: 'bird' is no class; there are cat, dog" in said
    assert "line 3: there is no picture 'nowhere.png'" in said
    assert f"line 4: 'delete' is no action; there are {', '.join(ACTIONS)}" in said
    assert "line 5: '' is no class" in said


def test_no_file_is_touched(photos: Path, table: Callable[[str], Path]) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in photos.rglob("*.png")}
    path = table("train/cat/0.png,relabel,dog,,,\ntrain/cat/1.png,drop,,,,\n")
    audit(photos, recipe_with(path))
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in photos.rglob("*.png")} == before
    assert {path.suffix for path in photos.rglob("*") if path.is_file()} == {".png"}


def test_a_contradiction_that_is_decided_is_used(photos: Path, table: Callable[[str], Path]) -> None:
    (photos / "train/dog/copy.png").write_bytes((photos / "train/cat/0.png").read_bytes())
    assert "train/cat/0.png" not in audit(photos).dataset.ids
    decided = audit(photos, recipe_with(table("train/dog/copy.png,relabel,cat,,,\n"))).dataset
    assert {"train/cat/0.png", "train/dog/copy.png"} <= set(decided.ids)


# The recipe


def test_a_stored_recipe_names_the_content(photos: Path, table: Callable[[str], Path]) -> None:
    path = table("train/cat/0.png,relabel,dog,,,\n")
    stored_recipe = pinned(recipe_with(path))
    assert stored_recipe.data.corrections_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert label_of(read(photos, stored_recipe), "train/cat/0.png") == "dog"
    table("train/cat/0.png,keep,,,,\n")
    with pytest.raises(DatasetError, match=r"has changed: its hash is .* restore the file"):
        read(photos, stored_recipe)


def test_a_hash_without_a_file_is_refused() -> None:
    with pytest.raises((RecipeError, ValueError), match="give both"):
        Recipe().changed(data={"corrections_sha256": "0" * 64})


# The test split and its ledger


def test_corrected_test_labels_do_not_make_a_split_unseen(
    photos: Path, table: Callable[[str], Path], tmp_path: Path
) -> None:
    plain = audit(photos).dataset
    assert not plain.test_origin
    ledger.record_opening(plain.subset("test"), tmp_path / "first", "evaluate")
    rows = "test/cat/0.png,relabel,dog,,,\ntest/cat/1.png,drop,,,,\n"
    found = audit(photos, recipe_with(table(rows)))
    corrected = found.dataset
    assert corrected.split_fingerprint("test") != plain.split_fingerprint("test")
    assert corrected.test_identity == plain.test_identity
    (said,) = [finding for finding in found.findings if finding.check == "corrected_test"]
    assert "1 other labels, 1 pictures less, 0 more of 12" in said.message
    assert said.images == ("test/cat/0.png", "test/cat/1.png")
    openings = ledger.record_opening(corrected.subset("test"), tmp_path / "second", "evaluate")
    assert len(openings) == len(ledger.openings(plain)) == 2

    stored.write_dataset(tmp_path, corrected)
    assert stored.read_dataset(tmp_path).test_identity == plain.test_identity


def test_it_holds_for_a_split_that_is_made(photos: Path, table: Callable[[str], Path]) -> None:
    recipe = Recipe().changed(data={"resplit": True})
    plain = audit(photos, recipe).dataset
    image = plain.subset("test").ids[0]
    other = "dog" if label_of(plain, image) == "cat" else "cat"
    path = table(f"{image},relabel,{other},,,\n")
    corrected = audit(photos, recipe_with(path).changed(data={"resplit": True})).dataset
    assert corrected.test_identity == plain.test_identity != corrected.split_fingerprint("test")


def test_corrections_of_training_pictures_leave_the_test_split_alone(
    photos: Path, table: Callable[[str], Path]
) -> None:
    found = audit(photos, recipe_with(table("train/cat/0.png,relabel,dog,,,\n")))
    assert not found.dataset.test_origin
    assert "corrected_test" not in {finding.check for finding in found.findings}
