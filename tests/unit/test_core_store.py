"""Files are whole or absent, and the same content makes the same bytes."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from eighteen.core import store
from eighteen.core.errors import RunError


def leftovers(folder: Path) -> list[Path]:
    return list(folder.rglob("*.part"))


def test_json_is_sorted_utf8_and_without_nan(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    store.write_json(path, {"b": 1, "a": "Straße 猫", "path": Path("x/y"), "n": np.float32(0.5)})
    text = path.read_text("utf-8")
    assert list(json.loads(text)) == ["a", "b", "n", "path"]
    assert "Straße 猫" in text
    assert store.read_json(path) == {"a": "Straße 猫", "b": 1, "n": 0.5, "path": "x/y"}
    for value in (math.nan, math.inf, np.float64("nan"), object()):
        with pytest.raises((ValueError, TypeError)):
            store.write_json(path, {"value": value})
    assert path.read_text("utf-8") == text, "a refused value leaves the old file"
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_write_that_fails_leaves_the_old_file_and_says_all(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.bin"
    store.write_bytes(path, b"old")
    plain = Path.write_bytes

    def half(self: Path, content: bytes) -> int:
        plain(self, content[:3])
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(RunError) as refused:
        store.write_bytes(path, b"0123456789")
    for words in (str(path), os.strerror(code), "needed about 10 bytes", "free", "resume"):
        assert words in str(refused.value)
    assert path.read_bytes() == b"old"
    assert not leftovers(tmp_path)


def test_a_place_that_cannot_be_written_is_not_called_full(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="Not a directory") as refused:
        store.make_folder(tmp_path / "file" / "below")
    assert "room" not in str(refused.value)


def test_a_folder_that_came_into_being_meanwhile_is_kept(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match="came into being meanwhile"),
        store.new_folder(tmp_path / "run") as staging,
    ):
        (staging / "mine").touch()
        (tmp_path / "run").mkdir()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize("text", ["null", "[]", '"x"', "{}", '{"a": 1}'])
def test_an_object_without_its_keys_is_damaged(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(RunError, match=r"a\.json is damaged"):
        store.read_object(path, "a", "b")
    path.write_text('{"a": 1, "b": 2}')
    assert store.read_object(path, "a", "b") == {"a": 1, "b": 2}


def test_what_is_no_file_is_refused_by_every_reader(tmp_path: Path) -> None:
    for read in (
        store.read_json,
        store.read_lines,
        store.read_table,
        store.read_arrays,
        store.read_tensors,
        store.read_tensor_notes,
    ):
        with pytest.raises(RunError):
            read(tmp_path)


def test_lines_end_only_at_line_feeds(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"run": "a\u2028b\x85c"}, {"run": "d"}]
    for row in rows:
        store.append_line(path, row)
    assert store.read_lines(path) == rows
    path.write_text('{"a": 1}\n[]\n')
    with pytest.raises(RunError, match="line 2: no JSON object"):
        store.read_lines(path)


def test_an_interruption_while_writing_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.bin"
    store.write_bytes(path, b"old")

    def interrupted(self: Path, target: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert not leftovers(tmp_path)


def test_equal_tensors_make_equal_files(tmp_path: Path) -> None:
    """Whatever order the library gives the metadata."""
    tensors = {"b": torch.arange(6.0).reshape(2, 3).t(), "a": torch.ones(3, dtype=torch.bfloat16)}
    metadata = dict.fromkeys("zyxwvutsrq", "1")
    digests = {store.write_tensors(tmp_path / f"{number}", tensors, metadata) for number in range(20)}
    assert len(digests) == 1
    content = (tmp_path / "0").read_bytes()
    assert hashlib.sha256(content).hexdigest() in digests
    assert store.file_sha256(tmp_path / "0") in digests
    back = load_file(tmp_path / "0")
    assert torch.equal(back["b"], tensors["b"])
    assert torch.equal(back["a"], tensors["a"])
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    assert json.loads(content[8 : 8 + length])["__metadata__"] == metadata


def test_arrays_and_tables_come_back(tmp_path: Path) -> None:
    arrays = {"logits": np.arange(12, dtype=np.float32).reshape(3, 4).T}
    store.write_arrays(tmp_path / "a.safetensors", arrays, {"k": "v", "a": "ä"})
    assert np.array_equal(store.read_arrays(tmp_path / "a.safetensors")["logits"], arrays["logits"])
    table = pl.DataFrame({"id": ["ä", "b"], "n": [1, 2]})
    store.write_table(tmp_path / "t.parquet", table)
    assert store.read_table(tmp_path / "t.parquet").equals(table)


@pytest.mark.parametrize("size", [0, 4, 60, -1])
def test_cut_files_are_refused_in_words(size: int, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    store.write_tensors(path, {"a": torch.ones(40)}, {})
    path.write_bytes(path.read_bytes()[:size])
    for read in (store.read_tensors, store.read_arrays):
        with pytest.raises(RunError, match="empty" if size == 0 else "incomplete or damaged"):
            read(path)
    with pytest.raises(RunError, match="missing"):
        store.read_tensors(tmp_path / "none.safetensors")


def test_damaged_json_and_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a": ')
    (tmp_path / "b.json").write_bytes(b"\xff\xfe")
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    for name in ("a.json", "b.json"):
        with pytest.raises(RunError, match="damaged"):
            store.read_json(tmp_path / name)
    with pytest.raises(RunError, match="damaged"):
        store.read_table(tmp_path / "c.parquet")
    with pytest.raises(RunError, match="missing"):
        store.read_json(tmp_path / "none.json")


def test_lines_survive_a_crash_at_the_end_only(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    assert store.read_lines(path) == []
    store.append_line(path, {"epoch": 1})
    store.append_line(path, {"epoch": 2})
    whole = path.read_text()
    path.write_text(whole + '{"epo')
    assert store.read_lines(path) == [{"epoch": 1}, {"epoch": 2}]
    path.write_text('{"epo\n' + whole)
    with pytest.raises(RunError, match="line 1"):
        store.read_lines(path)


def test_a_new_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with store.new_folder(tmp_path / "run") as staging:
        (staging / "file").write_text("x")
        assert not (tmp_path / "run").exists()
    assert (tmp_path / "run" / "file").read_text() == "x"
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), store.new_folder(tmp_path / "other") as staging:
            (staging / "file").write_text("x")
            raise error
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_writers_side_by_side_never_show_half_a_file(tmp_path: Path) -> None:
    """A reader sees one of the versions, whole."""
    path = tmp_path / "a.json"
    store.write_json(path, {"value": "0" * 5000})
    seen: set[int] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(len(store.read_json(path)["value"]))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(50):
        store.write_json(path, {"value": str(number % 10) * 5000})
    done.set()
    reader.join()
    assert seen == {5000}


def test_free_bytes_of_a_place_that_is_not_there_yet(tmp_path: Path) -> None:
    assert store.free_bytes(tmp_path / "a" / "b" / "c") > 0
