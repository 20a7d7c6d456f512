"""The page of a comparison of networks: accuracy against time, and a table of what each costs.

The picture is drawn by hand, as those in `figures`. Time lies on a logarithmic axis: networks differ by
factors, not by steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from eighteen.core.study import Study
from eighteen.reporting.page import environment
from eighteen.reporting.words import counted, pictures

WIDTH, HEIGHT = 640, 330
LEFT, RIGHT, TOP, BOTTOM = 52, 150, 14, 44
TICKS = (1, 2, 5)


def models_page(study: Study) -> str:
    """The page as HTML."""
    rows = study.comparison["models"]
    return (
        environment()
        .get_template("models.html.j2")
        .render(
            name=study.path.resolve().name,
            info=study.info,
            verdict=study.comparison["verdict"],
            sentence=_asked(study, study.asked),
            rows=rows,
            figure=pareto_figure(rows),
        )
    )


def pareto_figure(rows: Sequence[dict[str, Any]]) -> Markup:
    """Accuracy with its interval against the time of an answer; the front of the best is joined by a line.

    Args:
        rows: `model`, `latency_ms`, `accuracy` with `value`, `low`, `high`, and `on_front`.

    Returns:
        An `<svg>` element.
    """
    times = [row["latency_ms"] for row in rows]
    first, last = min(times) / 1.25, max(times) * 1.25
    low: float = min(row["accuracy"]["low"] for row in rows)
    high: float = max(row["accuracy"]["high"] for row in rows)
    pad = 0.05 * (high - low) + 0.002
    low, high = max(0.0, low - pad), min(1.0, high + pad)

    def x(time_ms: float) -> float:
        share: float = math.log(time_ms / first) / math.log(last / first)
        return LEFT + (WIDTH - LEFT - RIGHT) * share

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)

    parts = [_value_line(value, y(value)) for value in _round_values(low, high)]
    parts += [_time_mark(tick, x(tick)) for tick in _round_times(first, last)]
    best = sorted((row for row in rows if row["on_front"]), key=lambda row: row["latency_ms"])
    corners = " ".join(f"{x(row['latency_ms']):.1f},{y(row['accuracy']['value']):.1f}" for row in best)
    parts.append(Markup('<polyline class="front" points="{0}"/>').format(corners))
    parts += [_point(row, x(row["latency_ms"]), y) for row in rows]
    parts.append(
        Markup('<text class="x" x="{0:.1f}" y="{1}">milliseconds an answer, one thread</text>').format(
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6
        )
    )
    said = ", ".join(f"{row['model']} {row['accuracy']['value']:.3f}" for row in rows)
    return Markup('<svg class="pareto" viewBox="0 0 {0} {1}" role="img" aria-label="{2}">{3}</svg>').format(
        WIDTH, HEIGHT, f"Accuracy against time of an answer: {said}", Markup("").join(parts)
    )


def _point(row: dict[str, Any], x: float, y: Any) -> Markup:
    accuracy = row["accuracy"]
    kind = "best" if row["on_front"] else "beaten"
    return Markup(
        '<line class="whisker {kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
        '<circle class="value {kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
        '<text class="name" x="{at:.1f}" y="{y:.1f}" dy="-0.5em">{name}</text>'
    ).format(
        kind=kind,
        x=x,
        at=x + 10,
        y=y(accuracy["value"]),
        low=y(accuracy["low"]),
        high=y(accuracy["high"]),
        name=row["model"],
    )


def _value_line(value: float, y: float) -> Markup:
    return Markup(
        '<line class="grid" x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}"/>'
        '<text class="y" x="{3}" y="{2:.1f}" dy="0.32em">{4:g}\u00a0%</text>'
    ).format(LEFT, WIDTH - RIGHT, y, LEFT - 6, round(100 * value, 1))


def _time_mark(tick: float, x: float) -> Markup:
    return Markup('<text class="x" x="{0:.1f}" y="{1}">{2:g}</text>').format(x, HEIGHT - BOTTOM + 17, tick)


def _round_values(low: float, high: float) -> list[float]:
    step = next(s for s in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if (high - low) / s <= 6)
    return [step * n for n in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def _round_times(first: float, last: float) -> list[float]:
    powers = range(math.floor(math.log10(first)), math.ceil(math.log10(last)) + 1)
    return [tick * 10.0**power for power in powers for tick in TICKS if first <= tick * 10.0**power <= last]


def _asked(study: Study, asked: dict[str, Any]) -> str:
    outside = sum(study.dataset.split_counts[split] for split in ("train", "val"))
    how = counted(asked["folds"], "fold", "folds") if asked["folds"] > 1 else "the validation split held out"
    minutes = asked["recipe"]["training"]["budget_minutes"]
    track = "as many epochs each" if asked["track"] == "epochs" else f"{minutes:g} minutes for each training"
    return (
        f"{len(asked['models'])} networks, each trained with {counted(asked['seeds'], 'seed', 'seeds')} on "
        f"{pictures(outside)} outside the test split: {how}, {track}. Each is scored on pictures new to it."
    )
