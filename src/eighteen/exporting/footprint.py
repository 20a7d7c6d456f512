"""How much memory a program needs that opens an exported model and answers for one picture.

A fresh Python opens the files and answers once. Memory that this process freed earlier would hide what a
model takes. What Python and its libraries need before a model is opened is told apart.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

from eighteen.core.artifact import Artifact
from eighteen.core.errors import EighteenError
from eighteen.evaluating._fresh_process import ProcessFailed, ask_fresh_process, peak_bytes

_PROGRAM = "from eighteen.exporting.footprint import report; report()"


@dataclass(frozen=True)
class Memory:
    """Resident memory of a fresh process, bytes.

    Attributes:
        peak_bytes: most of it, up to the answer for one picture.
        before_bytes: most of it before the model was opened.
    """

    peak_bytes: int
    before_bytes: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def measure_memory(artifact: Artifact) -> Memory:
    """Opens the model in a process of its own, and asks it for one picture a little larger than its input.

    Raises:
        EighteenError: the process failed; with what it said last.
    """
    try:
        return Memory(**ask_fresh_process(_PROGRAM, str(artifact.path)))
    except ProcessFailed as last:
        raise EighteenError(
            f"the exported model cannot be opened by a fresh process, which ended with '{last}'; export again"
        ) from last


def report() -> None:
    """The fresh process: opens the artifact named on its command line and writes its peaks as JSON."""
    import numpy as np

    from eighteen.inference.exported import open_model

    artifact = Artifact.open(sys.argv[1])
    side = artifact.inputs.size * 8 // 7
    before = peak_bytes()
    open_model(artifact.path).answer([np.zeros((side, side, 3), np.uint8)])
    sys.stdout.write(json.dumps({"peak_bytes": peak_bytes(), "before_bytes": before}) + "\n")
