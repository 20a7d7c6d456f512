"""Where the runtime for browsers comes from: a named folder, the cache, npm; and that nothing else passes."""

from __future__ import annotations

import base64
import hashlib
import io
import stat
import tarfile
from pathlib import Path

import pytest

from eighteen.core.errors import EighteenError
from eighteen.core.places import cache_folder
from eighteen.formats import _ort_web

CONTENT = {name: f"stand-in for {name}".encode() for name in _ort_web.SHA256}


def archive(content: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as package:
        for name, data in content.items():
            entry = tarfile.TarInfo(f"package/dist/{name}")
            entry.size = len(data)
            package.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `npm` that writes down how it was called and hands out `package.tgz`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "package.tgz").write_bytes(archive(CONTENT))
    program = folder / "npm"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/calls\n'
        f'[ -e {folder}/broken ] && {{ echo "E404 gone" >&2; exit 1; }}\n'
        f"/bin/cp {folder}/package.tgz onnxruntime-web.tgz\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv(_ort_web.VARIABLE, raising=False)
    return folder


@pytest.fixture
def pinned(npm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-ins are taken for the real files."""
    digest = hashlib.sha512((npm / "package.tgz").read_bytes()).digest()
    monkeypatch.setattr(_ort_web, "INTEGRITY", "sha512-" + base64.b64encode(digest).decode())
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()}
    monkeypatch.setattr(_ort_web, "SHA256", hashes)


@pytest.mark.usefixtures("pinned")
def test_npm_is_asked_once_and_runs_nothing(npm: Path) -> None:
    for _ in range(2):
        runtime = _ort_web.browser_runtime()
        assert {name: path.read_bytes() for name, path in runtime.files.items()} == CONTENT
        assert runtime.version == _ort_web.VERSION
    calls = (npm / "calls").read_text().splitlines()
    assert calls == [f"pack onnxruntime-web@{_ort_web.VERSION} --ignore-scripts --silent"]


@pytest.mark.usefixtures("pinned")
def test_a_damaged_file_in_the_cache_is_replaced() -> None:
    kept = _ort_web.browser_runtime().files[_ort_web.PROGRAM]
    assert kept.parent == cache_folder(f"onnxruntime-web-{_ort_web.VERSION}")
    kept.write_bytes(b"damaged")
    assert _ort_web.browser_runtime().files[_ort_web.PROGRAM].read_bytes() == CONTENT[_ort_web.PROGRAM]


@pytest.mark.usefixtures("npm")
def test_another_archive_under_the_same_name_is_refused() -> None:
    with pytest.raises(EighteenError, match=r"not that package: its hash is sha512-.*, expected sha512-q0y"):
        _ort_web.browser_runtime()
    assert not list(cache_folder(f"onnxruntime-web-{_ort_web.VERSION}").iterdir())


def test_what_npm_said_is_told_with_the_way_out(npm: Path) -> None:
    (npm / "broken").touch()
    with pytest.raises(EighteenError, match=r"npm could not fetch .*E404 gone.*set EIGHTEEN_ONNXRUNTIME_WEB"):
        _ort_web.browser_runtime()


def test_without_npm_the_way_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(_ort_web.VARIABLE, raising=False)
    with pytest.raises(EighteenError, match=r"npm is not installed; on a machine with npm, run `npm pack"):
        _ort_web.browser_runtime()


def test_a_named_folder_counts_in_any_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "package.json").write_text('{"version": "9.9.9"}')
    monkeypatch.setenv(_ort_web.VARIABLE, str(tmp_path))
    with pytest.raises(EighteenError, match=r"lacks ort\.wasm\.bundle\.min\.mjs and ort-wasm"):
        _ort_web.browser_runtime()
    for name, data in CONTENT.items():
        (tmp_path / "dist" / name).write_bytes(data)
    assert _ort_web.browser_runtime().version == "9.9.9"
