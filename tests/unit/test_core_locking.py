"""Two processes do not work in one folder at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eighteen.core.errors import Interrupted, RunError
from eighteen.core.locking import alone_in, one_at_a_time
from eighteen.core.study import Study

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such lock")

HOLD = """
import sys
from pathlib import Path
from eighteen.core.locking import alone_in

with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process, which holds the folder until it is killed."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        yield other


def test_a_second_process_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as other:
        with pytest.raises(RunError, match="another process is at work"), alone_in(tmp_path):
            pytest.fail("two hold it")
        other.kill()
    with alone_in(tmp_path):
        pass


def test_what_takes_a_moment_does_not_wait_for_long_work(tmp_path: Path) -> None:
    with alone_in(tmp_path), one_at_a_time(tmp_path, patience_s=0.1):
        pass


def test_a_line_that_is_written_refuses_no_long_work(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as other:
        threading.Timer(0.5, other.kill).start()
        with alone_in(tmp_path):
            pass


def test_a_study_is_made_by_one_process_and_says_how_to_go_on(tmp_path: Path) -> None:
    with Study.creating(tmp_path / "study", "climb", {}):
        pass
    study = Study.open(tmp_path / "study")
    with study.working(), pytest.raises(RunError, match="at work in"), Study(study.path).working():
        pytest.fail("two work on it")
    with pytest.raises(Interrupted, match=r"go on with: eighteen climb --resume .*study"), study.working():
        raise KeyboardInterrupt
    assert study.info["state"] == "interrupted"
