"""Tables that are broken, hostile or no tables: refused in a sentence, never with a traceback."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import polars as pl
import pytest

from eighteen.core.errors import DatasetError
from eighteen.reading import ReadOptions, read


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("0.png", "1.png"):
        (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


BROKEN = {
    "empty.csv": b"",
    "blank.csv": b"\n \n\n",
    "heading.csv": b"image,label\n",
    "one_column.csv": b"image\n0.png\n1.png\n",
    "open_quote.csv": b'image,label\n0.png,"a\n1.png,b\n',
    "binary.csv": bytes(range(256)) * 20,
    "nul.csv": b"image,label\n0.png,a\0b\n",
    "cut_utf16.csv": b"\xff\xfei\0m\0a",
    "cut_utf16_pair.csv": b"\xff\xfe" + "image,label\n".encode("utf-16-le") + b"\x00\xd8",
    "bom_only.csv": b"\xef\xbb\xbf",
    "huge_cell.csv": b"image,label\n0.png," + b"x" * 200_000 + b"\n",
    "page.csv": b"<!DOCTYPE html><html><body>404, not found</body></html>",
    "picture.csv": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "x.parquet": b"PAR1 nothing PAR1",
    "cut.parquet": b"PAR1" + bytes(50),
    "empty.parquet": b"",
    "broken.jsonl": b'{"image": "0.png", "label": "a"}\n{"image":\nnothing\n',
    "lists.jsonl": b"[1]\n[2]\n",
    "deep.jsonl": b"[" * 100_000,
    "deep.json": b"[" * 100_000,
    "object.json": b'{"image": "0.png"}',
    "number.json": b"[1, 2]",
    "empty.json": b"[]",
    "long_number.jsonl": b'{"image": "0.png", "label": ' + b"9" * 5000 + b"}\n",
    "table.xlsx": b"PK\x03\x04....",
    "data.zip": b"PK\x03\x04....",
    "photo.jpg": b"\xff\xd8\xff",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_tables_are_refused_in_one_line(root: Path, name: str) -> None:
    path = root / name
    path.write_bytes(BROKEN[name])
    with pytest.raises(DatasetError) as refused:
        read(path)
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


def test_lines_that_are_no_json_are_named_at_once(root: Path) -> None:
    path = root / "labels.jsonl"
    path.write_bytes(BROKEN["broken.jsonl"])
    with pytest.raises(DatasetError, match="2 lines are no JSON: line 2, 3"):
        read(path)


def test_the_line_of_an_open_quote_is_named(root: Path) -> None:
    path = root / "labels.csv"
    path.write_bytes(BROKEN["open_quote.csv"])
    with pytest.raises(DatasetError, match="opens in line 2 "):
        read(path)


def test_paths_that_climb_never_leave_the_folder(root: Path) -> None:
    secret = root.parent / "secret.png"
    secret.write_bytes(b"\x89PNG")
    (root / "way_out").symlink_to(root.parent)
    cells = [
        "../secret.png", "..\\secret.png", "x/../../secret.png", str(secret), "way_out/secret.png",
        "./../secret", "/etc/passwd", "../../../../../../etc/passwd", "file:///etc/passwd",
    ]  # fmt: skip
    rows = [{"image": cell, "label": "a"} for cell in cells]
    rows += [{"image": f"{n % 2}.png", "label": str(n % 2)} for n in range(10)]
    path = root / "labels.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    dataset = read(path)
    assert dataset.ids == ["0.png", "1.png"]
    assert {item.path for item in dataset.skipped} == set(cells)


def test_strange_cells_never_crash(root: Path) -> None:
    cells = [
        "\0",
        "a\0b",
        "\n",
        "x" * 5000,
        "/" * 300,
        "..",
        ".",
        "/",
        "\\",
        "C:\\",
        "~",
        "\u202egnp.0",
        "\ud800",
    ]
    rows = [{"image": cell, "label": "a", "text": cell} for cell in cells]
    rows += [{"image": f"{n % 2}.png", "label": str(n % 2)} for n in range(20)]
    path = root / "labels.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    dataset = read(path)
    assert dataset.ids == ["0.png", "1.png"]
    json.dumps([item.to_json() for item in dataset.skipped], ensure_ascii=False).encode("utf-8")
    json.dumps([note.to_json() for note in dataset.notes], ensure_ascii=False).encode("utf-8")


def test_lone_surrogates_in_labels_never_crash(root: Path) -> None:
    path = root / "labels.jsonl"
    path.write_text('{"image": "0.png", "label": "\\ud800"}\n{"image": "1.png", "label": "b"}\n')
    dataset = read(path)
    assert len(dataset) == 2
    json.dumps(dataset.class_names, ensure_ascii=False).encode("utf-8")


def test_parquet_that_holds_the_pictures_themselves_is_refused(root: Path) -> None:
    path = root / "images.parquet"
    pl.DataFrame({"image": [b"\x89PNG", b"\x89PNG"], "label": [0, 1]}).write_parquet(path)
    with pytest.raises(DatasetError, match="bytes"):
        read(path)


def test_random_bytes_never_crash(root: Path) -> None:
    chance = random.Random(0)
    for round_number in range(150):
        content = bytes(chance.choice(b'image,label\n"\r;\t|0.pngab\0\xff\xfe\xc3') for _ in range(80))
        path = root / f"t{round_number % 3}{('.csv', '.jsonl', '.json')[round_number % 3]}"
        path.write_bytes(b"image,label\n0.png,a\n1.png,b\n" * (round_number % 2) + content)
        # Reading it and refusing it are both fine; a crash is not.
        try:
            read(path)
        except DatasetError as refused:
            assert path.name in str(refused)


def test_a_pipe_or_device_is_refused(root: Path) -> None:
    os.mkfifo(root / "pipe.csv")
    for path in (root / "pipe.csv", Path("/dev/null")):
        with pytest.raises(DatasetError, match="no data set"):
            read(path)


def test_formulas_in_cells_stay_text(root: Path) -> None:
    path = root / "labels.csv"
    path.write_text('image,label\n0.png,"=HYPERLINK(""x"")"\n1.png,@b\n')
    assert read(path, ReadOptions()).class_names == ('=HYPERLINK("x")', "@b")
