"""Figures of a report: pure functions from a small value to an SVG that is part of the page.

They are written by hand rather than by a plotting library because colours then follow the page (light, dark,
printed), text is the reader's own font, and a figure is a few kilobytes. Names of classes never appear in a
figure; the page sets them as text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from eighteen.core.measures import Measure
from eighteen.measuring.calibration import Bin
from eighteen.reporting.curves import Panel
from eighteen.reporting.trust import RiskRow

WIDTH, HEIGHT = 360, 208
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 30
"""Pixels of a panel and of the margins around its axes."""

INTERVAL_WIDTH, INTERVAL_HEIGHT = 200, 18


def panel_figure(panel: Panel, epochs: Sequence[int], chosen: int) -> Markup:
    """Lines over epochs, with the chosen epoch marked.

    Args:
        panel: what to draw.
        epochs: number of each point, ascending.
        chosen: epoch to mark; 0 marks none.

    Returns:
        An `<svg>` element.
    """
    values = [value for series in panel.series for value in series.values if value is not None]
    axes = _Axes(min(epochs), max(epochs), *_limits(values, 1.0 if panel.percent else None), panel.percent)
    parts = [axes.grid(), axes.epoch_labels()]
    if chosen in epochs:
        parts.append(
            Markup('<line class="chosen" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(
                coordinate(axes.x(chosen)), TOP, HEIGHT - BOTTOM
            )
        )
    for number, series in enumerate(panel.series, start=1):
        parts.append(_line(axes, epochs, series.values, number))
        if chosen in epochs:
            parts.append(_dot(axes, chosen, series.values[list(epochs).index(chosen)], number))
    return svg(WIDTH, HEIGHT, f"{panel.title} over {len(epochs)} epochs", Markup("").join(parts), "panel")


def interval_figure(measure: Measure, top: float = 1.0, reference: float | None = None) -> Markup:
    """A dot with its whisker on an axis from 0 to `top`; a small mark at `reference`.

    Returns:
        An `<svg>` element; "" where the measure is not defined.
    """
    if measure.value is None or measure.low is None or measure.high is None:
        return Markup("")
    inner, middle = INTERVAL_WIDTH - 10, INTERVAL_HEIGHT / 2

    def x(value: float) -> str:
        return coordinate(5 + inner * min(1.0, max(0.0, value / top)))

    mark = Markup("")
    if reference is not None:
        mark = Markup('<line class="reference" x1="{0}" x2="{0}" y1="2" y2="{1}"/>').format(
            x(reference), INTERVAL_HEIGHT - 2
        )
    body = Markup(
        '<line class="axis" x1="5" x2="{end}" y1="{y}" y2="{y}"/>{mark}'
        '<line class="whisker" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>'
        '<circle class="value" cx="{value}" cy="{y}" r="4"/>'
    ).format(
        end=5 + inner,
        y=coordinate(middle),
        mark=mark,
        low=x(measure.low),
        high=x(measure.high),
        value=x(measure.value),
    )
    label = f"{measure.value:.3f}, interval {measure.low:.3f} to {measure.high:.3f}, axis 0 to {top:g}"
    return svg(INTERVAL_WIDTH, INTERVAL_HEIGHT, label, body, "interval")


def difference_figure(comparison: Mapping[str, Any], limits: tuple[float, float]) -> Markup:
    """A difference with its interval on an axis around 0, and the margin within which it would not matter.

    Args:
        comparison: `difference` with `value`, `low`, `high`, and `margin`.
        limits: ends of the axis.

    Returns:
        An `<svg>` element.
    """
    width, height = 640, 44
    low, high = limits

    def x(value: float) -> str:
        return coordinate(10 + (width - 20) * (value - low) / (high - low))

    difference, margin = comparison["difference"], comparison["margin"]
    body = Markup(
        '<line class="axis" x1="{first}" x2="{last}" y1="22" y2="22"/>'
        '<line class="grid" x1="{zero}" x2="{zero}" y1="4" y2="40"/>'
        '<line class="chosen" x1="{left}" x2="{left}" y1="4" y2="40"/>'
        '<line class="chosen" x1="{right}" x2="{right}" y1="4" y2="40"/>'
        '<line class="whisker" x1="{start}" x2="{stop}" y1="22" y2="22"/>'
        '<circle class="value" cx="{value}" cy="22" r="6"/>'
    ).format(
        first=x(low), last=x(high), zero=x(0), left=x(-margin), right=x(margin),
        start=x(difference["low"]), stop=x(difference["high"]), value=x(difference["value"]),
    )  # fmt: skip
    label = f"Difference {difference['value']:+.4f}, {difference['low']:+.4f} to {difference['high']:+.4f}"
    return svg(width, height, label, body, "difference")


def reliability_figure(before: Sequence[Bin], after: Sequence[Bin]) -> Markup:
    """How often answers are right against how sure the model is of them; on the diagonal both agree.

    Args:
        before: of the network's own probabilities, drawn hollow.
        after: of the shipped ones, drawn full with their intervals.

    Returns:
        An `<svg>` element.
    """
    left, top, side = 46, 10, 236
    width, height = left + side + 26, top + side + 34

    def x(value: float) -> str:
        return coordinate(left + side * value)

    def y(value: float) -> str:
        return coordinate(top + side * (1 - value))

    grid = Markup(
        '<line class="grid" x1="{x}" x2="{x}" y1="{top}" y2="{end}"/>'
        '<line class="grid" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>'
        '<text class="x" x="{x}" y="{below}">{text}</text>'
        '<text class="y" x="{beside}" y="{y}" dy="0.32em">{text}</text>'
    )
    ends = {"top": top, "end": top + side, "left": left, "right": left + side}
    beside = {"below": top + side + 17, "beside": left - 6}
    steps = {step: f"{100 * step:g}\u00a0%" for step in (0.0, 0.25, 0.5, 0.75, 1.0)}
    parts = [grid.format(x=x(step), y=y(step), text=text, **ends, **beside) for step, text in steps.items()]
    diagonal = Markup('<line class="chosen" x1="{}" x2="{}" y1="{}" y2="{}"/>')
    parts.append(diagonal.format(x(0), x(1), y(0), y(1)))
    hollow = Markup('<circle class="hollow" cx="{}" cy="{}" r="3.5"/>')
    parts += [hollow.format(x(row.confidence), y(row.accuracy)) for row in before]
    full = Markup(
        '<line class="whisker" x1="{x}" x2="{x}" y1="{low}" y2="{high}"/>'
        '<circle class="value" cx="{x}" cy="{y}" r="4"/>'
    )
    parts += [
        full.format(x=x(row.confidence), y=y(row.accuracy), low=y(row.low), high=y(row.high)) for row in after
    ]
    label = f"How often {len(after)} groups of answers are right against how sure the model is"
    return svg(width, height, label, Markup("").join(parts), "reliability")


def risk_figure(rows: Sequence[RiskRow]) -> Markup:
    """Share of wrong answers against the share of pictures that are answered, the surest first.

    Args:
        rows: by rising coverage; the band is their interval, cut off where it leaves the figure.

    Returns:
        An `<svg>` element; "" without rows.
    """
    if not rows:
        return Markup("")
    top = min(1.0, max(0.02, 1.6 * max(row.risk for row in rows), rows[-1].high))
    axes = _Axes(0, 1, 0.0, top, percent=True)
    shares = {step: f"{100 * step:g}\u00a0%" for step in (0.0, 0.25, 0.5, 0.75, 1.0)}
    labels = Markup('<text class="x" x="{}" y="{}">{}</text>')
    below = HEIGHT - BOTTOM + 17
    xs = [coordinate(axes.x(row.coverage)) for row in rows]
    upper = [f"{x},{coordinate(axes.y(min(top, row.high)))}" for x, row in zip(xs, rows, strict=True)]
    lower = [f"{x},{coordinate(axes.y(row.low))}" for x, row in zip(xs, rows, strict=True)]
    line = [f"{x},{coordinate(axes.y(row.risk))}" for x, row in zip(xs, rows, strict=True)]
    body = Markup("").join(
        (
            axes.grid(),
            *(labels.format(coordinate(axes.x(step)), below, text) for step, text in shares.items()),
            Markup('<polygon class="band" points="{}"/>').format(" ".join((*upper, *reversed(lower)))),
            Markup('<polyline class="line s1" points="{}"/>').format(" ".join(line)),
        )
    )
    whole = f"{100 * rows[-1].risk:.1f} %"
    return svg(WIDTH, HEIGHT, f"Wrong answers by the share that is answered; {whole} with all", body, "panel")


def round_steps(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers within an axis, about `wanted` of them.

    >>> round_steps(0.0, 1.0), round_steps(1, 30)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [5.0, 10.0, 15.0, 20.0, 25.0, 30.0])
    """
    span = high - low
    if span <= 0:
        return [low]
    rough = span / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((factor * power for factor in (1, 2, 5, 10)), key=lambda step: abs(step - rough))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


