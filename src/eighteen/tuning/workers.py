"""Further processes on one machine: each joins the study by the command that a user would type.

They end by themselves when the budget is used up; when this process ends early, they are told to stop, and
save what they have.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eighteen.core.progress import Progress

STORAGE_VARIABLE = "EIGHTEEN_STORAGE"
_STOP_WAIT_S = 60


@contextmanager
def helpers(study: Path, count: int, url: str, progress: Progress) -> Iterator[None]:
    """So many processes that make trials beside this one, which waits for them at the end of the block.

    Args:
        study: folder of the study.
        count: processes, 0 or more.
        url: storage of the trials, handed over where no list of processes shows it.
        progress: told where one ended badly.
    """
    threads = str(max(1, (os.cpu_count() or 1) // (count + 1)))
    environment = {**os.environ, STORAGE_VARIABLE: url, "OMP_NUM_THREADS": threads}
    command = [sys.executable, "-m", "eighteen", "tune", "--join", str(study)]
    started = [
        subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    try:
        yield
        said = [each.communicate()[1] for each in started]
    except BaseException:
        for each in started:
            each.terminate()
        for each in started:
            each.communicate(timeout=_STOP_WAIT_S)
        raise
    for each, words in zip(started, said, strict=True):
        if each.returncode:
            last = (words.strip().splitlines() or ["it said nothing"])[-1]
            progress("warning", 0, 0, f"a worker ended early, with exit code {each.returncode}: {last}")
