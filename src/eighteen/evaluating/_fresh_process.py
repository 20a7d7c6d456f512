"""How much memory a program needs that opens a run and scores pictures: the peak of a process of its own.

In goes a run folder, out come bytes for each batch size. Memory that this process freed earlier would hide
what a network takes, so a fresh Python opens the run, scores one batch after another, smallest first, and
reports the largest resident memory that the system has seen of it so far.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

import eighteen
from eighteen.core.errors import EighteenError

_PROGRAM = "from eighteen.evaluating._fresh_process import report; report()"


class ProcessFailed(Exception):
    """A fresh process ended otherwise than well; with what it said last."""


def ask_fresh_process(program: str, *arguments: str) -> Any:
    """What a fresh Python says in its last line, as JSON; it imports nothing from the working directory.

    Args:
        program: of one line.
        arguments: `sys.argv[1:]` there.

    Raises:
        ProcessFailed: its exit code is not 0.
    """
    paths = [str(Path(eighteen.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ProcessFailed((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return json.loads(done.stdout.splitlines()[-1])


def resident_peaks(run: Path, batch_sizes: Sequence[int], threads: int) -> dict[int, int]:
    """Peak resident memory of a fresh process on the CPU, bytes, by batch size.

    Args:
        run: folder of a trained run.
        batch_sizes: pictures scored at once, each 1 or more.
        threads: that the network runs with, 1 or more.

    Raises:
        EighteenError: the process failed; with what it said last.
    """
    try:
        peaks = ask_fresh_process(_PROGRAM, str(run), str(threads), *map(str, sorted(batch_sizes)))
    except ProcessFailed as last:
        raise EighteenError(
            f"the memory that {run} needs could not be measured: a fresh process that scored batches of "
            f"{sorted(batch_sizes)} pictures ended with '{last}'; expected peaks. Try smaller batches"
        ) from last
    return {int(batch_size): int(peak) for batch_size, peak in peaks.items()}


def report() -> None:
    """The fresh process: opens the run named on its command line and writes its peaks as one line of JSON."""
    import numpy as np
    import torch

    from eighteen.inference.predictor import Predictor

    run, threads, *batch_sizes = sys.argv[1:]
    torch.set_num_threads(int(threads))
    predictor = Predictor.open(run, device="cpu")
    inputs, peaks = predictor.inputs, {}
    for batch_size in batch_sizes:
        shape = (int(batch_size), inputs.channels, inputs.size, inputs.size)
        predictor.forward(np.zeros(shape, np.float32))
        peaks[batch_size] = peak_bytes()
    sys.stdout.write(json.dumps(peaks) + "\n")


def peak_bytes() -> int:
    """Largest resident memory of this process.

    On Linux `ru_maxrss` outlives the program that it was measured on, so it is not asked there.
    """
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
