"""Facts about the scan: what it fills in, what it leaves out and says, what it remembers."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from PIL import Image

from eighteen.auditing import _looking
from eighteen.auditing._looking import LARGE_PIXELS, pixel_hash
from eighteen.auditing._scan_cache import cache_file
from eighteen.auditing.scan import scan
from eighteen.core.dataset import SCHEMA, Dataset, image_id
from eighteen.core.findings import Finding


def rows(root: Path, paths: Sequence[str], indices: Sequence[int] | None = None) -> Dataset:
    n = len(paths)
    indices = list(indices) if indices is not None else [-1] * n
    targets = [path.split("/")[0] for path in paths]
    table = pl.DataFrame(
        {
            "id": [image_id(path, index) for path, index in zip(paths, indices, strict=True)],
            "path": list(paths),
            "index": indices,
            "target": targets,
            "split": [""] * n,
            "group": [""] * n,
            "sha256": [""] * n,
            "width": [0] * n,
            "height": [0] * n,
            "mode": [""] * n,
        },
        schema=dict(SCHEMA),
    )
    return Dataset(table, tuple(sorted(set(targets))), root)


def noise(seed: int, *shape: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six good pictures in two classes."""
    for k in range(6):
        path = tmp_path / "photos" / ("cat", "dog")[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(k, 10 + k, 20, 3)).save(path)
    return tmp_path / "photos"


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def note(dataset: Dataset, check: str) -> Finding:
    (found,) = (note for note in dataset.notes if note.check == check)
    return found


def test_hash_size_and_mode_are_filled_in(photos: Path) -> None:
    scanned = scan(rows(photos, files(photos))).table
    for path, sha256, width, height, mode in scanned.select(
        "path", "sha256", "width", "height", "mode"
    ).iter_rows():
        assert sha256 == hashlib.sha256((photos / path).read_bytes()).hexdigest()
        assert (width, height) == (20, 10 + int(Path(path).stem))
        assert mode == "RGB"


def test_good_pictures_give_no_notes(photos: Path) -> None:
    assert scan(rows(photos, files(photos))).notes == ()


def test_a_picture_saved_anew_has_the_same_pixel_hash(photos: Path) -> None:
    Image.open(photos / "cat/0.png").save(photos / "dog/again.png", compress_level=1)
    table = scan(rows(photos, ["cat/0.png", "dog/again.png", "dog/1.png"])).table
    first, again, other = table["pixels_sha256"]
    assert first == again != other
    assert table["sha256"][0] != table["sha256"][1]


def test_unreadable_files_are_left_out_and_named(photos: Path) -> None:
    (photos / "cat/empty.png").write_bytes(b"")
    (photos / "cat/cut.png").write_bytes((photos / "cat/0.png").read_bytes()[:200])
    scanned = scan(rows(photos, [*files(photos), "dog/gone.png"]))
    assert {skipped.path for skipped in scanned.skipped} == {"cat/empty.png", "cat/cut.png", "dog/gone.png"}
    finding = note(scanned, "unreadable")
    assert finding.severity == "warning"
    assert finding.message.startswith("3 of 9 pictures cannot be read")
    assert "cat/empty.png (empty file (0 bytes)" in finding.message
    assert "dog/gone.png (there is no such file" in finding.message
    assert scanned.found == 9


def test_many_unreadable_files_block(photos: Path) -> None:
    for k in range(4):
        (photos / f"cat/bad{k}.png").write_bytes(b"")
    dataset = rows(photos, files(photos))
    assert note(scan(dataset, max_skipped_fraction=0.3), "unreadable").severity == "blocking"
    assert note(scan(dataset, max_skipped_fraction=0.4), "unreadable").severity == "warning"


def test_a_class_that_keeps_nothing_blocks(photos: Path) -> None:
    (photos / "owl").mkdir()
    (photos / "owl/a.png").write_bytes(b"")
    finding = note(scan(rows(photos, files(photos))), "class_without_images")
    assert finding.severity == "blocking"
    assert "owl (0 of 1 can be read)" in finding.message


