"""Tables of pictures and labels: dialects, columns, paths, labels and what falls out."""

from __future__ import annotations

import codecs
import json
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding
from eighteen.reading import ReadOptions, read
from eighteen.reading._locate import Index, Locator

Write = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with img/0.png to img/9.png."""
    folder = tmp_path / "data"
    (folder / "img").mkdir(parents=True)
    for number in range(10):
        (folder / "img" / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n....")
    return folder


@pytest.fixture
def write(root: Path) -> Write:
    """Writes a table beside the pictures."""

    def written(text: str | bytes, name: str = "labels.csv") -> Path:
        path = root / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
        return path

    return written


def finding(dataset: Dataset, check: str) -> Finding:
    found = [note for note in dataset.notes if note.check == check]
    assert len(found) == 1, [note.check for note in dataset.notes]
    return found[0]


def checks(dataset: Dataset) -> set[str]:
    return {note.check for note in dataset.notes}


def labels(dataset: Dataset) -> dict[str, str]:
    return dict(zip(dataset.ids, dataset.table["target"], strict=True))


BOTH = {"img/0.png": "cat", "img/1.png": "dög, big"}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_every_dialect_reads_alike(write: Write, separator: str, newline: str, encoding: str) -> None:
    lines = ["image,label", '"img/0.png",cat', "", 'img/1.png,"dög, big"', "", ""]
    text = newline.join(line.replace('g/0.png",', f'g/0.png"{separator}') for line in lines)
    text = text.replace("image,label", f"image{separator}label").replace("1.png,", f"1.png{separator}")
    dataset = read(write(text.encode(encoding)))
    assert labels(dataset) == BOTH
    assert ("encoding_guessed" in checks(dataset)) == (encoding == "cp1252")


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_utf16_of_either_order(write: Write, mark: bytes) -> None:
    encoding = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
    text = "image\tlabel\r\nimg/0.png\tcat\r\nimg/1.png\tdög, big\r\n"
    assert labels(read(write(mark + text.encode(encoding), "labels.tsv"))) == BOTH


def test_a_spreadsheet_line_that_names_the_separator(write: Write) -> None:
    dataset = read(write("sep=;\nimage;label\nimg/0.png;cat\nimg/1.png;\nimg/2.png;dog\n"))
    assert labels(dataset) == {"img/0.png": "cat", "img/2.png": "dog"}
    assert "line 4" in finding(dataset, "missing_labels").message


def test_labels_are_text(write: Write) -> None:
    words = ["007", "7", "NA", "None", "TRUE", "null", "1.0", "1e3", "N/A", "#N/A"]
    rows = "".join(f"img/{n}.png,{word}\n" for n, word in enumerate(words))
    assert list(labels(read(write("image,label\n" + rows))).values()) == words


@pytest.mark.parametrize("missing", ["", "   ", "nan", "NaN", "NAN", '""', '" "', "\u00a0"])
def test_missing_labels_are_no_class(write: Write, missing: str) -> None:
    dataset = read(write(f"image,label\nimg/0.png,a\nimg/1.png,{missing}\nimg/2.png,b\nimg/3.png\n,a\n"))
    assert dataset.class_names == ("a", "b")
    assert "line 3 (img/1.png), line 5 (img/3.png)" in finding(dataset, "missing_labels").message
    assert "line 6" in finding(dataset, "missing_names").message
    assert len(dataset.skipped) == 3
    assert dataset.found == 5


def test_only_missing_labels_are_refused(write: Write) -> None:
    with pytest.raises(DatasetError, match=r"none of its 2 rows.*line 2"):
        read(write("image,label\nimg/0.png,\nimg/1.png,nan\n"))


def test_lines_are_those_of_the_file(write: Write) -> None:
    text = 'image,label,text\n\nimg/0.png,a,"two\nlines"\n\nimg/1.png,,x\nimg/2.png,b,y\n'
    assert "line 6 (" in finding(read(write(text)), "missing_labels").message


def test_first_ten_then_a_count(write: Write) -> None:
    rows = "".join(f"img/{n % 10}.png,\n" for n in range(14))
    dataset = read(write(f"image,label\n{rows}img/0.png,a\nimg/1.png,b\n"))
    message = finding(dataset, "missing_labels").message
    assert message.startswith("14 rows")
    assert "line 11 " in message
    assert "line 12 " not in message
    assert "and 4 more" in message


@pytest.mark.parametrize(
    ("cell", "how"),
    [
        ("img\\0.png", "backslash"),
        (".\\img\\0.png", "backslash"),
        ("  img/0.png ", "blanks"),
        ("./img/../img/0.png", ""),
        ("img//0.png", ""),
        ("img/0", "ending"),
        ("IMG/0.PNG", "spelling"),
        ("0.png", "end"),
        ("0", "end"),
        ("data/img/0.png", "end"),
        ("C:\\Users\\me\\data\\img\\0.png", "end"),
        ("\\\\server\\share\\img\\0.png", "end"),
        ("/home/me/data/img/0.png", "end"),
        ("D:/old/0.png", "name"),
    ],
)
def test_paths_are_found_where_one_file_fits(write: Write, cell: str, how: str) -> None:
    dataset = read(write(f"image,label\n{cell},a\nimg/1.png,b\n"))
    assert dataset.ids == ["img/0.png", "img/1.png"]
    if how:
        assert how in finding(dataset, "resolved_paths").message
    else:
        assert "resolved_paths" not in checks(dataset)


def test_absolute_paths_inside_the_folder_are_fine(root: Path, write: Write) -> None:
    dataset = read(write(f"image,label\n{root}/img/0.png,a\nimg/1.png,b\n"))
    assert dataset.ids == ["img/0.png", "img/1.png"]


def test_decomposed_accents_are_found(root: Path, write: Write) -> None:
    (root / "img" / "cafe\u0301.png").write_bytes(b"\x89PNG")
    assert "img/cafe\u0301.png" in read(write("image,label\nimg/caf\u00e9.png,a\nimg/1.png,b\n")).ids


@pytest.mark.parametrize(
    "cell", ["img/x.png", "img/0.jpg", "other/0.png", "img", "https://a.b/0.png", "img/\n0.png"]
)
def test_rows_without_a_file_are_named(write: Write, cell: str) -> None:
    dataset = read(write(f'image,label\n"{cell}",a\nimg/1.png,b\nimg/2.png,a\n'))
    assert dataset.ids == ["img/1.png", "img/2.png"]
    assert "line 2" in finding(dataset, "missing_files").message
    assert dataset.skipped[0].reason.startswith("line 2: ")


def test_no_guess_where_several_files_fit(root: Path, write: Write) -> None:
    (root / "img" / "0.jpg").write_bytes(b"\xff\xd8\xff")
    (root / "two").mkdir()
    (root / "two" / "1.png").write_bytes(b"\x89PNG")
    dataset = read(write("image,label\nimg/0,a\n1.png,b\nimg/2.png,a\nimg/3.png,b\nimg/4.png,b\n"))
    assert [item.path for item in dataset.skipped] == ["img/0", "1.png"]
    assert "several" in dataset.skipped[0].reason


def test_two_rows_never_share_one_guess(write: Write) -> None:
    dataset = read(
        write("image,label\n/old/a/0.png,a\n/old/b/0.png,b\nimg/1.png,a\nimg/2.png,b\nimg/0.png,b\n")
    )
    assert dataset.ids == ["img/0.png", "img/1.png", "img/2.png"]
    assert labels(dataset)["img/0.png"] == "b"
    assert "conflicting_labels" not in checks(dataset)


def test_a_training_path_never_becomes_a_test_picture(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "1.png").write_bytes(b"\x89PNG")
    locator = Locator(tmp_path, allow_outside=False)
    assert locator.find("train/1.png").kind == "missing"
    assert locator.find("/x/train/1.png").kind == "missing"
    assert locator.find("/x/test/1.png").path == "test/1.png"


def test_outside_needs_the_option(root: Path, write: Write) -> None:
    (root.parent / "outside.png").write_bytes(b"\x89PNG")
    (root / "img" / "link.png").symlink_to("../../outside.png")
    table = write(
        f"image,label\n../outside.png,a\nimg/link.png,a\n{root.parent}/outside.png,a\nimg/1.png,b\n"
        "img/2.png,a\nimg/3.png,a\n"
    )
    dataset = read(table)
    assert len(dataset) == 3
    assert "3 rows" in finding(dataset, "outside_paths").message
    assert "--set data.allow_outside=true" in finding(dataset, "outside_paths").advice
    allowed = read(table, ReadOptions(allow_outside=True))
    assert "../outside.png" in allowed.ids
    assert "img/link.png" in allowed.ids
    assert all(allowed.file(path).is_file() for path in allowed.ids)


def test_a_path_that_climbs_and_comes_back_is_inside(root: Path, write: Write) -> None:
    assert read(write(f"image,label\n../{root.name}/img/0.png,a\nimg/1.png,b\n")).ids[0] == "img/0.png"


def test_too_many_missing_files_are_refused_with_the_folder(root: Path, write: Write) -> None:
    table = write("image,label\nx/0.png,a\nx/1.png,b\nx/2.png,a\nimg/1.png,b\nimg/2.png,a\n")
    with pytest.raises(DatasetError) as refused:
        read(table)
    assert all(word in str(refused.value) for word in ("3 of 5", str(root), "line 2", "x/2.png"))
    assert len(read(table, ReadOptions(max_skipped_fraction=0.6))) == 2


def test_contradictions_leave_every_split_and_equal_rows_count_once(write: Write) -> None:
    rows = "img/0.png,a,train\nimg/0.png,b,test\nimg/1.png,a,train\n./img/1.png,a,train\nimg/2.png,b,train\n"
    dataset = read(write(f"image,label,split\n{rows}img/3.png,a,test\n"))
    assert dataset.ids == ["img/1.png", "img/2.png", "img/3.png"]
    conflict = finding(dataset, "conflicting_labels")
    assert conflict.images == ("img/0.png",)
    assert "'a' (line 2) and 'b' (line 3)" in conflict.message
    assert "img/1.png (line 4, line 5)" in finding(dataset, "repeated_rows").message


def test_mostly_contradictory_tables_are_refused(write: Write) -> None:
    with pytest.raises(DatasetError, match=r"contradictory"):
        read(write("image,label\nimg/0.png,a\nimg/0.png,b\nimg/1.png,a\nimg/1.png,b\nimg/2.png,b\n"))


def test_a_picture_in_two_splits_stays_in_test(write: Write) -> None:
    rows = "img/0.png,a,train\nimg/0.png,a,test\nimg/1.png,a,train\nimg/2.png,b,train\n"
    dataset = read(write(f"image,label,split\n{rows}"))
    assert dataset.subset("test").ids == ["img/0.png"]
    assert len(dataset) == 3
    assert "'train' (line 2) and 'test' (line 3)" in finding(dataset, "split_conflict").message


def test_splits_by_any_spelling(write: Write) -> None:
    rows = "img/0.png,a,Training\nimg/1.png,b,TRAIN\nimg/2.png,a,dev\nimg/3.png,b,Testing\nimg/4.png,b,\n"
    dataset = read(write(f"image,label,split\n{rows}"))
    assert dataset.table["split"].to_list() == ["train", "train", "val", "test", "train"]
    assert "line 6" in finding(dataset, "missing_splits").message


def test_unknown_splits_are_refused_with_their_lines(write: Write) -> None:
    with pytest.raises(DatasetError, match=r"'fold3' \(line 3\).*'x' \(line 4\)"):
        read(write("image,label,split\nimg/0.png,a,train\nimg/1.png,b,fold3\nimg/2.png,b,x\n"))


def test_a_column_called_set_is_a_split_only_where_its_cells_are(write: Write) -> None:
    dataset = read(write("image,label,set\nimg/0.png,a,train\nimg/1.png,b,lego\n"))
    assert not dataset.has_splits
    assert dataset.table["set"].to_list() == ["train", "lego"]
    assert read(write("image,label,set\nimg/0.png,a,train\nimg/1.png,b,train\n")).has_splits


def test_class_without_training_rows_blocks(write: Write) -> None:
    rows = "img/0.png,a,train\nimg/1.png,b,train\nimg/2.png,c,val\n"
    blocked = finding(read(write(f"image,label,split\n{rows}")), "class_without_training")
    assert blocked.severity == "blocking"
    assert blocked.images == ("img/2.png",)
    assert "class c" in blocked.message


@pytest.mark.parametrize("minus", ["-1", "-1.0"])
def test_minus_one_is_a_class_only_when_asked(write: Write, minus: str) -> None:
    table = write(f"image,label\nimg/0.png,{minus}\nimg/1.png,0\nimg/2.png,3\n")
    assert read(table).class_names == ("0", "3")
    assert "line 2" in finding(read(table), "negative_labels").message
    assert len(read(table, ReadOptions(keep_negative_labels=True)).class_names) == 3


def test_minus_one_beside_words_or_other_negatives_is_a_label(write: Write) -> None:
    assert "-1" in read(write("image,label\nimg/0.png,-1\nimg/1.png,a\n")).class_names
    assert "-1" in read(write("image,label\nimg/0.png,-1\nimg/1.png,-2\nimg/2.png,1\n")).class_names
    assert len(read(write("image,label\nimg/0.png,-1\nimg/1.png,1\nimg/2.png,-2\n"))) == 3


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("Image Path", "CLASS"),
        ("file_name", "category"),
        ("ImageFile", "y"),
        ("path", "Class Name"),
        ("ID", "breed"),
    ],
)
def test_headings_are_found_by_synonyms(write: Write, image: str, label: str) -> None:
    dataset = read(write(f"{label},{image},age\na,img/0.png,3\nb,img/1.png,4\n"))
    assert labels(dataset) == {"img/0.png": "a", "img/1.png": "b"}
    assert image in finding(dataset, "columns_used").message
    assert dataset.table["age"].to_list() == ["3", "4"]


def test_named_columns_override(write: Write) -> None:
    table = write("image,label,kind,Foto\nx,a,k1,img/0.png\nx,b,k2,img/1.png\n")
    dataset = read(table, ReadOptions(image_column="foto", label_column="kind"))
    assert labels(dataset) == {"img/0.png": "k1", "img/1.png": "k2"}
    assert dataset.table["label"].to_list() == ["a", "b"]


def test_the_picture_column_is_the_one_with_files(write: Write) -> None:
    assert read(write("image,path,label\nfirst,img/0.png,a\nsecond,img/1.png,b\n")).ids == [
        "img/0.png",
        "img/1.png",
    ]


def test_two_label_columns_that_differ_are_a_warning(write: Write) -> None:
    dataset = read(write("image,label,class\nimg/0.png,a,x\nimg/1.png,b,x\n"))
    assert dataset.class_names == ("a", "b")
    assert finding(dataset, "several_label_columns").severity == "warning"
    same = read(write("image,label,class_id\nimg/0.png,a,1\nimg/1.png,b,2\n"))
    assert "several_label_columns" not in checks(same)


def test_all_problems_with_columns_come_at_once(write: Write) -> None:
    with pytest.raises(DatasetError) as refused:
        read(write("a,b,c\n1,2,3\n"), ReadOptions(group_column="who"))
    text = str(refused.value)
    assert all(word in text for word in ("--image-column", "--label-column", "--group-column who", "a, b, c"))


def test_repeated_headings(write: Write) -> None:
    dataset = read(write("image,label,x,x\nimg/0.png,a,1,2\nimg/1.png,b,3,4\n"))
    assert dataset.table["x_2"].to_list() == ["2", "4"]
    assert finding(dataset, "repeated_headings").severity == "warning"
    with pytest.raises(DatasetError, match="label stands twice"):
        read(write("image,label,label\nimg/0.png,a,b\nimg/1.png,b,a\n"))


def test_own_columns_never_hide_those_of_the_data_set(write: Write) -> None:
    dataset = read(write("image,label,id,width,metadata_id\nimg/0.png,a,7,x,1\nimg/1.png,b,8,y,2\n"))
    assert dataset.table["metadata_width"].to_list() == ["x", "y"]
    assert dataset.table["width"].to_list() == [0, 0]
    assert set(dataset.table.columns) >= {"metadata_id", "metadata_metadata_id"}


def test_two_columns_without_headings(write: Write) -> None:
    dataset = read(write("img/0.png,a\nimg/1.png,b\n"))
    assert labels(dataset) == {"img/0.png": "a", "img/1.png": "b"}
    assert "no_headings" in checks(dataset)
    assert labels(read(write("a\timg/0.png\nb\timg/1.png\n"))) == {"img/0.png": "a", "img/1.png": "b"}


def test_long_rows_are_left_out_and_trailing_separators_are_not(write: Write) -> None:
    dataset = read(write("image,label\nimg/0.png,a,,\nimg/1.png,Doe, John\nimg/2.png,b\n"))
    assert dataset.ids == ["img/0.png", "img/2.png"]
    assert "line 3" in finding(dataset, "ragged_rows").message


@pytest.mark.parametrize("ending", [".jsonl", ".ndjson", ".json", ".parquet"])
def test_typed_tables_become_text(root: Path, write: Write, ending: str) -> None:
    rows = [
        {"image": "img/0.png", "label": 7, "seen": True, "score": 0.5},
        {"image": "img/1.png", "label": 12, "seen": None, "score": None},
        {"image": "img/2.png", "label": None, "seen": False, "score": 1.0},
    ]
    path = root / f"labels{ending}"
    if ending == ".parquet":
        pl.DataFrame(rows).write_parquet(path)
    else:
        text = json.dumps(rows) if ending == ".json" else "\n".join(map(json.dumps, rows))
        path.write_text(text, "utf-8")
    dataset = read(path)
    assert labels(dataset) == {"img/0.png": "7", "img/1.png": "12"}
    assert dataset.table["seen"].to_list() == ["true", ""]
    assert dataset.table["score"].to_list() == ["0.5", ""]
    where = "line 3" if ending in {".jsonl", ".ndjson"} else "row 3"
    assert where in finding(dataset, "missing_labels").message


def test_booleans_may_be_classes(write: Write) -> None:
    text = '{"image": "img/0.png", "label": true}\n{"image": "img/1.png", "label": false}\n'
    assert read(write(text, "labels.jsonl")).class_names == ("false", "true")


def test_a_folder_with_one_table_is_read_by_it(root: Path, write: Write) -> None:
    write("image,label\nimg/0.png,a\nimg/1.png,b\n")
    assert read(root).ids == ["img/0.png", "img/1.png"]
    write("whatever", "metadata.csv")
    assert read(root).root == root
    write("image,label\n", "more.csv")
    with pytest.raises(DatasetError, match=r"2 tables \(labels.csv, more.csv\)"):
        read(root)


def test_split_folders_with_pictures_beside_a_table(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "1.png").write_bytes(b"\x89PNG")
    (tmp_path / "labels.csv").write_text("file,label,split\ntrain/1.png,a,train\ntest/1.png,b,train\n")
    assert len(read(tmp_path)) == 2


def test_class_folders_beside_a_table_win_unless_its_label_column_is_named(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"\x89PNG")
    (tmp_path / "labels.csv").write_text("path,label\ncat/1.png,x\ndog/1.png,y\n")
    assert read(tmp_path).class_names == ("cat", "dog")
    assert read(tmp_path, ReadOptions(label_column="label")).class_names == ("x", "y")


def test_several_labels_in_a_cell_are_hinted_at(write: Write) -> None:
    assert (
        finding(read(write("image,label\nimg/0.png,a|b\nimg/1.png,b\n")), "multi_label_hint").severity
        == "info"
    )
    assert "multi_label_hint" not in checks(read(write('image,label\nimg/0.png,"Doe, J"\nimg/1.png,b\n')))


def test_groups_count_only_when_named(write: Write) -> None:
    table = write("image,label,PatientID\nimg/0.png,a,p1\nimg/1.png,b,p1\nimg/2.png,b,p2\nimg/3.png,a,\n")
    assert "--group-column PatientID" in finding(read(table), "group_hint").advice
    grouped = read(table, ReadOptions(group_column="patientid"))
    assert grouped.table["group"].to_list() == ["p1", "p1", "p2", ""]
    assert "1 of 4" in finding(grouped, "missing_groups").message


def test_fold_of_index_prefers_the_whole_path() -> None:
    index = Index(["a/1.png", "b/a/1.png"])
    assert index.find("A/1.PNG").path == "a/1.png"
    assert index.find("1.png").kind == "missing"


def test_many_rows_that_need_guessing_are_quick(tmp_path: Path) -> None:
    for folder in range(20):
        (tmp_path / "img" / f"f{folder}").mkdir(parents=True)
        for number in range(300):
            (tmp_path / "img" / f"f{folder}" / f"{folder}_{number}.png").touch()
    cells = [f"/old/img/F{f}/{f}_{n},c{n % 3}" for f in range(20) for n in range(300)]
    table = tmp_path / "labels.csv"
    table.write_text("image,label\n" + "\n".join(cells * 10))
    start = time.process_time()
    dataset = read(table)
    # Looking at every file for every row would take minutes.
    assert time.process_time() - start < 20
    assert len(dataset) == 6000
    assert finding(dataset, "resolved_paths").message.startswith("60000 paths")


def test_pictures_inside_a_parquet_file_are_told_by_their_size(tmp_path: Path) -> None:
    rows = [{"image": {"bytes": b"\x89PNG" * 99, "path": f"{n}.png"}, "label": n % 2} for n in range(4)]
    pl.DataFrame(rows).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DatasetError, match="<396 bytes>") as refused:
        read(tmp_path / "t.parquet")
    assert "PNG" not in str(refused.value)


def test_corrections_in_the_folder_are_not_taken_for_its_table(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jpg").write_bytes(b"\xff\xd8\xff....")
    (tmp_path / "labels.csv").write_text("image,label\na.jpg,cat\nb.jpg,dog\n")
    (tmp_path / "corrections.csv").write_text("path,action,label,reason,by,time\na.jpg,drop,,,,\n")
    assert read(tmp_path).ids == ["a.jpg", "b.jpg"]