class _Axes:
    """Where epochs and values lie, and the grid behind them."""

    def __init__(self, first: float, last: float, low: float, high: float, percent: bool) -> None:
        self._first, self._last = first, last
        self._low, self._high = low, high
        self._percent = percent

    def x(self, epoch: float) -> float:
        width = WIDTH - LEFT - RIGHT
        if self._last == self._first:
            return LEFT + width / 2
        return LEFT + width * (epoch - self._first) / (self._last - self._first)

    def y(self, value: float) -> float:
        height = HEIGHT - TOP - BOTTOM
        return HEIGHT - BOTTOM - height * (value - self._low) / (self._high - self._low)

    def grid(self) -> Markup:
        parts = []
        for value in round_steps(self._low, self._high):
            text = f"{100 * value:g}\u00a0%" if self._percent else f"{value:.3g}"
            parts.append(
                Markup(
                    '<line class="grid" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>'
                    '<text class="y" x="{at}" y="{y}" dy="0.32em">{text}</text>'
                ).format(left=LEFT, right=WIDTH - RIGHT, y=coordinate(self.y(value)), at=LEFT - 6, text=text)
            )
        return Markup("").join(parts)

    def epoch_labels(self) -> Markup:
        steps = [step for step in round_steps(self._first, self._last) if step == int(step)]
        text = Markup('<text class="x" x="{x}" y="{y}">{text}</text>')
        shown = [
            text.format(x=coordinate(self.x(step)), y=HEIGHT - BOTTOM + 17, text=f"{step:g}")
            for step in steps or [self._first]
        ]
        return Markup("").join(shown)