def test_the_pixel_limit_holds_for_remembered_pictures_too(photos: Path) -> None:
    dataset = rows(photos, files(photos))
    assert len(scan(dataset)) == 6
    small = scan(dataset, max_pixels=12 * 20)
    assert len(small) == 3
    assert "data.max_pixels = 240" in note(small, "unreadable").message
    assert len(scan(dataset)) == 6


def test_frames_names_modes_and_blank_pictures_are_said(photos: Path) -> None:
    frames = [Image.fromarray(noise(k, 9, 9, 3)) for k in range(3)]
    frames[0].save(photos / "cat/moving.gif", save_all=True, append_images=frames[1:])
    Image.fromarray(noise(9, 9, 9, 3)).save(photos / "cat/really.jpg", format="PNG")
    Image.fromarray(noise(8, 9, 9, 4), mode=None).convert("CMYK").save(photos / "dog/print.jpg")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(photos / "dog/black.png")
    scanned = scan(rows(photos, files(photos)))
    assert len(scanned) == 10
    assert "cat/moving.gif (3 frames, first used)" in note(scanned, "animated").message
    assert note(scanned, "misnamed_files").message.endswith("cat/really.jpg (is PNG)")
    assert "1 CMYK" in note(scanned, "converted_modes").message
    assert note(scanned, "blank_images").images == ("dog/black.png",)


