"""IDX files: pairing by name, labels as text, and what is refused."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from eighteen.core.errors import DatasetError
from eighteen.reading import ReadOptions, read

Pixels = npt.NDArray[np.uint8]


def idx_bytes(array: Pixels) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_half(folder: Path, part: str, labels: list[int], style: str = "{part}-{kind}-idx{n}-ubyte") -> None:
    folder.mkdir(exist_ok=True)
    images = np.arange(len(labels) * 6, dtype=np.uint8).reshape(len(labels), 2, 3)
    for kind, array in (("images", images), ("labels", np.array(labels, dtype=np.uint8))):
        content = idx_bytes(array)
        name = style.format(part=part, kind=kind, n=array.ndim)
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    write_half(tmp_path / "mnist", "train", [9, 0, 9, 10])
    write_half(tmp_path / "mnist", "t10k", [0, 9])
    return tmp_path / "mnist"


def test_rows_of_a_folder(mnist: Path) -> None:
    dataset = read(mnist)
    assert dataset.class_names == ("0", "9", "10")
    assert dataset.split_counts == {"train": 4, "val": 0, "test": 2}
    assert dataset.ids[0] == "t10k-images-idx3-ubyte#0"
    row = dataset.table.filter(dataset.table["id"] == "train-images-idx3-ubyte#3").to_dicts()[0]
    assert (row["path"], row["index"], row["target"]) == ("train-images-idx3-ubyte", 3, "10")
    assert (row["width"], row["height"]) == (3, 2)
    assert dataset.file(row["path"]).is_file()


@pytest.mark.parametrize(
    "style",
    [
        "{part}-{kind}-idx{n}-ubyte.gz",
        "{part}-{kind}.idx{n}-ubyte",
        "emnist-letters-{part}-{kind}-idx{n}-ubyte.gz",
        "{part}_{kind}_idx{n}_ubyte",
        "{part}-{kind}.ubyte",
    ],
)
def test_names_of_the_family(tmp_path: Path, style: str) -> None:
    write_half(tmp_path / "x", "train", [1, 2], style)
    write_half(tmp_path / "x", "test", [2, 1], style)
    assert read(tmp_path / "x").split_counts == {"train": 2, "val": 0, "test": 2}


def test_one_file_stands_for_its_set(mnist: Path) -> None:
    assert len(read(mnist / "train-labels-idx1-ubyte")) == 6


def test_several_sets_in_a_folder_need_a_file(tmp_path: Path) -> None:
    for name in ("letters", "digits"):
        write_half(tmp_path, "train", [1, 2, 1], f"emnist-{name}-{{part}}-{{kind}}-idx{{n}}-ubyte")
    with pytest.raises(DatasetError, match=r"2 sets.*digits"):
        read(tmp_path)
    assert len(read(tmp_path / "emnist-digits-train-images-idx3-ubyte")) == 3


def test_packed_and_unpacked_copies_count_once(mnist: Path) -> None:
    write_half(mnist, "train", [9, 0, 9, 10], "{part}-{kind}-idx{n}-ubyte.gz")
    assert len(read(mnist)) == 6


def remove_labels(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").unlink()


def remove_images(folder: Path) -> None:
    (folder / "t10k-images-idx3-ubyte").unlink()


def shorten_labels(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(1, np.uint8)))


def cut(folder: Path) -> None:
    file = folder / "t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-1])


def swap(folder: Path) -> None:
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros(2, np.uint8)))


def no_idx(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").write_bytes(b"<html>404</html>")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (remove_labels, "t10k-images-idx3-ubyte has no file of labels"),
        (remove_images, "t10k-labels-idx1-ubyte has no file of images"),
        (shorten_labels, "holds 2 images and t10k-labels-idx1-ubyte 1 labels"),
        (cut, "truncated"),
        (swap, "1 dimensions, expected images"),
        (no_idx, "no IDX file"),
    ],
)
def test_damage_is_refused_with_the_file(mnist: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(mnist)
    with pytest.raises(DatasetError, match=words) as refused:
        read(mnist)
    assert "t10k" in str(refused.value)


def test_one_label_is_refused(tmp_path: Path) -> None:
    write_half(tmp_path / "x", "train", [1, 1])
    with pytest.raises(DatasetError, match="one class"):
        read(tmp_path / "x")


def test_class_only_in_test_blocks(tmp_path: Path) -> None:
    write_half(tmp_path / "x", "train", [1, 2])
    write_half(tmp_path / "x", "t10k", [1, 3])
    (finding,) = [note for note in read(tmp_path / "x").notes if note.severity == "blocking"]
    assert finding.images == ("t10k-images-idx3-ubyte#1",)


def test_column_options_are_refused(mnist: Path) -> None:
    with pytest.raises(DatasetError, match="--group-column who"):
        read(mnist, ReadOptions(group_column="who"))
