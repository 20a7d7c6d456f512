"""The comparison of networks fits a terminal of 80 columns, with every figure whole."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from eighteen.cli import _display
from eighteen.cli._models_compared import print_models
from eighteen.core.measures import Measure
from eighteen.evaluating.relatives import ModelRow

NAMES = ("resnet18", "resnet50", "convnext_tiny.in12k_ft_in1k_384", "vit_base_patch14_reg4_dinov2.lvd142m")


def rows() -> list[ModelRow]:
    accuracy = Measure(0.9123, 0.8891, 0.9311, 2_000, "wilson 95 %")
    return [
        ModelRow(
            model=name,
            accuracy=accuracy,
            parameters=11_177_538 * (1 + 12 * place),
            macs=1_818_000_000 * (1 + 9 * place),
            peak_memory_mb=512.0 + 400 * place,
            latency_ms=23.44 * (1 + 60 * place),
            train_minutes=104.26 * (1 + 12 * place),
            difference=None if place == 0 else {"value": 0.001, "low": -0.004, "high": 0.006},
            verdict="" if place == 0 else "no difference that matters",
            on_front=place == 0,
        )
        for place, name in enumerate(NAMES)
    ]


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "file"])
def test_every_figure_is_whole_in_80_columns(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    said = io.StringIO()
    out = Console(file=said, force_terminal=terminal, highlight=False, soft_wrap=not terminal)
    monkeypatch.setattr(_display, "console", lambda: out)
    print_models(rows(), Path("studies/networks"), 75.0, as_json=False)
    text = said.getvalue()
    assert "…" not in text and max(map(len, text.splitlines())) <= 80
    lines = [line.split() for line in text.splitlines()]
    verdict = ["no", "difference", "that", "matters"]
    assert lines.count(["resnet50", "0.912", "[0.889,", "0.931]", *verdict]) == 1
    assert [line for line in lines if line[:2] == ["resnet18", "*"]] == [
        ["resnet18", "*", "0.912", "[0.889,", "0.931]", "–"],
        ["resnet18", "*", "11.18", "M", "1.82", "G", "512", "MB", "23.4", "ms", "104.3", "min"],
    ]
    for figure in ("413.57 M", "50.90 G", "1712 MB", "4242.6 ms", "3857.6 min"):
        assert figure in text
