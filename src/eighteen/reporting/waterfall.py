"""The picture of a climb: what each practice brought, with its interval and its minutes.

From the top: where the climb started, a bar for each practice that was kept, where it ended; below, every
practice that could not be told apart, as a dot with its interval around the recipe that it was tried on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from eighteen.reporting.figures import coordinate, round_steps, svg

Row = Mapping[str, Any]

WIDTH, LABEL, TIME, LINE, TOP = 880, 334, 84, 26, 30
"""Pixels: of the figure, of the column of names, of the column of minutes, of a row, and above the rows."""

MOST_LETTERS = 42
"""Of a title that fits into the column of names."""


def waterfall_figure(rungs: Sequence[Row], result: Mapping[str, Any]) -> Markup:
    """Draws a climb.

    Args:
        rungs: rows with `title`, `kept`, `difference`, `before`, `minutes`, in the order of the climb.
        result: with `metric`, and `start` and `best` with their `search` measures.

    Returns:
        An `<svg>` element; "" where nothing was tried.
    """
    tried = [row for row in rungs if row["difference"] is not None and row["before"] is not None]
    if not tried:
        return Markup("")
    kept = [row for row in tried if row["kept"]]
    others = [row for row in tried if not row["kept"]]
    scale = _Scale(_ends(tried, result), 100 if result["metric"] != "nll" else 1)
    parts = [_end(scale, 0, "The start", result["start"])]
    parts += [_bar(scale, place, row) for place, row in enumerate(kept, start=1)]
    parts.append(_end(scale, len(kept) + 1, "The end", result["best"]))
    parts += [_dot(scale, len(kept) + 2.5 + place, row) for place, row in enumerate(others)]
    height = TOP + int(LINE * (len(tried) + 3)) + 4
    label = f"What {len(tried)} practices brought; {len(kept)} were kept"
    return svg(WIDTH, height, label, scale.grid(height) + Markup("").join(parts), "waterfall")


def _ends(tried: Sequence[Row], result: Mapping[str, Any]) -> tuple[float, float]:
    values = [row["before"] + row["difference"][end] for row in tried for end in ("low", "high", "value")]
    values += [result[name]["search"]["value"] for name in ("start", "best") if result[name]["search"]]
    if result["metric"] == "nll":
        return max(0.0, min(values)), max(values)
    return max(0.0, min(values)), min(1.0, max(values))


class _Scale:
    """Where values lie between the names and the minutes."""

    def __init__(self, ends: tuple[float, float], factor: int) -> None:
        rim = 0.04 * (ends[1] - ends[0]) or 0.02
        self._low, self._high = ends[0] - rim, ends[1] + rim
        self._factor = factor

    def x(self, value: float) -> float:
        inside = min(self._high, max(self._low, value))
        return LABEL + (WIDTH - LABEL - TIME) * (inside - self._low) / (self._high - self._low)

    def grid(self, height: int) -> Markup:
        line = Markup(
            '<line class="grid" x1="{x}" x2="{x}" y1="{top}" y2="{end}"/>'
            '<text class="x" x="{x}" y="14">{text}</text>'
        )
        steps = round_steps(self._low, self._high, 5)
        unit = "\u00a0%" if self._factor == 100 else ""
        return Markup("").join(
            line.format(
                x=coordinate(self.x(step)), top=20, end=height - 4, text=f"{self._factor * step:.4g}{unit}"
            )
            for step in steps
        )


def _end(scale: _Scale, place: float, name: str, side: Row) -> Markup:
    value = side["search"]["value"] if side["search"] else None
    if value is None:
        return Markup("")
    mark = Markup('<line class="end" x1="{x}" x2="{x}" y1="{top}" y2="{end}"/>').format(
        x=coordinate(scale.x(value)), top=coordinate(_y(place) - 9), end=coordinate(_y(place) + 9)
    )
    return _name(place, name) + mark


def _bar(scale: _Scale, place: float, row: Row) -> Markup:
    before, found = row["before"], row["difference"]
    ends = sorted((scale.x(before), scale.x(before + found["value"])))
    bar = Markup('<rect class="gain" x="{x}" y="{y}" width="{width}" height="14" rx="2"/>').format(
        x=coordinate(ends[0]), y=coordinate(_y(place) - 7), width=coordinate(max(1.5, ends[1] - ends[0]))
    )
    return _name(place, row["title"]) + bar + _whisker(scale, place, row) + _minutes(place, row)


def _dot(scale: _Scale, place: float, row: Row) -> Markup:
    zero = Markup('<line class="chosen" x1="{x}" x2="{x}" y1="{top}" y2="{end}"/>').format(
        x=coordinate(scale.x(row["before"])), top=coordinate(_y(place) - 9), end=coordinate(_y(place) + 9)
    )
    dot = Markup('<circle class="hollow" cx="{}" cy="{}" r="4"/>').format(
        coordinate(scale.x(row["before"] + row["difference"]["value"])), coordinate(_y(place))
    )
    return _name(place, row["title"]) + zero + _whisker(scale, place, row) + dot + _minutes(place, row)


def _whisker(scale: _Scale, place: float, row: Row) -> Markup:
    low, high = (scale.x(row["before"] + row["difference"][end]) for end in ("low", "high"))
    return Markup('<line class="whisker" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(
        coordinate(low), coordinate(high), y=coordinate(_y(place))
    )


def _name(place: float, name: str) -> Markup:
    return Markup('<text class="name" x="{}" y="{}" dy="0.32em">{}</text>').format(
        LABEL - 14, coordinate(_y(place)), name
    )


def _minutes(place: float, row: Row) -> Markup:
    return Markup('<text class="minutes" x="{}" y="{}" dy="0.32em">{} min</text>').format(
        WIDTH - 4, coordinate(_y(place)), f"{row['minutes']:.1f}"
    )


def _y(place: float) -> float:
    return TOP + LINE * (place + 0.5)
