"""The environment that LiteRT's converter lives in: made once, by the command that needs it.

The converter is large and wants other versions of packages that eighteen uses, so it gets a virtual
environment of its own in the user's cache. PyTorch is not installed a second time: a path file lends the new
environment the folder that PyTorch lies in, behind its own packages.

It is made under another name and renamed when it works; what an interrupted making leaves is removed by the
next one. Two commands that need it at once: one makes it, the other waits.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from eighteen.core import store
from eighteen.core.errors import EighteenError
from eighteen.core.locking import one_at_a_time
from eighteen.core.places import cache_folder
from eighteen.core.progress import Progress, silent

VARIABLE = "EIGHTEEN_LITERT_PYTHON"
"""Names the Python of an environment that has the converter already."""

SIZE_MB = 750
_ROOM_BYTES = 1_300_000_000  # the packages, and their archives while they are unpacked
_PACKAGES = "litert_converter.txt"
_LENT = ("torch", "numpy", "scipy", "safetensors")
_WORKS = "import litert_torch, ai_edge_quantizer"
_IS_THERE = "from importlib.metadata import version; version('litert-torch'), version('ai-edge-quantizer')"


def converter_python(progress: Progress = silent) -> Path:
    """The Python of the converter's environment, which is made where there is none.

    Raises:
        EighteenError: it cannot be made (no network, no room), or the one named has no converter.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return _checked(Path(named))
    home = cache_folder("litert")
    folder = home / _key()
    if not _python(folder).exists():
        store.make_folder(home)
        with one_at_a_time(home):
            if not _python(folder).exists():
                _make(folder, progress)
    return _python(folder)


def _checked(python: Path) -> Path:
    if not python.is_file():
        raise EighteenError(
            f"{VARIABLE} names {python}, which is no file; name the python of an environment that has the "
            f"converter"
        )
    try:
        done = _said([str(python), "-I", "-c", _IS_THERE])
    except OSError as error:
        raise EighteenError(
            f"{VARIABLE} names {python}, which is no program that can be run ({error.strerror}); name the "
            f"python of an environment that has the converter"
        ) from error
    if done.returncode:
        raise EighteenError(
            f"{VARIABLE} names {python}, which has no converter ({_last_line(done.stderr)}); {_by_hand()}"
        )
    return python


def _make(folder: Path, progress: Progress) -> None:
    for left in folder.parent.glob(f".{folder.name}.*.part"):
        store.remove_folder(left)
    free = store.free_bytes(folder)
    if free < _ROOM_BYTES:
        raise EighteenError(
            f"LiteRT's converter needs {_ROOM_BYTES / 1e9:.1f} GB below {folder.parent}, and "
            f"{free / 1e9:.1f} GB are free; make room, set XDG_CACHE_HOME to another disk, or {_by_hand()}"
        )
    progress(
        "note",
        0,
        1,
        f"installing LiteRT's converter into {folder}: once, {SIZE_MB} MB, one to five minutes",
    )
    with store.new_folder(folder) as staging:
        _run([sys.executable, "-m", "venv", str(staging)], "an environment cannot be made")
        python = _python(staging)
        store.write_text(_site(python) / "lent_by_eighteen.pth", "\n".join(_lent()) + "\n")
        listed = str(files("eighteen.formats") / _PACKAGES)
        install = ["-m", "pip", "install", "--no-deps", "--disable-pip-version-check", "-r", listed]
        _run([str(python), *install], "its packages cannot be installed")
        _run([str(python), "-I", "-c", _WORKS], f"it does not work with PyTorch {_version('torch')}")


def _run(command: Sequence[str], failed: str) -> None:
    done = _said(command)
    if done.returncode:
        raise EighteenError(
            f"LiteRT's converter is not ready: {failed} ({_last_line(done.stderr)}). Nothing is left of it. "
            f"Where there is no network, {_by_hand()}"
        )


def _said(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # Packages of the caller's own path must not shadow those of the environment.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=False, env=inherited
    )


def _last_line(text: str) -> str:
    """The line that says why: pip's last error, else the last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["it says nothing"])[-1].removeprefix("ERROR: ")[:300]


def _by_hand() -> str:
    return (
        f"make an environment elsewhere with `pip install litert-torch==0.10.0`, and set {VARIABLE} to its "
        f"python"
    )


def _key() -> str:
    """What the environment depends on: another Python, PyTorch or list of packages makes another one."""
    listed = (files("eighteen.formats") / _PACKAGES).read_text(encoding="utf-8")
    parts = (listed, sys.version, _version("torch"), *_lent())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _lent() -> list[str]:
    """Folders that PyTorch, and what comes with it, lie in."""
    found = {spec.origin for name in _LENT if (spec := find_spec(name)) and spec.origin}
    return sorted({str(Path(origin).parents[1]) for origin in found})


def _version(package: str) -> str:
    return importlib.metadata.version(package)


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _site(python: Path) -> Path:
    done = _said([str(python), "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
    return Path(done.stdout.strip())
