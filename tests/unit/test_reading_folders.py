"""Class folders, with everything that lies between and beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding
from eighteen.reading import ReadOptions, layouts, read
from eighteen.reading._names import SPLIT_SPELLINGS
from eighteen.reading._walk import walk

Plant = Callable[..., Path]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Makes files (with a few bytes each) below a fresh folder."""

    def planted(*names: str, content: bytes = b"\xff\xd8\xff....") -> Path:
        root = tmp_path / "data"
        for name in names:
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return root

    return planted


def finding(dataset: Dataset, check: str) -> Finding:
    found = [note for note in dataset.notes if note.check == check]
    assert len(found) == 1, [note.check for note in dataset.notes]
    return found[0]


def checks(dataset: Dataset) -> set[str]:
    return {note.check for note in dataset.notes}


def test_layouts_are_asked_in_a_stated_order() -> None:
    assert [module.__name__.rpartition(".")[2] for module in layouts()] == ["idx", "table", "folders"]


def test_a_root_whose_name_is_no_text_is_refused(plant: Plant, tmp_path: Path) -> None:
    plant("cat/1.jpg", "dog/1.jpg").rename(tmp_path / os.fsdecode(b"caf\xe9"))
    with pytest.raises(DatasetError, match="not valid UTF-8"):
        read(tmp_path / os.fsdecode(b"caf\xe9"))


def test_plain_class_folders(plant: Plant) -> None:
    dataset = read(plant("cat/2.jpg", "cat/10.jpg", "dog/1.jpg"))
    assert dataset.ids == ["cat/2.jpg", "cat/10.jpg", "dog/1.jpg"]
    assert dataset.table["target"].to_list() == ["cat", "cat", "dog"]
    assert not dataset.has_splits
    assert dataset.notes == ()
    assert dataset.table["sha256"].to_list() == [""] * 3


@pytest.mark.parametrize(
    ("name", "split"), [(n.upper(), s) for s, names in SPLIT_SPELLINGS.items() for n in sorted(names)]
)
def test_every_spelling_of_a_split(plant: Plant, name: str, split: str) -> None:
    other = "test" if split == "train" else "train"
    dataset = read(
        plant(f"{name}/cat/1.jpg", f"{name}/dog/1.jpg", f"{other}/cat/2.jpg", f"{other}/dog/2.jpg")
    )
    assert dataset.subset(split).ids == [f"{name}/cat/1.jpg", f"{name}/dog/1.jpg"]
    assert dataset.class_names == ("cat", "dog")


def test_two_spellings_make_one_split_and_are_named(plant: Plant) -> None:
    dataset = read(plant("train/a/1.jpg", "Training/b/2.jpg", "val/a/3.jpg", "val/b/3.jpg"))
    assert dataset.split_counts == {"train": 2, "val": 2, "test": 0}
    assert "Training and train" in finding(dataset, "merged_splits").message


def test_one_class_index_over_all_splits(plant: Plant) -> None:
    dataset = read(plant("train/b/1.jpg", "train/c/1.jpg", "train/a/1.jpg", "test/c/1.jpg", "test/a/1.jpg"))
    assert dataset.class_names == ("a", "b", "c")
    assert dataset.subset("test").class_index().tolist() == [0, 2]


def test_folders_beside_the_splits_are_left_out_by_name(plant: Plant) -> None:
    dataset = read(plant("train/a/1.jpg", "train/b/1.jpg", "test/a/2.jpg", "misc/x.jpg", "y.jpg"))
    assert dataset.class_names == ("a", "b")
    assert {item.path for item in dataset.skipped} == {"misc/x.jpg", "y.jpg"}
    assert finding(dataset, "beside_splits").images == ("misc/x.jpg", "y.jpg")


def test_a_class_may_be_called_train_beside_other_classes(plant: Plant) -> None:
    dataset = read(plant("car/1.jpg", "bus/1.jpg", "train/1.jpg"))
    assert dataset.class_names == ("bus", "car", "train")
    assert not dataset.has_splits
    assert "train" in finding(dataset, "class_named_like_split").message


