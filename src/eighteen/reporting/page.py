"""The report of a run: one page that needs nothing else, and the model card beside it.

In comes a run folder, out go `report.html` and `README.md` in it. `content.collect` gathers what is to be
said; a template says it. Everything from the data set (class names, file names, labels) is text of strangers
and is escaped by the template engine; the page may load nothing and run nothing, by its own policy.
"""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from eighteen.core.measures import Measure
from eighteen.core.run import Run
from eighteen.measuring.verdicts import figure, points, unit
from eighteen.reporting import words
from eighteen.reporting.card import card_text
from eighteen.reporting.content import Report, collect
from eighteen.reporting.figures import (
    difference_figure,
    interval_figure,
    panel_figure,
    reliability_figure,
    risk_figure,
)

ROWS_SHOWN = 24
ROWS_MOST = 200
"""Rows of a table of classes that are shown at once, and in all."""


def write_report(run: Run) -> Path:
    """Writes `report.html` and the model card `README.md` into the run folder.

    Args:
        run: in any state; a run that is not whole gets a page that says so.

    Returns:
        The path of the page.

    Raises:
        RunError: a file of the run is damaged, or the folder cannot be written.
    """
    report = collect(run)
    run.save_text("README.md", card_text(report))
    return run.save_text("report.html", page_text(report))


def page_text(report: Report) -> str:
    """The page as HTML; the same report always gives the same text."""
    return environment().get_template("report.html.j2").render(report=report)


def environment() -> Environment:
    """The templates of this folder; whatever they are given is escaped."""
    environment = Environment(
        loader=PackageLoader("eighteen.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["capitalize_first"] = _capitalised
    environment.globals.update(
        axis_top=_axis_top,
        counted=words.counted,
        difference_figure=difference_figure,
        duration=words.duration,
        figure=figure,
        interval_figure=interval_figure,
        measure_names=words.MEASURE_NAMES,
        number=words.number,
        panel_figure=panel_figure,
        percent=words.percent,
        points=points,
        pictures=words.pictures,
        range_text=words.range_text,
        reliability_figure=reliability_figure,
        risk_figure=risk_figure,
        rows_most=ROWS_MOST,
        rows_shown=ROWS_SHOWN,
        split_names=words.SPLIT_NAMES,
        unit=unit,
        value_text=words.value_text,
    )
    return environment


def _axis_top(measure: Measure) -> float:
    """Where the axis of an interval ends: at 1, or beyond for a loss."""
    return 1.0 if measure.high is None else max(1.0, measure.high)


def _capitalised(text: str) -> str:
    if isinstance(text, Markup):
        raise TypeError("expected plain text, so that it is escaped afterwards")
    return text[:1].upper() + text[1:]
