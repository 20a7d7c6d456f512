"""Shipping a model, as a function that its command calls too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eighteen.api.data import PathLike
from eighteen.api.runs import report
from eighteen.core.progress import Progress, silent
from eighteen.core.run import Run

if TYPE_CHECKING:
    from eighteen.exporting.export import Exported


def export(
    run: PathLike | Run,
    to: str = "onnx",
    precision: str = "fp32",
    out: PathLike | None = None,
    progress: Progress = silent,
    *,
    pictures: int = 1000,
) -> Exported:
    """Writes a trained model in another format, and proves that it answers as the run does.

    Args:
        run: trained.
        to: the format.
        precision: of the network: fp32, fp16, bf16, int8; a format may offer fewer.
        out: folder to make; None takes `exports/` in the run.
        pictures: real files of the run, without its test split, that both are asked for.

    Raises:
        GateError: the exported model disagrees; nothing is left behind.
    """
    from eighteen.exporting.export import export as write

    opened = run if isinstance(run, Run) else Run.open(run)
    made = write(opened, to, precision, None if out is None else Path(out), pictures, progress)
    if out is None and opened.info["state"] == "complete":
        report(opened)  # it lists the run's exports
    return made
