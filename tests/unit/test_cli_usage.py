"""Options that would do nothing are refused before anything is opened."""

from __future__ import annotations

import sys

import pytest

from eighteen.cli.main import run


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("runs/a runs/b --seeds 3", "--seeds, --folds and options of training go with one DATA"),
        ("runs/a runs/b --folds 5", "--seeds, --folds and options of training go with one DATA"),
        ("photos --out study --change seed=1 --split val", "--split belongs to two runs"),
        ("photos --out study --models resnet18,resnet34 --split val", "--split belongs to two runs"),
    ],
)
def test_comparing_refuses_what_it_would_not_heed(
    line: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["eighteen", "compare", *line.split()])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
