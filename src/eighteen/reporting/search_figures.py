"""Figures of a search: every trial as a dot, over time and over each setting.

Pure functions from the rows of a stored result to an SVG of the page, as in `figures`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from eighteen.reporting.figures import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, coordinate, round_steps, svg

Row = Mapping[str, Any]


def trials_figure(rows: Sequence[Row], metric: str, maximise: bool) -> Markup:
    """What each complete trial was worth, in the order of asking, and the best so far.

    Args:
        rows: trials with `number`, `value`, `state`, `is_default`.
        metric: name of the value.
        maximise: whether more is better.

    Returns:
        An `<svg>` element.
    """
    whole = [row for row in rows if row["state"] == "complete"]
    if not whole:
        return Markup("")
    axes = _Axes(0.0, max(1.0, float(rows[-1]["number"])), [row["value"] for row in whole])
    best: list[str] = []
    record: float | None = None
    for row in whole:
        value = float(row["value"])
        better = record is None or (value > record if maximise else value < record)
        record = value if better else record
        best.append(f"{axes.x(row['number'])},{axes.y(record or 0.0)}")
    line = Markup('<polyline class="line s2" points="{}"/>').format(" ".join(best))
    dots = Markup("").join(_dot(axes, float(row["number"]), row) for row in whole)
    ends = axes.labels(["0", str(rows[-1]["number"])])
    label = f"{metric} of {len(whole)} trials in their order, and the best so far"
    return svg(WIDTH, HEIGHT, label, axes.grid() + ends + line + dots, "panel")


def setting_figure(rows: Sequence[Row], name: str) -> Markup:
    """What complete trials were worth over one setting; by its logarithm where it spans a factor of 20.

    Args:
        rows: trials with `point`, `value`, `state`, `is_default`.
        name: of the setting.

    Returns:
        An `<svg>` element.
    """
    whole = [row for row in rows if row["state"] == "complete" and name in row["point"]]
    if not whole:
        return Markup("")
    places, words = _places([row["point"][name] for row in whole])
    axes = _Axes(min(places), max(places), [row["value"] for row in whole])
    dots = Markup("").join(_dot(axes, place, row) for place, row in zip(places, whole, strict=True))
    label = f"what {len(whole)} trials were worth over {name}"
    return svg(WIDTH, HEIGHT, label, axes.grid() + axes.labels(words) + dots, "panel")


def _places(values: Sequence[Any]) -> tuple[list[float], list[str]]:
    """Where values lie on an axis, and what to write at its ends (of choices: at each)."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        low, high = min(values), max(values)
        words = [f"{low:.3g}", f"{high:.3g}"] if high > low else [f"{low:.3g}"]
        if low > 0 and high / low >= 20:
            return [math.log(value) for value in values], words
        return [float(value) for value in values], words
    kinds = sorted(set(map(str, values)))
    return [float(kinds.index(str(value))) for value in values], kinds


def _dot(axes: _Axes, place: float, row: Row) -> Markup:
    kind = "dot s2" if row["is_default"] else "dot s1"
    where = axes.x(place), axes.y(float(row["value"]))
    return Markup('<circle class="{}" cx="{}" cy="{}" r="{}"/>').format(
        kind, *where, 5 if row["is_default"] else 4
    )


class _Axes:
    """Where places and values lie; the value axis is cut to what there is."""

    def __init__(self, first: float, last: float, values: Sequence[float]) -> None:
        self._first, self._last = first, last
        low, high = min(values), max(values)
        rim = 0.08 * (high - low) or 0.05
        self._low, self._high = low - rim, high + rim

    def x(self, place: float) -> str:
        width = WIDTH - LEFT - RIGHT - 16
        share = 0.5 if self._last == self._first else (place - self._first) / (self._last - self._first)
        return coordinate(LEFT + 8 + width * share)

    def y(self, value: float) -> str:
        share = (value - self._low) / (self._high - self._low)
        return coordinate(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share)

    def grid(self) -> Markup:
        line = Markup(
            '<line class="grid" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>'
            '<text class="y" x="{at}" y="{y}" dy="0.32em">{text}</text>'
        )
        return Markup("").join(
            line.format(left=LEFT, right=WIDTH - RIGHT, y=self.y(step), at=LEFT - 6, text=f"{step:.4g}")
            for step in round_steps(self._low, self._high)
        )

    def labels(self, words: Sequence[str]) -> Markup:
        """Words at equal distances from the first to the last place."""
        text = Markup('<text class="x" x="{x}" y="{y}">{text}</text>')
        steps = max(1, len(words) - 1)
        places = [self._first + (self._last - self._first) * step / steps for step in range(len(words))]
        return Markup("").join(
            text.format(x=self.x(place), y=HEIGHT - BOTTOM + 17, text=word)
            for place, word in zip(places, words, strict=True)
        )
