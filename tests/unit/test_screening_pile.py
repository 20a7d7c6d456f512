"""What a pile is, which of its pictures are copies, and what a look without a model sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageOps

from eighteen.auditing.scan import scan
from eighteen.core.dataset import Dataset, empty_table
from eighteen.core.errors import DatasetError, RunError
from eighteen.core.progress import silent
from eighteen.matching import Sketches, near_pairs
from eighteen.reading import ReadOptions, read_unlabelled
from eighteen.screening.by_eye import EyeLook
from eighteen.screening.copies import find_copies
from eighteen.screening.near import Features, find_near_copies
from eighteen.screening.placing import place_pictures
from eighteen.screening.rows import with_places


def photo(seed: int, side: int = 160) -> Image.Image:
    """Coloured patches, as different from one another as photographs are."""
    small = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four photos; of the first a small, a mirrored and a byte-equal copy."""
    place = tmp_path / "pile"
    (place / "cat").mkdir(parents=True)
    for seed in range(4):
        photo(seed).save(place / "cat" / f"{seed}.png")
    photo(0).resize((80, 80)).save(place / "small.jpg", quality=80)
    ImageOps.mirror(photo(0)).save(place / "turned.png")
    (place / "same.png").write_bytes((place / "cat" / "0.png").read_bytes())
    return place


def scanned(folder: Path) -> Dataset:
    return with_places(scan(read_unlabelled(folder, ReadOptions()), looks=True))


def nothing() -> Dataset:
    return with_places(Dataset(empty_table(), (), Path()))


def test_every_picture_below_a_folder_is_in_the_pile(folder: Path) -> None:
    (folder / "notes.txt").write_text("no picture")
    found = read_unlabelled(folder, ReadOptions())
    assert found.ids == [f"cat/{n}.png" for n in range(4)] + ["same.png", "small.jpg", "turned.png"]
    assert found.table["target"].to_list() == ["cat"] * 4 + [""] * 3


def test_a_table_names_the_pile(folder: Path) -> None:
    table = folder / "list.csv"
    table.write_text(
        "photo,class\ncat/1.png,dog\nsmall.jpg,\ncat/1.png,dog\nlost.png,dog\n", encoding="utf-8"
    )
    found = read_unlabelled(table, ReadOptions())
    assert dict(found.table.select("id", "target").iter_rows()) == {"cat/1.png": "dog", "small.jpg": ""}
    assert [skipped.path for skipped in found.skipped] == ["lost.png"]
    with pytest.raises(DatasetError, match="--image-column where: there is no such column"):
        read_unlabelled(table, ReadOptions(image_column="where"))
    table.write_text("when,what\n1,2\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="no picture column"):
        read_unlabelled(table, ReadOptions())


def test_there_must_be_something(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DatasetError, match="no such file or folder"):
        read_unlabelled(tmp_path / "absent", ReadOptions())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no pictures"):
        read_unlabelled(tmp_path / "empty", ReadOptions())
    with pytest.raises(DatasetError, match="a single picture"):
        read_unlabelled(folder / "same.png", ReadOptions())


def test_copies_name_the_picture_that_stays(folder: Path, tmp_path: Path) -> None:
    pile = scanned(folder)
    assert find_copies(pile, nothing()).rows() == [("same.png", str(folder / "cat" / "0.png"), False)]
    (tmp_path / "photos").mkdir()
    photo(0).save(tmp_path / "photos" / "known.bmp")
    twin = str(tmp_path / "photos" / "known.bmp")
    found = find_copies(pile, scanned(tmp_path / "photos"))
    assert found.rows() == [("cat/0.png", twin, True), ("same.png", twin, True)]


def test_of_near_copies_the_largest_stays(folder: Path) -> None:
    (folder / "same.png").unlink()
    photo(3).resize((400, 400)).save(folder / "large.jpg")
    found = {row[0]: row[1:] for row in find_near_copies(scanned(folder), nothing()).rows()}
    first = str(folder / "cat" / "0.png")
    assert found == {
        "small.jpg": (first, False),
        "turned.png": (first, False),
        "cat/3.png": (str(folder / "large.jpg"), False),
    }


def test_near_copies_of_the_data_set_all_go(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    photo(0).crop((3, 3, 157, 157)).save(tmp_path / "photos" / "known.jpg")
    found = find_near_copies(scanned(folder), scanned(tmp_path / "photos"))
    assert set(found["id"]) == {"cat/0.png", "same.png", "small.jpg", "turned.png"}
    assert found["of_known"].all()


def test_what_is_somewhat_alike_counts_where_a_network_sees_the_same(folder: Path) -> None:
    large = Image.blend(photo(3, 200), photo(8, 200), 0.19)
    large.save(folder / "zlarge.png")
    pile = scanned(folder)
    row = {name: place for place, name in enumerate(pile.ids)}
    sketches = Sketches.unpack(pile.table["scan.sketch"].to_list())
    pairs = near_pairs(sketches, least=0.5)
    mine = (pairs.first == row["cat/3.png"]) & (pairs.second == row["zlarge.png"])
    assert 0.9 < pairs.likeness[mine][0] < 0.97
    # The larger one would stay.
    assert "cat/3.png" not in set(find_near_copies(pile, nothing())["id"])
    apart = np.eye(len(pile), dtype=np.float32)
    none = np.empty((0, len(pile)), np.float32)
    assert "cat/3.png" not in set(find_near_copies(pile, nothing(), Features(apart, none))["id"])
    apart[row["zlarge.png"]] = apart[row["cat/3.png"]]
    found = find_near_copies(pile, nothing(), Features(apart, none))
    assert ("cat/3.png", str(folder / "zlarge.png"), False) in found.rows()


def test_a_look_without_a_model_tells_rough_things_apart(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for number in range(6):
        photo(number).save(tmp_path / f"a{number}.png")
        grey = generator.integers(0, 256, (160, 160), dtype=np.uint8)
        Image.fromarray(grey).save(tmp_path / f"b{number}.png")
    look = EyeLook()
    seen = look(scanned(tmp_path), silent)
    assert seen.probabilities is None and np.isfinite(seen.vectors).all()
    likeness = np.corrcoef(seen.vectors)
    assert likeness[6:, 6:].min() > likeness[:6, 6:].max()


def test_a_look_at_nothing_is_empty() -> None:
    assert EyeLook()(nothing(), silent).vectors.shape[0] == 0


def test_chosen_pictures_lie_in_class_folders(folder: Path, tmp_path: Path) -> None:
    (folder / "cat" / "deep").mkdir()
    photo(9).save(folder / "cat" / "deep" / "1.png")
    rows = pl.DataFrame(
        {
            "path": [
                str(folder / name) for name in ("cat/1.png", "cat/deep/1.png", "small.jpg", "turned.png")
            ],
            "hint": ["cat", "cat", "", ""],
            "suggested": ["dog", "dog", "a/b", None],
        }
    )
    target = tmp_path / "to label" / "now"
    place_pictures(rows, target)
    found = sorted(str(path.relative_to(target)) for path in target.rglob("*.*"))
    assert found == ["a_b/small.jpg", "cat/1-2.png", "cat/1.png", "unsorted/turned.png"]
    assert (target / "cat" / "1-2.png").read_bytes() == (folder / "cat" / "deep" / "1.png").read_bytes()
    assert (folder / "cat" / "1.png").exists()
    with pytest.raises(RunError, match="never overwritten"):
        place_pictures(rows, target)
