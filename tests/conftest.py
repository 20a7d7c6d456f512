"""Fixtures that find the real data sets and failure cases, where they are at hand."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

# One thread a worker: two workers with two OpenMP threads each slow each other far more than twofold.
# This must be set before anything imports torch or numpy.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Keras has one backend in a process; a SavedModel needs this one.
if find_spec("tensorflow"):
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data sets and failure cases; the test is skipped where it is absent."""
    folder = Path(os.environ.get("EIGHTEEN_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data: {folder} is absent (set EIGHTEEN_SHARED)")
    return folder


@pytest.fixture(scope="session")
def shared_data(shared: Path) -> Callable[[str], Path]:
    """Unpacks one of the real data sets, once a machine, and gives its folder."""

    def unpacked(name: str) -> Path:
        packs = sorted((shared / "data").glob(f"{name}.tar*"))
        if not packs:
            pytest.skip(f"no data set '{name}' in {shared / 'data'}")
        return _unpack_once(packs[0]) / name

    return unpacked


@pytest.fixture(scope="session")
def case_dir(shared: Path) -> Callable[[str], Path]:
    """Gives the folder of a failure case by its id, such as "C01"."""

    def found(case: str) -> Path:
        root = _unpack_once(shared / "cases" / "cases.tar")
        return next(root.glob(f"{case}_*"))

    return found


def _unpack_once(pack: Path) -> Path:
    stat = pack.stat()
    key = hashlib.sha256(f"{pack.resolve()}{stat.st_size}{stat.st_mtime_ns}".encode()).hexdigest()[:16]
    target = Path(tempfile.gettempdir()) / f"eighteen-tests-{os.getuid()}" / f"{pack.name}-{key}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=target.parent))
        with tarfile.open(pack) as archive:
            archive.extractall(staging, filter="data")
        try:
            staging.rename(target)
        except OSError:
            # Another worker was faster; its copy is as good.
            shutil.rmtree(staging)
    return target


@pytest.fixture(autouse=True)
def _own_user_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ledgers and caches of a test stay inside the test."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