def test_a_nested_class_may_be_called_train_too(plant: Plant) -> None:
    dataset = read(plant("car/red/1.jpg", "bus/blue/1.jpg", "train/steam/1.jpg"))
    assert dataset.class_names == ("bus", "car", "train")


def test_a_single_split_is_known_by_the_names_below_it(plant: Plant) -> None:
    dataset = read(plant("train/a/1.jpg", "train/b/1.jpg", "holdout/a/2.jpg", "holdout/b/2.jpg"))
    assert dataset.split_counts["train"] == 2
    assert len(dataset.skipped) == 2


def test_split_or_class_that_cannot_be_told_is_refused(plant: Plant) -> None:
    with pytest.raises(DatasetError, match=r"train .*misc.*rename"):
        read(plant("train/a/1.jpg", "train/b/1.jpg", "misc/1.jpg"))


def test_split_folders_without_classes_are_refused(plant: Plant) -> None:
    with pytest.raises(DatasetError, match="one folder per class"):
        read(plant("train/1.jpg", "test/2.jpg"))


def test_unlabelled_test_folder_is_left_out(plant: Plant) -> None:
    dataset = read(plant("train/a/1.jpg", "train/b/1.jpg", "test/1.jpg", "test/2.jpg"))
    assert dataset.split_counts == {"train": 2, "val": 0, "test": 0}
    assert finding(dataset, "no_class_folder").images == ("test/1.jpg", "test/2.jpg")


def test_only_test_pictures_block_training_but_can_be_read(plant: Plant) -> None:
    dataset = read(plant("test/a/1.jpg", "test/b/1.jpg"))
    assert finding(dataset, "no_training_pictures").severity == "blocking"
    assert dataset.split_counts["test"] == 2


def test_class_only_in_test_blocks(plant: Plant) -> None:
    root = plant("train/a/1.jpg", "train/b/1.jpg", "Testing/c/1.jpg", "dev/c/1.jpg")
    (root / "train" / "c").mkdir()
    (root / "train" / "c" / "notes.txt").write_text("to come")
    dataset = read(root)
    blocked = finding(dataset, "class_without_training")
    assert blocked.images == ("Testing/c/1.jpg", "dev/c/1.jpg")
    assert "1 validation picture (dev/c)" in blocked.message
    assert "Testing/c" in blocked.message
    assert "no training pictures (train/c)" in blocked.message


def test_hidden_files_count_and_never_join(plant: Plant) -> None:
    root = plant(
        "cat/1.jpg", "dog/1.jpg", ".cache/cat/1.jpg", "cat/.hidden.jpg", "cat/._1.jpg", "__MACOSX/cat/1.jpg",
        "THUMBS.DB", "dog/.ipynb_checkpoints/1.jpg", "$RECYCLE.BIN/x.jpg", "cat/@eaDir/1.jpg",
        "lost+found/1.jpg",
    )  # fmt: skip
    dataset = read(root)
    assert dataset.class_names == ("cat", "dog")
    assert len(dataset) == 2
    message = finding(dataset, "ignored_files").message
    assert "7 known" in message
    assert "2 other" in message
    assert ".cache" in message
    assert dataset.skipped == ()


def test_texts_are_counted_and_pictures_under_their_names_are_kept(plant: Plant) -> None:
    root = plant("cat/1.jpg", "dog/1.jpg", "dog/really_a_picture.txt")
    (root / "cat" / "README").write_text("about cats")
    (root / "cat" / "1.json").write_text("{}")
    dataset = read(root)
    assert "dog/really_a_picture.txt" in dataset.ids
    assert "2 files" in finding(dataset, "other_files").message
    assert dataset.skipped == ()


