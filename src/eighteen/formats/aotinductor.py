"""AOTInductor: a package of machine code that PyTorch compiles ahead of time for this machine's processor.

`model.pt2` takes uint8 RGB pictures of any number and size, `bare.pt2` any number of normalised tensors; both
answer with probabilities and logits, weights and metadata inside. They are the programs of the format
`torch`, compiled: faster, and opened without tracing, also from C++.

A package runs on processors and versions of PyTorch like those that it was compiled with. Opening it runs its
code, so only files that this machine compiled itself are opened: see `_compiled_here`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eighteen.core import store
from eighteen.core.artifact import Exportable, Files, Opened
from eighteen.core.errors import EighteenError, RunError
from eighteen.core.progress import Progress, silent
from eighteen.formats import _compiled_here
from eighteen.formats import torch as torch_format
from eighteen.formats._opening import Run, open_described

if TYPE_CHECKING:
    from torch.export import ExportedProgram

PRECISIONS = ("fp32", "bf16")
NEEDS = ("torch",)

MODEL, BARE = torch_format.MODEL, torch_format.BARE

_SETTINGS: Mapping[str, Any] = {
    "cpp.dynamic_threads": True,  # as many as the program that opens it wants, not as the export had
    "cpp_cache_precompile_headers": False,  # worth their time only where many files are compiled
    "aot_inductor.precompile_headers": False,
}


def make_ready(progress: Progress = silent) -> None:
    """Looks for a C++ compiler, before anything else is done.

    Raises:
        EighteenError: there is none.
    """
    compiler()


def compiler() -> str:
    """The C++ compiler that PyTorch takes.

    Raises:
        EighteenError: there is none.
    """
    with _compilers_words_away():
        from torch._inductor import config
        from torch._inductor.cpp_builder import get_cpp_compiler

        try:
            return str(get_cpp_compiler())
        except (RuntimeError, OSError) as error:
            found = config.cpp.cxx
            named = ", ".join(filter(None, found if isinstance(found, list | tuple) else [found]))
            raise EighteenError(
                f"the format 'aotinductor' compiles C++, and no C++ compiler answers (looked for: {named}); "
                f"install one, such as g++ or clang++, or name one in the environment variable CXX"
            ) from error


def write(model: Exportable, folder: Path, precision: str) -> Files:
    """Writes `model.pt2` and `bare.pt2`, and records both as compiled here.

    Args:
        model: what to write.
        folder: exists, and is empty.
        precision: of `PRECISIONS`.

    Raises:
        EighteenError: there is no C++ compiler, or it fails.
    """
    compiler()
    recorded = {}
    with _compilers_words_away(), _own_cache():
        for name, program in _programs(model, precision).items():
            content = _compiled(program, model.metadata, precision)
            recorded[name] = _compiled_here.remember(content)
            store.write_bytes(folder / name, content)
    machine = _compiled_here.this_machine()
    outside = (
        f"the code is for {machine['system']}, PyTorch {machine['torch']} and a processor that can do what "
        f"the one that compiled it can (compiled_for in artifact.json). Anywhere else, export again there: "
        f"eighteen opens no package that its own machine did not compile"
    )
    return Files(MODEL, BARE, outside, {"compiled_for": machine, "sha256": recorded})


def forget(folder: Path) -> None:
    """What was written here and is refused is no longer opened either."""
    for path in (folder / MODEL, folder / BARE):
        if path.exists():
            _compiled_here.forget(path.read_bytes())


def open_files(model: Path, bare: Path, threads: int = 0) -> Opened:
    """Both packages, if this machine compiled them.

    Args:
        model: takes pictures.
        bare: takes tensors; may be absent.
        threads: not used: PyTorch's own number counts.

    Raises:
        RunError: a file is missing, was not compiled here, or carries no description of its inputs.
    """
    return open_described(model, bare, _opened)


def _programs(model: Exportable, precision: str) -> dict[str, ExportedProgram]:
    import torch

    entries = torch_format.entries(model, precision)
    with torch.no_grad():
        return {
            name: torch.export.export(module, (example,), dynamic_shapes=shapes)
            for name, (module, example, shapes) in entries.items()
        }


def _compiled(program: ExportedProgram, metadata: Mapping[str, str], precision: str) -> bytes:
    import torch
    from torch._inductor import aoti_compile_and_package

    content = BytesIO()
    settings = {
        **_SETTINGS,
        # Norms are folded into convolutions, and weights laid out as the kernels read them. Not in bf16:
        # PyTorch 2.14 then fuses an addition for which it has no kernel at some sizes (`add_relu`).
        "freezing": precision == "fp32",
        "aot_inductor.metadata": dict(metadata),
    }
    try:
        # Weights can only be laid out anew where nothing asks for gradients.
        with torch.no_grad():
            aoti_compile_and_package(program, package_path=content, inductor_configs=settings)
    except RuntimeError as error:
        last = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise EighteenError(
            f"PyTorch could not compile the network with {compiler()} ({last[:300]}); export to another "
            f"format, such as --to torch"
        ) from error
    return content.getvalue()


def _opened(path: Path) -> tuple[Run, Mapping[str, str]]:
    import torch

    content = _compiled_here.own(path)
    with _compilers_words_away():
        from torch._inductor import aoti_load_package

        try:
            package = aoti_load_package(BytesIO(content))
        except RuntimeError as error:
            raise RunError(
                f"{path} cannot be opened by PyTorch ({str(error)[:160]}); export it again"
            ) from error

    def run(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        try:
            with torch.no_grad():
                _, logits = package(torch.from_numpy(values))
        except RuntimeError as error:
            raise RunError(
                f"the code in {path} failed on an input of {values.shape} ({str(error)[:160]}); export to "
                f"another format, such as --to torch"
            ) from error
        return np.asarray(logits.numpy(), np.float32)

    return run, package.get_metadata()


@contextmanager
def _own_cache() -> Iterator[None]:
    """PyTorch's cache of compiled code lies in a folder that others may have made; this one is new, readable
    by nobody else, and gone afterwards."""
    from torch._inductor.utils import fresh_cache

    with TemporaryDirectory(prefix="eighteen-aotinductor-") as name, fresh_cache(dir=name):
        yield


@contextmanager
def _compilers_words_away() -> Iterator[None]:
    """Warnings about its own internals, and about a GPU that nobody asked for."""
    told = logging.getLogger("torch.utils.cpp_extension")
    before = told.level
    told.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        told.setLevel(before)
