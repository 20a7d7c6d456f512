"""What people see on the terminal: progress with time left, findings, measures. All on standard error, so
that standard output carries results only."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from eighteen.core.findings import one_line

if TYPE_CHECKING:
    from eighteen.core.findings import Finding
    from eighteen.core.measures import Measure
    from eighteen.exporting.embedded import Embedded

NAMES = {
    "scan": "Looking at every picture",
    "read": "Reading training pictures",
    "features": "Reading frozen features",
    "train": "Training",
    "predict": "Scoring",
    "maps": "Looking where it looked",
    "occlusion": "Covering part after part",
    "checks": "Checking the maps",
}
FIRST = ("accuracy", "top5_accuracy", "majority_baseline", "balanced_accuracy", "macro_f1", "auroc")
"""Measures in the order that people read them; the others follow."""

SHOW_AFTER_S = 0.5
_COLOURS = {"blocking": "bold red", "warning": "yellow", "info": "cyan"}
_MARKS = {"blocking": "✖", "warning": "!", "info": "·"}


def console() -> Console:
    """Standard error; plain where it is no terminal."""
    return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


class Bars:
    """Progress bars: one a stage, shown once it takes longer than half a second."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
            TimeRemainingColumn(compact=True),
            console=out,
            transient=True,
            disable=not out.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, float] = {}
        self._told: dict[str, float] = {}

    def __call__(self, stage: str, done: int, total: int, note: str) -> None:
        """A `eighteen.core.progress.Progress`."""
        if stage in ("warning", "note"):
            style = "yellow" if stage == "warning" else "dim"
            self._out.print(f"[{style}]{escape(one_line(note))}[/]")
            return
        now = time.monotonic()
        began = self._began.setdefault(stage, now)
        if not self._out.is_terminal:
            self._tell_rarely(stage, done, total, note, now)
        elif now - began > SHOW_AFTER_S:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(NAMES.get(stage, stage), total=total, note=note)
            self._bars.update(self._tasks[stage], completed=done, total=total, note=note)
        if done >= total:
            self._forget(stage)

    def _forget(self, stage: str) -> None:
        self._began.pop(stage, None)
        self._told.pop(stage, None)
        if stage in self._tasks:
            self._bars.remove_task(self._tasks.pop(stage))

    def _tell_rarely(self, stage: str, done: int, total: int, note: str, now: float) -> None:
        """One line every ten seconds where there is no terminal."""
        began = self._began[stage]
        if now - self._told.setdefault(stage, began) < 10 or not done:
            return
        self._told[stage] = now
        left_s = (now - began) / done * (total - done)
        line = f"{NAMES.get(stage, stage)}: {done}/{total}, {clock(left_s)} left. {note}"
        self._out.print(line.rstrip(), markup=False)

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


@contextmanager
def progress_bars() -> Iterator[Bars]:
    with Bars(console()) as bars:
        yield bars


def clock(seconds: float) -> str:
    """
    >>> clock(75.2)
    '1:15'
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def print_json(value: Mapping[str, Any]) -> None:
    """The one JSON object of `--json`."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + os.linesep)


def print_findings(findings: Iterable[Finding], out: Console) -> None:
    for finding in findings:
        colour, mark = _COLOURS[finding.severity], _MARKS[finding.severity]
        out.print(f"[{colour}]{mark} {finding.check}[/]  {escape(one_line(finding.message))}")
        if finding.advice:
            out.print(f"    [dim]{escape(finding.advice)}[/]")


def print_measures(measures: Mapping[str, Measure], title: str, out: Console) -> None:
    """A table of values with their intervals; `method` names the interval's level."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_column("interval", justify="right", no_wrap=True)
    table.add_column("n", justify="right")
    table.add_column("method (whole in the report)", style="dim")
    order = {name: place for place, name in enumerate(FIRST)}
    for name, measure in sorted(measures.items(), key=lambda item: order.get(item[0], len(order))):
        value = "–" if measure.value is None else f"{measure.value:.4f}"
        ends = "–" if measure.low is None else f"{measure.low:.4f} … {measure.high:.4f}"
        table.add_row(name, value, ends, str(measure.n), measure.method.split(",")[0])
    out.print(table)


def print_boards(found: Embedded, out: Console) -> None:
    """Which small boards hold a model, with the arithmetic, and what would fit where it does not."""
    table = Table(title="small boards", title_justify="left", box=None, pad_edge=False)
    for column in ("board", "this model", "resnet18 that fits"):
        table.add_column(column)
    for board, verdict, offer in found.boards:
        table.add_row(board.name, verdict, "" if offer is None else offer.settings)
    out.print(table)
    out.print(f"        {found.arithmetic}", markup=False, style="dim")
