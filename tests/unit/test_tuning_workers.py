"""Processes beside a search never wait for somebody who reads what they say."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from eighteen.tuning import workers


def test_a_worker_that_says_much_is_not_held_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in for eighteen, writes more than a pipe holds, and leaves a file when it is through."""
    done = tmp_path / "done"
    program = tmp_path / "program"
    program.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\n"
        "sys.stderr.write('word ' * 60_000)\n"
        f"pathlib.Path({str(done)!r}).touch()\n"
        "sys.stderr.write('\\nthe last line\\n')\n"
        "sys.exit(3)\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    told: list[str] = []
    with workers.helpers(tmp_path, 1, "sqlite://", lambda stage, done, total, note: told.append(note)):
        deadline = time.monotonic() + 60
        while not done.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert done.exists(), "it waits for a reader"
    assert told == ["a worker ended early, with exit code 3: the last line"]


def test_workers_are_stopped_with_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    began = time.monotonic()
    with (
        pytest.raises(KeyboardInterrupt),
        workers.helpers(tmp_path, 2, "sqlite://", lambda stage, done, total, note: None),
    ):
        raise KeyboardInterrupt
    assert time.monotonic() - began < 60
