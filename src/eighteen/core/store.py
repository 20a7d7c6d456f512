"""The only writer into run folders: whole files or none.

Each file is written under a temporary name beside its place, flushed to the disk and renamed over it, so
that a reader (or a program that comes back after a crash) sees the old file or the new one, never half.
JSON is UTF-8 with sorted keys and without NaN. Tensors are safetensors. Nothing here executes on loading.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save as arrays_to_bytes

from eighteen.core.errors import RunError

_NOT_ABOUT_SPACE = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EEXIST,
        errno.ENOTEMPTY,
        errno.ENAMETOOLONG,
    }
)
"""Errors of writing that more room on the disk does not mend."""


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a whole file or leaves the old one.

    Raises:
        RunError: the disk is full or the folder cannot be written; the temporary file is gone again.
    """
    _replace(path, lambda temporary: temporary.write_bytes(content), len(content))


def write_text(path: Path, content: str) -> None:
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """UTF-8 JSON with sorted keys; a NaN or an infinity is refused."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False, default=_plain)
    write_text(path, text + "\n")


def write_table(path: Path, table: pl.DataFrame) -> None:
    """A Parquet file."""
    _replace(path, table.write_parquet, int(table.estimated_size()))


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> str:
    """A safetensors file of numpy arrays; returns the SHA-256 of its bytes."""
    return _write_ordered(
        path,
        arrays_to_bytes(
            {name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata=dict(metadata)
        ),
    )


def write_tensors(path: Path, tensors: Mapping[str, Any], metadata: Mapping[str, str]) -> str:
    """A safetensors file of torch tensors (bfloat16 too); returns the SHA-256 of its bytes."""
    from safetensors.torch import save

    return _write_ordered(
        path,
        save({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata=dict(metadata)),
    )


def append_line(path: Path, value: Mapping[str, Any]) -> None:
    """Adds one JSON line to a history file and flushes it."""
    line = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"
    append_text(path, line)


def append_text(path: Path, text: str) -> None:
    """Adds text to the end of a file and flushes it to the disk.

    Raises:
        RunError: the disk is full or the file cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _storage_error(path, len(text), error) from error


def copy_file(source: Path, target: Path) -> None:
    """A whole copy of a file."""
    write_bytes(target, source.read_bytes())


def link_file(source: Path, target: Path) -> None:
    """The same file under a second name where the disk allows that, else a copy."""
    try:
        # Through links: a hard link to a link would break when that is removed.
        target.hardlink_to(source.resolve())
    except FileExistsError as error:
        raise _storage_error(target, 0, error) from error
    except OSError:
        copy_file(source, target)


def make_folder(path: Path) -> None:
    """Makes a folder and those above it; one that exists is fine."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _storage_error(path, 0, error) from error


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder that is filled under a temporary name and renamed to `path` when the block ends well."""
    staging = path.with_name(f".{path.name}.{os.getpid()}.part")
    make_folder(staging)
    try:
        yield staging
        if os.path.lexists(path):
            raise RunError(f"{path} came into being meanwhile and is never overwritten; choose another name")
        staging.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise _storage_error(path, 0, error) from error
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def remove(path: Path) -> None:
    """Removes a file, if it is there."""
    path.unlink(missing_ok=True)


def remove_folder(path: Path) -> None:
    """Removes a folder with all that lies in it, if it is there."""
    shutil.rmtree(path, ignore_errors=True)


def read_json(path: Path) -> Any:
    """Reads a JSON file of a run.

    Raises:
        RunError: the file is missing or damaged, with what to do.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing; is {path.parent} a run folder of eighteen?") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(f"{path} is damaged ({error}); restore it or make the run anew") from error
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}); restore it") from error


def read_object(path: Path, *keys: str) -> dict[str, Any]:
    """Reads a JSON file that holds one object with (at least) these keys.

    Raises:
        RunError: the file is missing or damaged, or holds something else.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise RunError(
            f"{path} is damaged (a JSON {type(value).__name__} instead of an object); "
            f"restore it or make the run anew"
        )
    missing = [key for key in keys if key not in value]
    if missing:
        raise RunError(f"{path} is damaged (without {', '.join(missing)}); restore it or make the run anew")
    return value


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Reads a JSON-lines file; a last line cut by a crash is left out."""
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}); restore it") from error
    # Not splitlines: JSON leaves U+2028 and the like as they are inside a string.
    lines = text.removesuffix("\n").split("\n") if text else []
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise RunError(f"{path}, line {number}: no JSON object; restore the file or delete the line")
            rows.append(row)
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise RunError(f"{path}, line {number}: {error}; restore the file or delete the line") from error
    return rows


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    lines = (json.dumps(row, sort_keys=True, ensure_ascii=False, allow_nan=False) for row in rows)
    write_text(path, "".join(line + "\n" for line in lines))


def read_table(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing; is {path.parent} a run folder of eighteen?") from error
    except pl.exceptions.PolarsError as error:
        raise RunError(f"{path} is damaged ({error}); restore it or make the run anew") from error


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Reads a safetensors file into numpy arrays.

    Raises:
        RunError: the file is missing, empty, cut or no safetensors file.
    """
    with _whole_tensor_file(path):
        return dict(load_arrays(path))


def read_tensor_notes(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file; no tensor is read.

    Raises:
        RunError: the file is missing, empty, cut or no safetensors file.
    """
    with _whole_tensor_file(path), safe_open(path, framework="numpy") as file:
        return dict(file.metadata() or {})


def read_tensors(path: Path) -> dict[str, Any]:
    """Reads a safetensors file into torch tensors on the CPU.

    Raises:
        RunError: the file is missing, empty, cut or no safetensors file.
    """
    from safetensors.torch import load_file

    with _whole_tensor_file(path):
        return dict(load_file(path, device="cpu"))


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def free_bytes(path: Path) -> int:
    """Bytes free on the disk that holds `path` (or will hold it)."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def _replace(path: Path, write: Callable[[Path], Any], size_bytes: int) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except (OSError, pl.exceptions.PolarsError) as error:
        temporary.unlink(missing_ok=True)
        raise _storage_error(path, size_bytes, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _write_ordered(path: Path, content: bytes) -> str:
    """Writes safetensors with its metadata in order, which the library shuffles: equal tensors then make
    equal files. Returns the SHA-256."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    if len(header.get("__metadata__", {})) > 1:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        content = b"".join((len(text).to_bytes(8, "little"), text, memoryview(content)[8 + length :]))
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _storage_error(path: Path, needed: int, error: Exception) -> RunError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, OSError) and error.errno in _NOT_ABOUT_SPACE:
        return RunError(f"cannot write {path}: {reason}. What was saved before is whole; name another place")
    return RunError(
        f"cannot write {path}: {reason} (needed about {needed:,} bytes, free {free_bytes(path):,}). "
        f"What was saved before is whole; make room and resume the run"
    )


@contextmanager
def _whole_tensor_file(path: Path) -> Iterator[None]:
    """What goes wrong inside the block is told as damage of the file."""
    if not path.exists():
        raise RunError(f"{path} is missing")
    if path.stat().st_size == 0:
        raise RunError(f"{path} is empty (0 bytes): it was cut while being written")
    try:
        yield
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} is incomplete or damaged ({error})") from error


def _plain(value: Any) -> Any:
    """Numpy scalars and paths as JSON knows them."""
    if isinstance(value, np.generic):
        plain = value.item()
        if isinstance(plain, float) and not math.isfinite(plain):
            raise ValueError(f"{plain} has no place in a JSON file")
        return plain
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
