"""Options that would do nothing are refused before anything is opened."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from eighteen.api.reviewing import Review
from eighteen.cli.main import run
from eighteen.core.recipe import DataSection
from eighteen.reviewing.serving import Address
from eighteen.reviewing.suspects import Suspects

NOTHING = Suspects((), (), Path(), (), 0)


def refusal(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", ["eighteen", *line.split()])
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "audit photos --set training.epochs=3",
            "--set training.epochs=3 would do nothing here; expected data",
        ),
        ("audit photos --set model.weights=w.pt", "to look with a network, --model NAME --weights FILE"),
        (
            "audit photos --weights w.pt --set loss.name=focal",
            "expected data.KEY, inputs.KEY, model.KEY, seed",
        ),
        ("audit photos --set evaluation.open_test=true", "would do nothing here"),
        ("audit photos --split-column part --resplit", "--split-column part names splits that --resplit"),
        ("review photos --set seed=1", "--set seed=1 would do nothing here; expected data.KEY=VALUE"),
        ("review photos --set data.strict=true", "--set data.strict=true would do nothing here"),
        ("review photos --list --port 0", "--list opens no page; leave out --port"),
        ("review photos --list --json --no-open", "--list opens no page; leave out --open/--no-open"),
        ("review photos --list --corrections c.csv", "--list opens no page; leave out --corrections"),
        ("review photos --data elsewhere", "--data says where the pictures of a run or study lie now"),
        ("screen pile --json --set training.epochs=3", "expected data.KEY=VALUE"),
    ],
)
def test_what_would_do_nothing_is_refused(
    line: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refusal(line, monkeypatch, capsys)


def test_a_page_is_opened_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the output goes into a file, where nobody may be looking by default."""
    from eighteen import api

    asked: list[bool] = []
    monkeypatch.setattr(api, "review", lambda *_, **__: Review("photos", NOTHING, tmp_path, DataSection()))

    def served(review: Review, address: Address, ready: object, opens: bool) -> int:
        address.socket.close()
        asked.append(opens)
        return 0

    monkeypatch.setattr(api, "serve_review", served)
    for more in ([], ["--open"], ["--no-open"]):
        monkeypatch.setattr(sys, "argv", ["eighteen", "review", str(tmp_path), "--port", "0", *more])
        with pytest.raises(SystemExit):
            run()
    assert asked == [False, True, False]


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
    assert told in refusal(f"compare {line}", monkeypatch, capsys)