def test_a_second_scan_decodes_only_what_changed(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    decode = _looking.decode
    lock = threading.Lock()

    def counting(source: Path, *rest: Any) -> object:
        with lock:
            looked.append(source.name)
        return decode(source, *rest)

    monkeypatch.setattr(_looking, "decode", counting)
    dataset = rows(photos, files(photos))
    first = scan(dataset)
    assert len(looked) == 6
    assert scan(dataset).table.equals(first.table)
    assert len(looked) == 6
    Image.fromarray(noise(77, 5, 5, 3)).save(photos / "cat/2.png")
    assert scan(dataset).table.filter(pl.col("path") == "cat/2.png")["width"].item() == 5
    assert looked[6:] == ["2.png"]


def test_a_subset_does_not_make_the_cache_forget_the_rest(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = files(photos)
    scan(rows(photos, paths[:5]))
    scan(rows(photos, paths[5:]))
    monkeypatch.setattr(_looking, "decode", None)
    assert len(scan(rows(photos, paths))) == 6


@pytest.mark.parametrize("content", [b"", b"PAR1 nonsense PAR1", b"\0" * 100])
def test_a_broken_cache_is_ignored_and_made_anew(photos: Path, content: bytes) -> None:
    dataset = rows(photos, files(photos))
    expected = scan(dataset).table
    cache_file(photos).write_bytes(content)
    again = scan(dataset)
    assert again.table.equals(expected)
    assert "is broken and was made anew" in note(again, "scan_cache").message
    assert scan(dataset).notes == ()


def test_a_cache_with_other_columns_is_made_anew(photos: Path) -> None:
    dataset = rows(photos, files(photos))
    scan(dataset)
    pl.DataFrame({"path": ["cat/0.png"]}).write_parquet(cache_file(photos))
    assert "other columns" in note(scan(dataset), "scan_cache").message
    assert scan(dataset).notes == ()


def test_without_a_place_for_the_cache_the_scan_goes_on(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    scanned = scan(rows(photos, files(photos)))
    assert len(scanned) == 6
    assert "cannot be written" in note(scanned, "scan_cache").message


def test_progress_reaches_the_total(photos: Path) -> None:
    told: list[tuple[int, int]] = []
    dataset = rows(photos, files(photos))

    def tell(stage: str, done: int, total: int, _: str) -> None:
        assert stage == "scan"
        told.append((done, total))

    for _ in range(2):
        told.clear()
        scan(dataset, progress=tell)
        assert told[-1] == (6, 6)


def test_an_interrupted_scan_stops(photos: Path) -> None:
    def interrupt(_stage: str, done: int, _total: int, _note: str) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(rows(photos, files(photos)), progress=interrupt)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("scan")]


def test_large_pictures_are_decoded_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_looking, "LARGE_PIXELS", 100)
    inside: list[str] = []
    worst: list[int] = []
    lock = threading.Lock()
    record = _looking._record

    def watching(path: Path, index: int, max_pixels: int) -> _looking.Record:
        if max_pixels <= 100:
            return record(path, index, max_pixels)
        with lock:
            inside.append(path.name)
            worst.append(len(inside))
        try:
            return record(path, index, max_pixels)
        finally:
            with lock:
                inside.remove(path.name)

    monkeypatch.setattr(_looking, "_record", watching)
    (tmp_path / "a").mkdir()
    for k in range(200):
        Image.fromarray(noise(k, 12 if k % 3 == 0 else 6, 12)).save(tmp_path / f"a/{k:03d}.png")
    scanned = scan(rows(tmp_path, files(tmp_path)), workers=4)
    assert len(scanned) == 200
    assert len(worst) == 67
    assert max(worst) == 1


def test_idx_rows_are_hashed_by_their_pixels(tmp_path: Path) -> None:
    images = noise(0, 300, 7, 5)
    images[7] = images[3]
    content = struct.pack(">HBB3I", 0, 8, 3, *images.shape) + images.tobytes()
    with gzip.open(tmp_path / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(content)
    paths = ["train-images-idx3-ubyte.gz"] * 300
    table = scan(rows(tmp_path, paths, range(300))).table
    assert table["width"].unique().to_list() == [5]
    assert table["height"].unique().to_list() == [7]
    assert table["mode"].unique().to_list() == ["L"]
    assert table["sha256"].n_unique() == 299
    assert table["sha256"][3] == table["sha256"][7] == pixel_hash(images[3][:, :, None])


def test_a_cut_idx_file_leaves_its_rows_out(tmp_path: Path) -> None:
    content = struct.pack(">HBB3I", 0, 8, 3, 10, 4, 4) + bytes(100)
    (tmp_path / "images-idx3-ubyte").write_bytes(content)
    scanned = scan(rows(tmp_path, ["images-idx3-ubyte"] * 10, range(10)))
    assert len(scanned) == 0
    assert "truncated" in scanned.skipped[0].reason


def test_the_limit_for_side_by_side_lets_phone_pictures_through() -> None:
    assert LARGE_PIXELS > 4032 * 3024


@pytest.mark.shared
@pytest.mark.parametrize(
    ("case", "skipped", "words"),
    [
        ("C01", {"cat/half.jpg"}, ["half.jpg", "truncated"]),
        ("C03", {"cat/empty.jpg", "dog/empty.png", "dog/one_byte.jpg"}, ["empty"]),
        ("C18", {"cat/bomb.png", "dog/claims_huge.gif"}, ["bomb.png", "20000", "data.max_pixels"]),
        ("C50", {"cat/nan.tif", "dog/inf.tif"}, ["nan.tif", "inf.tif"]),
    ],
)
def test_unreadable_cases(
    case_dir: Callable[[str], Path], case: str, skipped: set[str], words: list[str]
) -> None:
    root = case_dir(case) / "data"
    scanned = scan(rows(root, files(root)))
    assert {left.path for left in scanned.skipped} == skipped
    assert all(word in note(scanned, "unreadable").message for word in words)


@pytest.mark.shared
def test_animation_case(case_dir: Callable[[str], Path]) -> None:
    root = case_dir("C12") / "data"
    scanned = scan(rows(root, files(root)))
    assert len(scanned) == 14
    assert note(scanned, "animated").images == ("cat/anim.gif",)
    assert "3 frames, first used" in note(scanned, "animated").message


@pytest.mark.shared
def test_heic_case_names_the_remedy(case_dir: Callable[[str], Path]) -> None:
    root = case_dir("C16") / "data"
    scanned = scan(rows(root, files(root)))
    assert {left.path for left in scanned.skipped} == {
        "cat/IMG_0001.heic",
        "cat/IMG_0002.HEIC",
        "dog/IMG_0003.jpg",
    }
    assert "HEIC" in note(scanned, "unreadable").message


def test_a_file_without_permission_is_named(photos: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("the superuser may read everything")
    (photos / "cat/0.png").chmod(0)
    assert "no permission" in note(scan(rows(photos, files(photos))), "unreadable").message
