"""torch.export: a program that PyTorch opens without this package's code.

`model.pt2` takes uint8 RGB pictures of any size, `bare.pt2` the normalised tensor; both answer with
probabilities and logits. Nothing but PyTorch is needed to run them.

bf16: the network computes in bfloat16, which is faster where the processor has instructions for it (AMX,
AVX-512 BF16) and slower elsewhere; the preparation and what follows the network stay float32.

PyTorch's loader runs code that a file can hold. So it is given no file, but what `_torch_archive` lets
through.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eighteen.core import store
from eighteen.core.artifact import Exportable, Files, Opened
from eighteen.core.errors import RunError
from eighteen.formats import _torch_archive
from eighteen.formats._opening import Run, open_described

if TYPE_CHECKING:
    from torch import Tensor, nn

PRECISIONS = ("fp32", "bf16")
NEEDS = ("torch",)

MODEL, BARE = "model.pt2", "bare.pt2"


def write(model: Exportable, folder: Path, precision: str) -> Files:
    """Writes `model.pt2` and `bare.pt2`.

    Args:
        model: what to write.
        folder: exists, and is empty.
        precision: of `PRECISIONS`.
    """
    for name, (module, example, shapes) in entries(model, precision).items():
        _save(folder / name, module, example, shapes, model)
    return Files(MODEL, BARE)


Entry = tuple["nn.Module", "Tensor", "tuple[dict[int, Any]]"]


def entries(model: Exportable, precision: str) -> dict[str, Entry]:
    """By file: the module of an entry, an example of what it takes, and which of its sides may change."""
    import torch
    from torch import nn
    from torch.export import Dim

    from eighteen.models.answering import InBfloat16, WithProbabilities
    from eighteen.models.preparing import Preparing

    inputs = model.inputs
    network = InBfloat16(model.network) if precision == "bf16" else model.network
    answering = WithProbabilities(replace(model, network=network))
    tensor = torch.zeros(2, inputs.channels, inputs.size, inputs.size)
    pictures = torch.zeros(2, 48, 40, 3, dtype=torch.uint8)
    sides = {axis: Dim(name) for axis, name in enumerate("NHW")}
    whole = nn.Sequential(Preparing(inputs), answering).eval()
    return {BARE: (answering, tensor, ({0: Dim("N")},)), MODEL: (whole, pictures, (sides,))}


def _save(
    path: Path, module: nn.Module, example: Tensor, shapes: tuple[dict[int, Any]], model: Exportable
) -> None:
    import torch

    content = BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own
        program = torch.export.export(module, (example,), dynamic_shapes=shapes)
        program.example_inputs = None  # would be a pickle in the file
        torch.export.save(program, content, extra_files={_torch_archive.NOTES: json.dumps(model.metadata)})
    store.write_bytes(path, content.getvalue())


def open_files(model: Path, bare: Path, threads: int = 0) -> Opened:
    """Both programs, on the CPU.

    Args:
        model: takes pictures.
        bare: takes tensors; may be absent.
        threads: not used: PyTorch's own number counts.

    Raises:
        RunError: a file is missing or damaged, holds what could run code, or carries no description of its
            inputs.
    """
    return open_described(model, bare, _opened)


def _opened(path: Path) -> tuple[Run, Mapping[str, str]]:
    import torch

    content, notes = _torch_archive.made_anew(path)
    try:
        module = torch.export.load(content).module()
    # Damaged archives end in errors of many kinds.
    except Exception as error:
        raise RunError(f"{path} cannot be opened by PyTorch ({str(error)[:160]}); export it again") from error

    def run(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        with torch.no_grad():
            _, logits = module(torch.from_numpy(values))
            return np.asarray(logits.numpy(), np.float32)

    return run, notes