def _limits(values: Sequence[float], end: float | None) -> tuple[float, float]:
    """Ends of the value axis: from 0 (or below) to the largest value, or to a fixed end."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low = min(0.0, *finite)
    high = max(finite) if end is None else end
    return low, high if high > low else low + 1.0


def _line(axes: _Axes, epochs: Sequence[int], values: Sequence[float | None], number: int) -> Markup:
    points = [
        f"{coordinate(axes.x(epoch))},{coordinate(axes.y(value))}"
        for epoch, value in zip(epochs, values, strict=True)
        if value is not None and math.isfinite(value)
    ]
    return Markup('<polyline class="line s{}" points="{}"/>').format(number, " ".join(points))


def _dot(axes: _Axes, epoch: int, value: float | None, number: int) -> Markup:
    if value is None:
        return Markup("")
    where = coordinate(axes.x(epoch)), coordinate(axes.y(value))
    return Markup('<circle class="dot s{}" cx="{}" cy="{}" r="4"/>').format(number, *where)


def svg(width: int, height: int, label: str, body: Markup, kind: str) -> Markup:
    """An `<svg>` element of a class, with what it shows in words."""
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        kind, width, height, escape(label), body
    )


def coordinate(value: float) -> str:
    """A coordinate with a tenth of a pixel.

    >>> coordinate(12.0), coordinate(12.345)
    ('12', '12.3')
    """
    return f"{value:.1f}".removesuffix(".0")
