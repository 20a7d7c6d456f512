"""The page of a search or a climb: the confirmed answer first, then what was tried.

In comes a finished study with its `result`, out goes `report.html` in it, one file that needs nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eighteen.core.measures import Measure
from eighteen.core.study import Study
from eighteen.measuring.verdicts import METRICS
from eighteen.reporting.page import environment
from eighteen.reporting.search_figures import setting_figure, trials_figure
from eighteen.reporting.waterfall import waterfall_figure
from eighteen.reporting.words import pictures, tried_and_untried

MOST_ROWS = 60
"""Trials in the table; all of them are in result.json."""

SIDES = {"start": "The start: the textbook recipe", "default": "The default recipe", "best": "The best found"}

HEADINGS = {
    "helps": "Better than the default",
    "hurts": "Keep the default",
    "no difference that matters": "As good as the default",
    "cannot tell": "Cannot be told apart from the default",
}
"""By what the comparison of the best with the default says."""


def write_search_report(study: Study) -> Path:
    """Writes `report.html` of a finished study whose kind is tune or climb.

    Raises:
        RunError: a file of the study is damaged.
    """
    result = study.result
    page = environment().get_template("search.html.j2")
    tried, untried = tried_and_untried(result.get("rungs", ()))
    text = page.render(
        name=study.path.resolve().name,
        info=study.info,
        result=result,
        about=_about(study, result),
        heading=heading(result["comparison"]),
        sides=[_side(name, result) for name in _sides(result)],
        comparison=result["comparison"],
        limits=_limits(result["comparison"]),
        metrics=METRICS,
        over_time=trials_figure(result.get("trials", []), result["metric"], result["metric"] != "nll"),
        settings=_settings(result),
        rows=_best_first(result)[:MOST_ROWS],
        tried=tried,
        untried=untried,
        waterfall=waterfall_figure(result["rungs"], result) if "rungs" in result else "",
        failed=[row for row in result.get("trials", []) if row["state"] == "failed"],
    )
    return study.save_text("report.html", text)


def _about(study: Study, result: Mapping[str, Any]) -> str:
    outside = sum(study.dataset.split_counts[split] for split in ("train", "val"))
    effort = result["confirmation"]
    seeds, folds = effort["seeds"], effort["folds"]
    what = (
        "Are there better settings than the default ones?" if result["kind"] == "tune" else "What helps here?"
    )
    where = f"{pictures(outside)} outside the test split, {folds} fresh folds"
    if folds == 1:
        where = "one fresh fold of the pictures outside the test split, none of which is validation's"
    return f"{what} The answer was confirmed on {where}, {seeds} fresh seed{'s' if seeds > 1 else ''}."


def heading(comparison: Mapping[str, Any] | None) -> str:
    """The answer in a few words.

    >>> heading({"verdict": "hurts"}), heading(None)
    ('Keep the default', 'Keep the default')
    """
    return HEADINGS["hurts" if comparison is None else comparison["verdict"]]


def _sides(result: Mapping[str, Any]) -> list[str]:
    """A climb that began with the default recipe shows it once."""
    same = "start" in result and result["start"]["recipe"] == result["default"]["recipe"]
    return [name for name in SIDES if name in result and not (same and name == "start")]


def _side(name: str, result: Mapping[str, Any]) -> dict[str, Any]:
    row = result[name]
    return {
        "name": SIDES[name],
        "search": None if row["search"] is None else Measure.from_json(row["search"]),
        "confirmed": None if row["confirmed"] is None else Measure.from_json(row["confirmed"]),
        "run": row["run"],
    }


def _limits(comparison: Mapping[str, Any] | None) -> tuple[float, float]:
    if comparison is None:
        return -0.1, 0.1
    ends = (comparison["difference"]["low"], comparison["difference"]["high"], comparison["margin"])
    reach = 1.25 * max(map(abs, ends))
    if comparison.get("metric") != "nll":
        reach = min(1.0, reach)
    return -reach, reach


def _settings(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A figure for each setting, the ones that mattered most first."""
    rows, importance = result.get("trials", []), result.get("importance", {})
    names = {name: None for row in rows for name in row["point"]}
    ordered = sorted(names, key=lambda name: -importance.get(name, 0.0))
    return [
        {"name": name, "share": importance.get(name), "figure": setting_figure(rows, name)}
        for name in ordered
    ]


def _best_first(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    sign = 1 if result["metric"] == "nll" else -1
    rows = [row for row in result.get("trials", []) if row["value"] is not None]
    return sorted(rows, key=lambda row: (row["state"] != "complete", sign * row["value"], row["number"]))
