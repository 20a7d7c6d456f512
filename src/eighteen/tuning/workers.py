"""Further processes on one machine: each joins the study by the command that a user would type.

They end by themselves when the budget is used up; when this process ends early, they are told to stop, and
save what they have. What they say goes into files without a name: nobody reads a pipe while this process
makes trials of its own, and a full pipe would hold them up.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

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
    command = [sys.executable, "-P", "-m", "eighteen", "tune", "--join", str(study)]
    with ExitStack() as files:
        said = [files.enter_context(tempfile.TemporaryFile()) for _ in range(count)]
        started = [
            # In a session of its own: Ctrl-C reaches this process alone, which then stops them, once.
            subprocess.Popen(
                command, env=environment, stdout=subprocess.DEVNULL, stderr=file, start_new_session=True
            )
            for file in said
        ]
        try:
            yield
            for each in started:
                each.wait()
        except BaseException:
            for each in started:
                each.terminate()
            for each in started:
                _wait_or_kill(each)
            raise
        for each, file in zip(started, said, strict=True):
            if each.returncode:
                last = _last_line(file)
                progress("warning", 0, 0, f"a worker ended early, with exit code {each.returncode}: {last}")


def _wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(timeout=_STOP_WAIT_S)
    except subprocess.TimeoutExpired:
        # Its trial is made again from what it saved last.
        process.kill()
        process.wait()


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
