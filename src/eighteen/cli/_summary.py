"""What `train`, `evaluate` and `demo` say at the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from eighteen.cli import _display as show

if TYPE_CHECKING:
    from rich.console import Console

    from eighteen.core.run import Run
    from eighteen.core.scored import Scored
    from eighteen.evaluating.evaluate import Evaluation


def print_summary(
    run: Run,
    seconds: float,
    as_json: bool,
    splits: tuple[str, ...] = (),
    more: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Measures of some splits (all where none is named), sentences that matter, and where the report lies;
    `more` goes into the JSON object."""
    from eighteen.reporting.summary import summary

    if as_json:
        show.print_json({**summary(run, seconds, splits), **more})
    out = show.console()
    _print_splits(run, splits, out)
    for event in run.info["events"]:
        out.print(event, style="yellow", markup=False)
    out.print(f"\nrun     {run.path}", markup=False)
    out.print(f"report  {run.path / 'report.html'}   ({show.clock(seconds)} in all)", markup=False)


def print_artifact_summary(
    path: Path, result: Evaluation, place: Path, seconds: float, as_json: bool
) -> None:
    """The same of an exported model, and where its measures lie."""
    from eighteen.core.scored import Scored
    from eighteen.reporting.summary import artifact_summary

    if as_json:
        show.print_json(artifact_summary(path, result, seconds))
    out = show.console()
    _print_splits(Scored(place), (result.name,), out)
    out.print(f"\nmodel     {path}", markup=False)
    out.print(f"measures  {place / 'measures.json'}   ({show.clock(seconds)} in all)", markup=False)


def _print_splits(place: Scored, splits: tuple[str, ...], out: Console) -> None:
    from eighteen.reporting.summary import sentences

    details = place.details
    for split, measures in place.measures.items():
        if splits and split not in splits:
            continue
        counts = details[split]["counts"]
        title = (
            f"\n{split}: {counts['scored']} of {counts['expected']} pictures scored, "
            f"{counts['unreadable']} unreadable"
        )
        show.print_measures(measures, title, out)
        out.print(details[split]["resolution"], style="dim", markup=False)
        if details[split]["not_better_than_majority"]:
            out.print(details[split]["not_better_than_majority"], style="bold red", markup=False)
        for sentence in sentences(details[split]):
            out.print(f"{sentence[:1].upper()}{sentence[1:]}.", style="yellow", markup=False)
