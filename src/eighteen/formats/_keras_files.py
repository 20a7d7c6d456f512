"""Keras and its files: which backend is used, what a file says of itself, and how it is opened safely.

A `.keras` file is a zip of `config.json`, `metadata.json` and the weights. What this package says goes into
`metadata.json`, where Keras leaves further entries alone.

A file that comes from elsewhere may name any class; Keras has been talked into running code that way more
than once. So before Keras sees a file, every class in it must be one of those that models from here are made
of. Nothing else is opened, `safe_mode` or not.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from eighteen.core import store
from eighteen.core.errors import EighteenError, RunError

_BACKEND = "KERAS_BACKEND"
_ENTRY = "eighteen"
_MOST_BYTES = 64 << 20  # of the two JSON entries

_LAYERS = """
Activation Add AveragePooling2D BatchNormalization Concatenate Conv2D Dense DepthwiseConv2D Dropout Flatten
Functional GlobalAveragePooling2D InputLayer MaxPooling2D Multiply Permute ZeroPadding2D
"""
_OPERATIONS = """
Absolute Add Cast Clip Cumsum Divide Einsum Equal ExpandDims Flip Floor FloorDivide GetItem GreaterEqual Less
LessEqual LogSoftmax LogicalAnd Maximum Minimum Mod Multiply Negative OnesLike Pad Subtract Sum TrueDivide
Where ZerosLike
"""
_VALUES = "DTypePolicy GlorotUniform Ones Zeros __keras_tensor__ __numpy__ __slice__ __tensor__"
_CLASSES = frozenset(f"{_LAYERS} {_OPERATIONS} {_VALUES}".split())

_MODULES = frozenset(
    {
        "keras",
        "keras.initializers",
        "keras.layers",
        "keras.src.models.functional",
        "keras.src.ops.core",
        "keras.src.ops.nn",
        "keras.src.ops.numpy",
    }
)


def load_keras(backend: str = "") -> Any:
    """Keras, on the backend that `KERAS_BACKEND` names; else on the one asked for; else on PyTorch.

    A process has one backend, chosen when Keras is first imported.

    Args:
        backend: the only one that will do; "" takes any.

    Raises:
        EighteenError: another backend is in use, or it is not installed.
    """
    chosen = os.environ.get(_BACKEND) or backend or "torch"
    if "keras" not in sys.modules:
        _import(chosen)
    keras = importlib.import_module("keras")
    used = keras.config.backend()
    if backend and used != backend:
        raise EighteenError(
            f"Keras runs on {used} in this process, and {backend} is needed; start anew with "
            f"{_BACKEND}={backend}"
        )
    return keras


def _import(backend: str) -> None:
    before = os.environ.get(_BACKEND)
    os.environ[_BACKEND] = backend
    try:
        importlib.import_module("keras")
    except (ImportError, ValueError) as error:
        raise EighteenError(
            f"Keras cannot run on {backend} ({error}); install {backend}, or set {_BACKEND}=torch"
        ) from error
    finally:
        if before is None:
            del os.environ[_BACKEND]


@contextmanager
def on_the_cpu() -> Iterator[None]:
    """Where models are made and asked: the CPU, as in every proof, and without what gradients would need."""
    keras = load_keras()
    with ExitStack() as stack:
        if keras.config.backend() == "torch":
            import torch

            stack.enter_context(torch.no_grad())
        stack.enter_context(keras.device("cpu"))
        yield


def save(model: Any, path: Path, notes: Mapping[str, str]) -> None:
    """Writes a model with what it says of itself."""
    with tempfile.TemporaryDirectory(prefix="eighteen-keras-") as folder:
        plain = Path(folder) / "model.keras"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Keras with PyTorch and a newer numpy
            model.save(plain)
        content = BytesIO()
        with zipfile.ZipFile(plain) as old, zipfile.ZipFile(content, "w") as new:
            for entry in old.infolist():
                data = old.read(entry)
                if entry.filename == "metadata.json":
                    data = json.dumps({**json.loads(data), _ENTRY: dict(notes)}, ensure_ascii=False).encode()
                new.writestr(entry, data)
    store.write_bytes(path, content.getvalue())


def load(path: Path) -> tuple[Any, dict[str, str]]:
    """A model from a file, and what it says of itself.

    Raises:
        RunError: the file is damaged, says nothing of itself, or names a class that no model from here has.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config, notes = (_json(archive, name) for name in ("config.json", "metadata.json"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise RunError(f"{path} is no file of Keras ({str(error)[:160]}); export the model again") from error
    strange = sorted({name for name in _classes(config) if not _known(name)})
    if strange:
        raise RunError(
            f"{path} holds what no exported model holds ({', '.join(strange[:3])}), and opening it might run "
            f"code; it was not opened. Models made with `eighteen export RUN --to keras` are"
        )
    keras = load_keras()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    # Damaged weights end in errors of many kinds.
    except Exception as error:
        raise RunError(f"{path} cannot be opened by Keras ({str(error)[:160]}); export it again") from error
    return model, notes.get(_ENTRY, {})


def _json(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    if archive.getinfo(name).file_size > _MOST_BYTES:
        raise ValueError(f"{name} is too large")
    found = json.loads(archive.read(name))
    if not isinstance(found, dict):
        raise ValueError(f"{name} holds no object")
    found.pop("compile_config", None)  # a training's; it is not read
    return found


def _classes(value: object) -> Iterator[str]:
    """Of every object in a configuration: `module:class`."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if "class_name" in one or "module" in one:
                yield f"{one.get('module') or ''}:{one.get('class_name')}"
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _known(name: str) -> bool:
    module, _, class_name = name.partition(":")
    return class_name in _CLASSES and (module in _MODULES or (not module and class_name.startswith("__")))
