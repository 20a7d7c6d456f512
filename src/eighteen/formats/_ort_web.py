"""ONNX Runtime for browsers: where its two files come from, and that they are those that were tested.

They are in the npm package `onnxruntime-web`, and are copied beside each exported page, which loads nothing
from elsewhere. In this order: the folder that `EIGHTEEN_ONNXRUNTIME_WEB` names, an unpacked copy of the
package in any version; the user's cache; `npm pack`, which asks whatever registry the user's own npm is set
to. What npm brings is held to a pinned hash before anything is taken out of it, and nothing of it is run.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from eighteen.core import store
from eighteen.core.errors import EighteenError
from eighteen.core.places import cache_folder

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""Of the package's archive, as registries state it."""

LOADER, PROGRAM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
SHA256 = {
    LOADER: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    PROGRAM: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
VARIABLE = "EIGHTEEN_ONNXRUNTIME_WEB"

_WAIT_S = 300


@dataclass(frozen=True)
class Runtime:
    """The files of ONNX Runtime for browsers.

    Attributes:
        files: by name.
        version: of the package; "unknown" where a named folder does not say.
    """

    files: dict[str, Path]
    version: str


def browser_runtime() -> Runtime:
    """The runtime's files, fetched once a user.

    Raises:
        EighteenError: they cannot be had, or are not those that they should be.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return _in_folder(Path(named))
    kept = cache_folder(f"{PACKAGE}-{VERSION}")
    if not _is_whole(kept):
        store.make_folder(kept)
        for name, content in _unpacked(_packed_by_npm()).items():
            store.write_bytes(kept / name, content)
    return Runtime({name: kept / name for name in SHA256}, VERSION)


def _is_whole(folder: Path) -> bool:
    return all(
        (folder / name).is_file() and store.file_sha256(folder / name) == sha256
        for name, sha256 in SHA256.items()
    )


def _in_folder(folder: Path) -> Runtime:
    """A copy that the user names: the package as npm unpacks it, or its files alone."""
    there = next((place for place in (folder, folder / "dist") if (place / LOADER).is_file()), None)
    missing = [name for name in SHA256 if there is None or not (there / name).is_file()]
    if there is None or missing:
        raise EighteenError(
            f"{VARIABLE} names {folder}, which lacks {' and '.join(missing)}; name an unpacked copy of the "
            f"npm package {PACKAGE} (tested: {VERSION}), or unset it and let npm fetch one"
        )
    description = folder / "package.json"
    version = "unknown"
    if description.is_file():
        version = str(json.loads(description.read_text(encoding="utf-8")).get("version", version))
    return Runtime({name: there / name for name in SHA256}, version)


def _packed_by_npm() -> bytes:
    """The package's archive, as the user's npm gives it."""
    npm = shutil.which("npm")
    if npm is None:
        raise EighteenError(f"{PACKAGE} {VERSION} is not at hand and npm is not installed; {_remedy()}")
    with tempfile.TemporaryDirectory(prefix="eighteen-npm-") as place:
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--ignore-scripts", "--silent"]
        try:
            done = subprocess.run(
                command, cwd=place, capture_output=True, text=True, timeout=_WAIT_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise EighteenError(f"npm gave no {PACKAGE} within {_WAIT_S} s; {_remedy()}") from error
        packed = sorted(Path(place).glob("*.tgz"))
        if done.returncode or not packed:
            said = " ".join((done.stderr or done.stdout).split())[:200] or f"exit code {done.returncode}"
            raise EighteenError(f"npm could not fetch {PACKAGE} {VERSION} ({said}); {_remedy()}")
        return packed[0].read_bytes()


def _unpacked(archive: bytes) -> dict[str, bytes]:
    """The two files out of the archive, once its hash is the pinned one."""
    came = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if came != INTEGRITY:
        raise EighteenError(
            f"what npm gave as {PACKAGE} {VERSION} is not that package: its hash is {came}, expected "
            f"{INTEGRITY}. Nothing of it was used; {_remedy()}"
        )
    with tarfile.open(fileobj=io.BytesIO(archive)) as package:
        members = {name: package.extractfile(f"package/dist/{name}") for name in SHA256}
        return {name: member.read() for name, member in members.items() if member is not None}


def _remedy() -> str:
    return (
        f"on a machine with npm, run `npm pack {PACKAGE}@{VERSION}`, unpack the archive here, and set "
        f"{VARIABLE} to its folder"
    )
