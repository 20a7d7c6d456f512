"""Opens exported models, each by the format that wrote it."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from eighteen.core import plugins
from eighteen.core.artifact import Artifact, Opened
from eighteen.core.errors import EighteenError, RunError

PACKAGE = "eighteen.formats"

ALONE = {
    ".onnx": "onnx",
    ".keras": "keras",
    ".pte": "executorch",
    ".safetensors": "native",
    ".tflite": "litert",
}
"""Endings of files that say themselves what their classes and inputs are, and the format that opens them."""


def formats() -> tuple[str, ...]:
    """Names of the formats that models are exported to."""
    return plugins.names(PACKAGE)


def load_format(name: str, precision: str = "") -> ModuleType:
    """The module of a format.

    Args:
        name: of `formats()`.
        precision: that it is to write; "" where it is to open.

    Raises:
        EighteenError: there is no such format, or packages that it needs are not installed.
    """
    if name not in formats():
        raise EighteenError(f"there is no format '{name}' to export to; there are: {', '.join(formats())}")
    module = importlib.import_module(f"{PACKAGE}.{name}")
    needed = (*module.NEEDS, *(getattr(module, "NEEDS_FOR_INT8", ()) if precision == "int8" else ()))
    missing = [package for package in needed if find_spec(package) is None]
    if missing:
        raise EighteenError(
            f"the format '{name}' needs packages that are not installed: {', '.join(missing)}; install them "
            f"with: pip install -c constraints.txt 'eighteen[{name}]'"
        )
    return module


def is_exported(path: Path) -> bool:
    """Whether `path` is an artifact folder, or a file that can be opened by itself."""
    return (path / "artifact.json").is_file() or (path.is_file() and path.suffix.lower() in ALONE)


def folder_of(path: Path) -> Artifact | None:
    """The artifact folder that a folder is, or that a model file lies in; None for a file by itself."""
    if path.is_dir():
        return Artifact.open(path)
    folder = path.parent
    if not (folder / "artifact.json").is_file():
        return None
    artifact = Artifact.open(folder)
    return artifact if artifact.model_path.name == path.name else None


def max_pixels(path: Path) -> int | None:
    """Pictures above it are unreadable, as in the run; None takes the decoder's own limit."""
    artifact = folder_of(path)
    return None if artifact is None else artifact.info.get("max_pixels")


def open_model(path: Path) -> Opened:
    """An exported model, ready to be asked.

    Raises:
        RunError: it is damaged, or its classes are not those that its folder states.
        EighteenError: packages that it needs are not installed.
    """
    if path.is_file():
        bare = path.with_name(f"bare{path.suffix}")
        opened: Opened = load_format(ALONE[path.suffix.lower()]).open_files(path, bare)
        return opened
    artifact = Artifact.open(path)
    opened = load_format(artifact.info["kind"]).open_files(artifact.model_path, artifact.bare_path)
    if opened.inputs.sha256 != artifact.inputs.sha256 or opened.class_names != artifact.class_names:
        raise RunError(
            f"{path}: the model file has other inputs or classes than its folder states, so files were mixed "
            f"up; export the model again"
        )
    return opened
