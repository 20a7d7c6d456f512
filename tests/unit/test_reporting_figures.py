"""Figures: points lie where their values say, and odd values do no harm."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from eighteen.core.measures import Measure
from eighteen.reporting.curves import Panel, Series
from eighteen.reporting.figures import (
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    interval_figure,
    panel_figure,
    risk_figure,
    round_steps,
)
from eighteen.reporting.trust import RiskRow


def points(svg: str) -> list[tuple[float, float]]:
    text = re.findall(r'points="([^"]*)"', svg)[0]
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in text.split())]


def test_points_follow_values() -> None:
    svg = panel_figure(Panel("Loss", (Series("training", (2.0, 1.0, 0.0)),)), (1, 2, 3), 2)
    (x1, y1), (x2, y2), (x3, y3) = points(svg)
    assert (x1, x3) == (LEFT, WIDTH - RIGHT)
    assert x2 == pytest.approx((x1 + x3) / 2)
    assert y1 == TOP
    assert y2 == pytest.approx((y1 + y3) / 2)
    assert f'class="chosen" x1="{x2:g}"' in svg


def test_a_share_is_drawn_on_the_whole_range() -> None:
    svg = panel_figure(Panel("Validation", (Series("accuracy", (0.5, 0.5)),), percent=True), (1, 2), 0)
    (_, y), _ = points(svg)
    assert TOP < y < HEIGHT / 2 + TOP
    assert "100\u00a0%" in svg
    assert "chosen" not in svg


@pytest.mark.parametrize(
    ("values", "drawn"),
    [((None, 1.0), 1), ((float("inf"), 1.0), 1), ((0.0, 0.0), 2), ((float("nan"), None), 0)],
)
def test_odd_values_do_no_harm(values: tuple[float | None, ...], drawn: int) -> None:
    svg = panel_figure(Panel("Loss", (Series("training", values),)), (1, 2), 2)
    ElementTree.fromstring(svg)
    assert len(points(svg)) == drawn
    assert "nan" not in svg and "inf" not in svg


def test_one_epoch_stands_in_the_middle() -> None:
    svg = panel_figure(Panel("Loss", (Series("training", (1.0,)),)), (1,), 1)
    ((x, _),) = points(svg)
    assert x == (LEFT + WIDTH - RIGHT) / 2


def test_text_of_strangers_is_inert() -> None:
    svg = panel_figure(Panel("<script>", (Series("<b>", (1.0,)),)), (1,), 1)
    assert "<script>" not in svg
    assert ElementTree.fromstring(svg).attrib["aria-label"].startswith("<script>")


def test_an_interval_spans_its_ends() -> None:
    svg = interval_figure(Measure(0.5, 0.25, 1.0, 10, "wilson 95 %"), 1.0, reference=0.0)
    root = ElementTree.fromstring(svg)
    whisker = next(element for element in root if element.get("class") == "whisker")
    dot = next(element for element in root if element.get("class") == "value")
    mark = next(element for element in root if element.get("class") == "reference")
    low, high = float(whisker.attrib["x1"]), float(whisker.attrib["x2"])
    assert (low, float(dot.attrib["cx"]), high) == (52.5, 100, 195)
    assert float(mark.attrib["x1"]) == 5


def test_what_is_not_defined_is_not_drawn() -> None:
    assert interval_figure(Measure(None, None, None, 0, "not defined")) == ""


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 2.31), (1, 43), (-0.5, 7e-4), (0, 1e6)])
def test_steps_are_round_and_inside(low: float, high: float) -> None:
    steps = round_steps(low, high)
    assert 2 <= len(steps) <= 8
    assert all(low - 1e-9 <= step <= high + 1e-9 for step in steps)
    gaps = {round((b - a) / (steps[1] - steps[0]), 6) for a, b in pairwise(steps)}
    assert gaps == {1.0}


def test_mistakes_left_follow_their_shares_and_stay_in_the_figure() -> None:
    rows = (RiskRow(0.25, 0.0, 0.0, 0.9), RiskRow(0.5, 0.1, 0.02, 0.3), RiskRow(1.0, 0.2, 0.1, 0.3))
    svg = risk_figure(rows)
    ElementTree.fromstring(svg)
    band, line = (
        [(float(x), float(y)) for x, y in (pair.split(",") for pair in text.split())]
        for text in re.findall(r'points="([^"]*)"', svg)
    )
    width = WIDTH - RIGHT - LEFT
    assert [x for x, _ in line] == pytest.approx([LEFT + width * share for share in (0.25, 0.5, 1)], abs=0.1)
    assert [y for _, y in line] == sorted((y for _, y in line), reverse=True)
    assert len(band) == 2 * len(rows)
    assert all(TOP <= y <= HEIGHT - 30 for _, y in band)
    assert risk_figure(()) == ""


def test_a_model_without_mistakes_has_a_flat_line() -> None:
    ElementTree.fromstring(risk_figure((RiskRow(1.0, 0.0, 0.0, 0.01),)))
