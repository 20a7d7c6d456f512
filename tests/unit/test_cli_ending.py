"""How a command ends when it is told to."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from eighteen.evaluating.evaluate import not_asked_again

TERMINATED = """
import signal, sys
from eighteen.cli import main

before = signal.getsignal(signal.SIGTERM)
main.app = lambda: signal.raise_signal(signal.SIGTERM)
try:
    main.run()
finally:
    sys.stdout.write(str(signal.getsignal(signal.SIGTERM) is before))
"""
"""In a process of its own, since what else a test process has loaded may listen for signals too."""


def test_sigterm_ends_a_command_with_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TERMINATED], check=False, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stdout) == (143, "True")
    assert done.stderr == "eighteen: stopped; what was saved before is whole\n"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (({}, False, False), "--recall, --costs, --unknown"),
        (({"cat": 0.9}, False, True), "--costs on val"),
        (({"cat": 0.9}, True, True), ""),
    ],
)
def test_what_an_evaluation_replaces_is_said(asked: tuple[Any, ...], words: str) -> None:
    details = {"operating_points": [{"class": "cat"}], "mistake_costs": {}}
    run: Any = SimpleNamespace(measures={"val": {"auroc_unknown": 1}}, details={"val": details})
    said = not_asked_again(run, "val", *asked)
    assert words in said and bool(said) == bool(words)
    assert not_asked_again(run, "test", {}, False, False) == ""
