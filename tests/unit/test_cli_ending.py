"""How a command ends when it is told to."""

from __future__ import annotations

import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from eighteen.evaluating.evaluate import not_asked_again
from eighteen.training.stopping import listening

TERMINATED = """
import signal, sys
from eighteen.cli import main

number = signal.Signals(int(sys.argv[1]))
if sys.argv[2:]:
    signal.signal(number, signal.SIG_IGN)
before = signal.getsignal(number)
main.app = lambda: signal.raise_signal(number)
try:
    main.run()
finally:
    sys.stdout.write(str(signal.getsignal(number) is before))
"""
"""In a process of its own, since what else a test process has loaded may listen for signals too."""


def ended(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", TERMINATED, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_a_command_with_a_sentence(name: str) -> None:
    number = getattr(signal, name, None)
    if number is None:
        pytest.skip(f"no {name} on this system")
    done = ended(int(number))
    assert (done.returncode, done.stdout) == (128 + number, "True")
    assert done.stderr == "eighteen: stopped; what was saved before is whole\n"


def test_a_terminal_may_say_twice_that_it_was_closed() -> None:
    if not hasattr(signal, "SIGHUP"):
        pytest.skip("no SIGHUP on this system")
    with listening() as stop:
        for _ in range(2):
            signal.raise_signal(signal.SIGHUP)
        assert stop.exit_code == 129


def test_under_nohup_a_closed_terminal_ends_nothing() -> None:
    number = getattr(signal, "SIGHUP", None)
    if number is None:
        pytest.skip("no SIGHUP on this system")
    done = ended(int(number), "ignored")
    assert (done.returncode, done.stdout, done.stderr) == (0, "True", "")


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
