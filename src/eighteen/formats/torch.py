"""torch.export: a program that PyTorch opens without this package's code.

`model.pt2` takes uint8 RGB pictures of any size, `bare.pt2` the normalised tensor; both answer with
probabilities and logits. Nothing but PyTorch is needed to run them.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eighteen.core import store
from eighteen.core.artifact import Exportable, Files, Opened
from eighteen.core.errors import RunError
from eighteen.formats._opening import Run, open_described

if TYPE_CHECKING:
    from torch import Tensor, nn

PRECISIONS = ("fp32",)
NEEDS = ("torch",)

MODEL, BARE = "model.pt2", "bare.pt2"
_NOTES = "metadata.json"


def write(model: Exportable, folder: Path, precision: str) -> Files:
    """Writes `model.pt2` and `bare.pt2`.

    Args:
        model: what to write.
        folder: exists, and is empty.
        precision: of `PRECISIONS`.
    """
    import torch
    from torch import nn

    from eighteen.models.answering import WithProbabilities
    from eighteen.models.preparing import Preparing

    inputs = model.inputs
    answering = WithProbabilities(model)
    tensor = torch.zeros(2, inputs.channels, inputs.size, inputs.size)
    pictures = torch.zeros(2, 48, 40, 3, dtype=torch.uint8)
    _save(folder / BARE, answering, tensor, ("N",), model)
    _save(
        folder / MODEL, nn.Sequential(Preparing(inputs), answering).eval(), pictures, ("N", "H", "W"), model
    )
    return Files(MODEL, BARE)


def _save(path: Path, module: nn.Module, example: Tensor, dims: tuple[str, ...], model: Exportable) -> None:
    import torch

    shapes = {axis: torch.export.Dim(name) for axis, name in enumerate(dims)}
    content = BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own
        program = torch.export.export(module, (example,), dynamic_shapes=(shapes,))
        torch.export.save(program, content, extra_files={_NOTES: json.dumps(model.metadata)})
    store.write_bytes(path, content.getvalue())


def open_files(model: Path, bare: Path, threads: int = 0) -> Opened:
    """Both programs, on the CPU.

    Args:
        model: takes pictures.
        bare: takes tensors; may be absent.
        threads: not used: PyTorch's own number counts.

    Raises:
        RunError: a file is missing or damaged, or carries no description of its inputs.
    """
    return open_described(model, bare, _opened)


def _opened(path: Path) -> tuple[Run, Mapping[str, str]]:
    import torch

    extra = {_NOTES: ""}
    try:
        program = torch.export.load(path, extra_files=extra)
    # Damaged archives end in errors of many kinds.
    except Exception as error:
        raise RunError(f"{path} cannot be opened by PyTorch ({str(error)[:160]}); export it again") from error
    module = program.module()

    def run(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        with torch.no_grad():
            _, logits = module(torch.from_numpy(values))
            return np.asarray(logits.numpy(), np.float32)

    return run, json.loads(extra[_NOTES] or "{}")
