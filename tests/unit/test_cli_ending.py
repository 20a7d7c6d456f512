"""How a command ends when it is told to."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any

import pytest

from eighteen.cli import main
from eighteen.evaluating.evaluate import not_asked_again


def test_sigterm_ends_a_command_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(main, "app", lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    assert capsys.readouterr().err == "eighteen: stopped; what was saved before is whole\n"


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
