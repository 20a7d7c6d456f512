"""Weights from a file, and the door to all that has to do with weights.

`load_file` reads safetensors, PyTorch's .pt/.pth, and the folder of a run, and gives a dictionary of tensors;
`start` does so for what a recipe names, a file or the published weights.
PyTorch files are read in the restricted mode alone: a file that would run code is refused, and there is no
second try. Putting the tensors into a network (`fit`) lives in `fitting.py`, published weights and what goes
with them in `hub.py`; both are handed out here too.
"""

from __future__ import annotations

import argparse
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file as load_safetensors
from torch import Tensor

from eighteen.core.errors import WeightsError
from eighteen.core.findings import name_some
from eighteen.models.fitting import Loaded, fit
from eighteen.models.hub import (
    describe,
    fetch,
    for_channels,
    input_spec_for,
    licence_sentence,
    pretrained_input,
)

__all__ = [
    "Loaded",
    "Start",
    "describe",
    "fit",
    "for_channels",
    "input_spec_for",
    "licence_sentence",
    "load_file",
    "pretrained_input",
    "start",
]

IMAGENET = "imagenet"
"""What a recipe calls the published weights."""

_CONTAINERS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model", "net")
"""Keys under which training programs put the weights; averaged weights come first, as in timm."""

_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "backbone.")
"""What wrappers (several devices, compiled, Lightning) put before every name."""

_ENDINGS = (".safetensors", ".pt", ".pth", ".ckpt")
_GIT_LFS = b"version https://git-lfs"


@dataclass(frozen=True)
class Start:
    """The weights that a training starts from.

    Attributes:
        tensors: by name, on the CPU.
        path: the file that they were read from.
        licence: of published weights, with where they come from, in a sentence; "" for a file.
    """

    tensors: dict[str, Tensor]
    path: Path
    licence: str = ""


def start(name: str, weights: Path | str) -> Start:
    """Reads the weights that a recipe names.

    Args:
        name: of the network.
        weights: "imagenet" for its published ones, or a file, or the folder of a run.

    Raises:
        WeightsError: they cannot be had.
    """
    if str(weights) == IMAGENET:
        path = fetch(name)
        return Start(load_file(path), path, licence_sentence(describe(name)))
    path = _file(weights)
    return Start(load_file(path), path)


def load_file(path: Path | str) -> dict[str, Tensor]:
    """Tensors of a file by name, on the CPU, without the wrappings of training programs.

    Args:
        path: a .safetensors, .pt or .pth file (told apart by content), or a folder with weights.safetensors.

    Raises:
        WeightsError: the file is missing, cut, holds no weights, or would run code.
    """
    path = _file(path)
    _check_whole(path)
    content = _read_safetensors(path) if _is_safetensors(path) else _read_restricted(path)
    state = _unwrapped(content)
    if not state:
        keys = [str(key) for key in content] if isinstance(content, Mapping) else [type(content).__name__]
        raise WeightsError(
            f"{path} holds no dictionary of tensors (it holds: {name_some(keys)}); save the state_dict() of "
            f"the network that made it"
        )
    return state


def _file(path: Path | str) -> Path:
    path = Path(path)
    if path.is_dir():
        path = path / "weights.safetensors"
    if not path.is_file():
        raise WeightsError(
            f"there is no file {path}; weights come as .safetensors, .pt or .pth, or as the folder of a run"
        )
    return path


def _unwrapped(content: object) -> dict[str, Tensor]:
    """The dictionary of tensors inside a checkpoint, names without the prefixes of wrappers."""
    while isinstance(content, Mapping):
        inner = [content[key] for key in _CONTAINERS if isinstance(content.get(key), Mapping)]
        if not inner:
            break
        content = inner[0]
    if not isinstance(content, Mapping):
        return {}
    state = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    state.pop("n_averaged", None)
    while prefix := next((each for each in _PREFIXES if all(name.startswith(each) for name in state)), ""):
        if not state:
            break
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_safetensors(path, device="cpu")
    except SafetensorError as error:
        raise _incomplete(path, str(error)) from error


def _read_restricted(path: Path) -> Any:
    """PyTorch's file with nothing but tensors, plain values and the settings of a command line."""
    try:
        # As a stream: by its name, torch would take a .safetensors for one whatever is in it.
        with path.open("rb") as file, torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        # Bytes of any kind can raise anything here; all of it means that there are no weights to be had.
        asked_for = re.search(r"GLOBAL ([\w.]+)", str(error))
        if asked_for:
            raise WeightsError(
                f"{path} is refused: reading it would run code ({asked_for[1]}), and only tensors are read; "
                f"ask for the weights as .safetensors or as a plain state_dict"
            ) from error
        raise _incomplete(path, f"no weights can be read from it: {type(error).__name__}") from error


def _check_whole(path: Path) -> None:
    """Refuses what can be told from outside: an empty or cut file, and files that are something else."""
    size_bytes = path.stat().st_size
    if size_bytes == 0:
        raise _incomplete(path, "it is empty (0 bytes)")
    with path.open("rb") as file:
        start = file.read(512)
    if start.startswith(_GIT_LFS):
        raise WeightsError(
            f"{path} is a pointer of git-lfs ({size_bytes} bytes), not the weights; 'git lfs pull' gets them"
        )
    if start.lstrip().startswith(b"<"):
        raise WeightsError(f"{path} is a web page, not weights; the download failed: fetch the file anew")
    words = start.decode("ascii", errors="replace").split()
    if start.isascii() and "".join(words).isprintable():
        raise WeightsError(
            f"{path} is a text file ('{' '.join(words)[:40]}'), not weights; give another file"
        )
    if not _is_whole(path):
        raise _incomplete(path, f"it was cut at {size_bytes:,} bytes")


def _is_whole(path: Path) -> bool:
    """Whether the end is there: told from the header of safetensors and from the end of a zip."""
    with path.open("rb") as file:
        start = file.read(9)
    if _is_safetensors(path):
        return path.stat().st_size >= 8 + int.from_bytes(start[:8], "little")
    return _has_directory(path) if start.startswith(b"PK") else len(start) > 0


def _has_directory(path: Path) -> bool:
    """Whether the list of contents at the end of a zip can be read."""
    try:
        zipfile.ZipFile(path).close()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, struct.error):
        return False
    return True


def _is_safetensors(path: Path) -> bool:
    """Eight bytes of header length, then JSON (source: the format's own page)."""
    with path.open("rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{" and not start.startswith(b"PK")


def _incomplete(path: Path, reason: str) -> WeightsError:
    """Names the newest whole file beside the broken one, where there is one."""
    others = [other for other in path.parent.iterdir() if other.suffix in _ENDINGS and other != path]
    whole = sorted((other for other in others if _is_whole(other)), key=lambda other: other.stat().st_mtime)
    advice = f"the newest whole one beside it is {whole[-1].name}" if whole else "fetch or save it anew"
    return WeightsError(f"checkpoint is incomplete: {path}: {reason}; {advice}")