def test_films_are_skipped_with_a_reason(plant: Plant) -> None:
    root = plant("cat/1.jpg", "dog/1.jpg")
    (root / "cat" / "run.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    dataset = read(root)
    assert [item.path for item in dataset.skipped] == ["cat/run.mp4"]


@pytest.mark.parametrize("name", ["x", "x.JPG", "x.heic", "x.dng", "x.unknown", "x.jpg.bak", "x.5"])
def test_unknown_endings_are_left_to_the_content(plant: Plant, name: str) -> None:
    assert f"cat/{name}" in read(plant(f"cat/{name}", "dog/1.jpg", content=b"??")).ids


def test_empty_classes_are_named_and_take_no_index(plant: Plant) -> None:
    root = plant("train/cat/1.jpg", "train/dog/1.jpg", "val/cat/1.jpg")
    for folder in ("train/emu", "val/emu", "val/dog"):
        (root / folder).mkdir(parents=True)
    dataset = read(root)
    assert dataset.class_names == ("cat", "dog")
    assert "train/emu, val/emu" in finding(dataset, "empty_class").message
    assert finding(dataset, "empty_class").severity == "warning"
    assert "val/dog" in finding(dataset, "empty_class_folder").message


def test_one_class_is_refused_and_empty_ones_are_named(plant: Plant) -> None:
    root = plant("cat/1.jpg")
    (root / "dog").mkdir()
    with pytest.raises(DatasetError, match=r"found one class \(cat\).*at least two.*dog"):
        read(root)


@pytest.mark.parametrize("pair", [("Cat", "cat"), ("caf\u00e9", "cafe\u0301"), ("cat", "cat ")])
def test_classes_that_differ_only_in_writing_are_named(plant: Plant, pair: tuple[str, str]) -> None:
    dataset = read(plant(f"{pair[0]}/1.jpg", f"{pair[1]}/2.jpg", "dog/1.jpg"))
    assert len(dataset.class_names) == 3
    assert finding(dataset, "similar_class_names").severity == "warning"


def test_wrong_levels_name_the_right_path(plant: Plant) -> None:
    root = plant("set/cat/1.jpg", "set/dog/1.jpg")
    with pytest.raises(DatasetError, match=r"data/set looks right"):
        read(root)
    with pytest.raises(DatasetError, match=r"data/set looks right"):
        read(root / "set" / "cat")


@pytest.mark.parametrize("make", [lambda r: r.mkdir(), lambda r: None])
def test_nothing_there_shows_the_layouts(tmp_path: Path, make: Callable[[Path], None]) -> None:
    root = tmp_path / "data"
    make(root)
    with pytest.raises(DatasetError, match=r"one folder per class.*CSV"):
        read(root)


def test_a_path_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file"):
        read(tmp_path / ("x" * 5000))


def test_links_end_and_nothing_is_read_twice(plant: Plant) -> None:
    root = plant("cat/1.jpg", "dog/1.jpg")
    (root / "cat" / "loop").symlink_to(root)
    (root / "dog" / "self").symlink_to(root / "dog")
    (root / "kitten").symlink_to("cat")
    (root / "cat" / "gone.jpg").symlink_to("nowhere.jpg")
    (root / "cat" / "ring.jpg").symlink_to("ring.jpg")
    dataset = read(root)
    assert dataset.ids == ["cat/1.jpg", "dog/1.jpg"]
    assert {item.path for item in dataset.skipped} == {"cat/gone.jpg", "cat/ring.jpg"}
    assert "3 links" in finding(dataset, "linked_folders").message


def test_links_to_hidden_stores_inside_are_followed(plant: Plant) -> None:
    root = plant(".store/cat/1.jpg", ".store/9.jpg", "dog/1.jpg")
    (root / "cat").symlink_to(".store/cat")
    (root / "dog" / "9.jpg").symlink_to("../.store/9.jpg")
    assert read(root).ids == ["cat/1.jpg", "dog/1.jpg", "dog/9.jpg"]


def test_links_that_lead_out_need_the_option(plant: Plant, tmp_path: Path) -> None:
    root = plant("cat/1.jpg", "dog/1.jpg")
    outer = tmp_path / "outer"
    outer.mkdir()
    (outer / "2.jpg").write_bytes(b"\xff\xd8\xff")
    (root / "cat" / "2.jpg").symlink_to(outer / "2.jpg")
    (root / "emu").symlink_to(outer)
    dataset = read(root)
    assert dataset.class_names == ("cat", "dog")
    assert finding(dataset, "outside_paths").images == ("cat/2.jpg", "emu")
    assert "allow_outside" in finding(dataset, "outside_paths").advice
    allowed = read(root, ReadOptions(allow_outside=True))
    assert allowed.ids == ["cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "emu/2.jpg"]


def test_names_that_are_no_text_are_left_out_and_can_be_written(plant: Plant) -> None:
    root = plant("cat/1.jpg", "dog/1.jpg")
    Path(os.fsdecode(os.fsencode(root / "cat") + b"/caf\xe9.jpg")).write_bytes(b"\xff\xd8\xff")
    dataset = read(root)
    (skipped,) = dataset.skipped
    assert skipped.path == "cat/caf\\xe9.jpg"
    assert "UTF-8" in json.dumps(skipped.to_json()).encode("utf-8").decode()


def test_pipes_never_hang(plant: Plant) -> None:
    root = plant("cat/1.jpg", "dog/1.jpg")
    os.mkfifo(root / "cat" / "pipe.jpg")
    assert [item.path for item in read(root).skipped] == ["cat/pipe.jpg"]


def test_folders_that_cannot_be_opened_are_named(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    root = plant("cat/1.jpg", "dog/1.jpg", "dog/secret/2.jpg")
    scandir = os.scandir

    def guarded(path: str) -> object:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    (skipped,) = read(root).skipped
    assert skipped.path == "dog/secret"
    assert "Permission denied" in skipped.reason


@pytest.fixture
def deep_root(tmp_path: Path) -> Iterator[Path]:
    """A folder with a picture 1100 folders down, deeper than Python's calls may nest."""
    levels = [tmp_path / "deep"]
    for _ in range(1100):
        levels.append(levels[-1] / "d")
    for level in levels:
        level.mkdir()
    (levels[-1] / "1.jpg").write_bytes(b"\xff\xd8\xff")
    yield levels[0]
    (levels[-1] / "1.jpg").unlink()
    # shutil.rmtree, which clears up after tests, nests its calls.
    for level in reversed(levels):
        level.rmdir()


def test_very_deep_folders_are_searched(deep_root: Path) -> None:
    assert len(walk(deep_root).pictures) == 1


def test_strange_names_come_back_letter_for_letter(plant: Plant) -> None:
    names = ["Straße/a b.jpg", "猫/😀#%20'\"[x].jpg", "two  words/line\nbreak.jpg", "back\\slash/1.jpg"]
    assert set(read(plant(*names)).ids) == set(names)


def write(root: Path, name: str, text: str) -> None:
    (root / name).write_text(text, "utf-8")


def test_metadata_is_joined_and_never_a_second_layout(plant: Plant) -> None:
    root = plant("cat/1.jpg", "cat/2.jpg", "dog/1.jpg")
    write(
        root,
        "metadata.csv",
        "file_name,label,age,group\ncat/1.jpg,dog,007,x\n./dog\\1.jpg,dog,NA,y\nno.jpg,,,\n",
    )
    dataset = read(root)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.table["age"].to_list() == ["007", "", "NA"]
    assert dataset.table["metadata_group"].to_list() == ["x", "", "y"]
    assert set(dataset.table["group"]) == {""}
    assert "2 of 3 pictures" in finding(dataset, "metadata_joined").message
    assert finding(dataset, "metadata_label_differs").images == ("cat/1.jpg",)
    assert "other_files" not in checks(dataset)


def test_named_columns_of_metadata_group_and_split(plant: Plant) -> None:
    root = plant("cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg")
    rows = "cat/1.jpg,train,p1\ncat/2.jpg,Valid,p2\ndog/1.jpg,,p1\ndog/2.jpg,test,\n"
    write(root, "metadata.tsv", f"path,part,who\n{rows}".replace(",", "\t"))
    dataset = read(root, ReadOptions(split_column="part", group_column="who"))
    assert dataset.table["split"].to_list() == ["train", "val", "train", "test"]
    assert dataset.table["group"].to_list() == ["p1", "p2", "p1", ""]
    assert "dog/1.jpg" in finding(dataset, "missing_splits").message
    assert "1 of 4" in finding(dataset, "missing_groups").message


def test_an_absent_column_is_refused_with_the_columns_there_are(plant: Plant) -> None:
    root = plant("cat/1.jpg", "dog/1.jpg")
    with pytest.raises(DatasetError, match=r"metadata.csv with a column path"):
        read(root, ReadOptions(group_column="who"))
    write(root, "metadata.csv", "path,patient\ncat/1.jpg,a\n")
    with pytest.raises(DatasetError, match=r"--group-column who.*patient"):
        read(root, ReadOptions(group_column="who"))


def test_metadata_inside_splits_starts_from_its_own_folder(plant: Plant) -> None:
    root = plant("train/a/1.jpg", "train/b/1.jpg", "test/a/1.jpg", "test/b/1.jpg")
    write(root, "train/metadata.jsonl", '{"file_name": "a/1.jpg", "age": 3}\n')
    write(root, "test/metadata.jsonl", '{"file_name": "a/1.jpg", "age": 4}\n')
    dataset = read(root)
    assert dict(zip(dataset.ids, dataset.table["age"], strict=True))["test/a/1.jpg"] == "4"
    assert dict(zip(dataset.ids, dataset.table["age"], strict=True))["train/a/1.jpg"] == "3"


@pytest.mark.parametrize("text", ["path,age\nelsewhere.jpg,3\n", "", '"path,age\n'])
def test_metadata_that_fits_nothing_is_a_warning(plant: Plant, text: str) -> None:
    root = plant("cat/1.jpg", "dog/1.jpg")
    write(root, "metadata.csv", text)
    assert finding(read(root), "metadata_unmatched").severity == "warning"


def test_label_column_without_a_table_is_refused(plant: Plant) -> None:
    with pytest.raises(DatasetError, match="--label-column"):
        read(plant("cat/1.jpg", "dog/1.jpg"), ReadOptions(label_column="label"))


def test_image_column_names_the_path_column_of_metadata(plant: Plant) -> None:
    root = plant("cat/1.jpg", "dog/1.jpg")
    write(root, "metadata.csv", "foto,age\ncat/1.jpg,3\n")
    assert read(root, ReadOptions(image_column="foto")).table["age"].to_list() == ["3", ""]
    with pytest.raises(DatasetError, match="--image-column nope"):
        read(root, ReadOptions(image_column="nope"))


def test_repeating_prefixes_hint_unless_they_are_the_class(plant: Plant) -> None:
    names = [f"{'ill' if p % 2 else 'well'}/p{p:02}_{n}.jpg" for p in range(6) for n in range(3)]
    assert "--group-column" in finding(read(plant(*names)), "group_hint").advice


def test_prefixes_that_are_the_class_hint_nothing(plant: Plant) -> None:
    assert "group_hint" not in checks(read(plant(*[f"{c}/{c}_{n}.jpg" for c in range(6) for n in range(3)])))


@pytest.mark.parametrize("first", ["path,action,label,reason,by,time", '"path";"action";"label"'])
def test_corrections_beside_the_pictures_are_no_metadata(plant: Plant, first: str) -> None:
    root = plant("cat/1.jpg", "dog/1.jpg")
    separator = ";" if ";" in first else ","
    (root / "corrections.csv").write_text(f"{first}\n{separator.join(['cat/1.jpg', 'drop', ''])}\n")
    dataset = read(root)
    assert dataset.ids == ["cat/1.jpg", "dog/1.jpg"]
    assert not {"action", "reason", "by"} & set(dataset.table.columns)
    assert "corrections.csv" in finding(dataset, "corrections_beside").message
    assert not {"metadata_joined", "other_files"} & checks(dataset)
