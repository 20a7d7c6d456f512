"""Which files of machine code this machine compiled itself: the only ones that are opened.

Opening such a file runs what it holds, and nothing inside it can prove that it is harmless. So every export
leaves a record outside of it, named by the SHA-256 of the file's bytes, in the user's cache. The folder of
records belongs to the user, and nobody else may write into it. Gone records cost an export, nothing more.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from pathlib import Path
from typing import Any

from eighteen.core import store
from eighteen.core.errors import RunError
from eighteen.core.places import cache_folder

_KIND = "aotinductor"
_AGAIN = "export it here: eighteen export RUN --to aotinductor"


def remember(content: bytes) -> str:
    """Records that these bytes were compiled here; returns their SHA-256."""
    sha256, folder = hashlib.sha256(content).hexdigest(), cache_folder(_KIND)
    store.make_folder(folder)
    folder.chmod(0o700)
    store.write_json(folder / f"{sha256}.json", this_machine())
    return sha256


def forget(content: bytes) -> None:
    """Takes the record of these bytes away, where there is one."""
    store.remove(cache_folder(_KIND) / f"{hashlib.sha256(content).hexdigest()}.json")


def own(path: Path) -> bytes:
    """The bytes of a file that was compiled here. They are to be opened, not the file, which may change.

    Raises:
        RunError: no export of this user on this machine recorded these bytes, or PyTorch or the processor is
            another one since.
    """
    content, folder = path.read_bytes(), cache_folder(_KIND)
    sha256 = hashlib.sha256(content).hexdigest()
    record = folder / f"{sha256}.json"
    if not record.is_file():
        raise RunError(
            f"{path} holds machine code, which opening would run, and no export on this machine recorded its "
            f"SHA-256 {sha256}: expected {record}. Was it made elsewhere, or changed, {_AGAIN}; or take a "
            f"format that holds no code, such as onnx"
        )
    _require_private(folder)
    _require_same_machine(path, store.read_object(record, *this_machine()))
    return content


def this_machine() -> dict[str, Any]:
    """What compiled code depends on: the system, PyTorch's version, and what the processor can do."""
    import torch

    # From PyTorch 2.10 on; before it, the widest vectors are all that is known.
    ask = getattr(torch.cpu, "get_capabilities", None)
    able = ask() if ask is not None else {torch.backends.cpu.get_cpu_capability(): True}
    return {
        "system": f"{sys.platform} {platform.machine()}",
        "torch": torch.__version__,
        "processor": sorted(name for name, has in able.items() if has is True),
    }


def _require_private(folder: Path) -> None:
    """Others who can write a record could let their code be run. Windows keeps profiles apart by itself."""
    if os.name == "nt":
        return
    found = folder.stat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise RunError(
            f"{folder} holds the records of compiled models, and can be written by others (owner "
            f"{found.st_uid}, mode {found.st_mode & 0o777:o}; expected owner {os.geteuid()}, mode 700), so "
            f"they prove nothing; remove that folder and {_AGAIN}"
        )


def _require_same_machine(path: Path, then: dict[str, Any]) -> None:
    now = this_machine()
    lacking = sorted(set(then["processor"]) - set(now["processor"]))
    if lacking:
        raise RunError(
            f"{path} was compiled for a processor with {', '.join(lacking)}, which this one lacks; {_AGAIN}"
        )
    for key, what in (("system", "the system"), ("torch", "PyTorch")):
        if then[key] != now[key]:
            raise RunError(f"{path} was compiled for {what} {then[key]}, and this is {now[key]}; {_AGAIN}")
