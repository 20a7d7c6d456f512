"""Auditing: what a data set is worth before anything is trained on it.

In: a `Dataset` as read. Out: an `Audit`: the data set scanned, split and repaired, and findings. Each check
is one module of this folder with `check(dataset) -> list[Finding]`, found by its file name; `WHEN` says what
it reads: "scanned" (before splitting), "split" (before copies are left out) or "repaired" (the default, the
data that would be trained on).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType
from typing import Any

import polars as pl

from eighteen.auditing._corrected import with_test_origin
from eighteen.auditing._near import with_near_copies
from eighteen.auditing.conflicts import contradictions
from eighteen.auditing.repair import repair, without_contradictions, without_shared_copies
from eighteen.auditing.scan import scan, without_looks
from eighteen.core import plugins
from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding, by_severity, name_some
from eighteen.core.pixels import MAX_PIXELS
from eighteen.core.progress import Progress, silent

__all__ = ["Audit", "audit", "checks", "contradictions", "judged", "repair", "scan"]

_ABOUT_SPLITS = ("class_without_training", "no_training_pictures")
"""What reading says of given splits; it holds no more when other splits were made since."""


@dataclass(frozen=True, eq=False)
class Audit:
    """What an audit gives.

    Attributes:
        dataset: scanned, split (where a rule was given) and repaired: what training would use.
        findings: blocking ones first, then warnings, then information.
        review: `path`, `label` and `reason` of pictures whose labels contradict one another, to be looked
            through.
    """

    dataset: Dataset
    findings: tuple[Finding, ...]
    review: pl.DataFrame

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """Findings that stop training; empty when it may go on."""
        return tuple(finding for finding in self.findings if finding.severity == "blocking")

    def to_json(self) -> dict[str, Any]:
        """The object that `eighteen audit --json` prints."""
        rows = self.dataset.table.select("id", "path", label="target", split="split", group="group")
        return {
            "task": self.dataset.task,
            "classes": list(self.dataset.class_names),
            "counts": self.dataset.counts,
            "images": rows.to_dicts(),
            "skipped": [skipped.to_json() for skipped in self.dataset.skipped],
            "findings": [finding.to_json() for finding in self.findings],
        }


def audit(
    dataset: Dataset,
    *,
    split_with: Callable[[Dataset], Dataset] | None = None,
    accept: Iterable[str] = (),
    strict: bool = False,
    max_pixels: int = MAX_PIXELS,
    max_skipped_fraction: float = 0.5,
    min_images_per_class: int = 1,
    workers: int | None = None,
    progress: Progress = silent,
) -> Audit:
    """Scans, splits, checks and repairs.

    Args:
        dataset: as read; its notes become findings.
        split_with: puts the scanned rows into splits; without it they stay as read.
        accept: names of checks whose blocking findings become warnings. Accepting `class_without_training` or
            `class_without_images` takes these classes and their pictures out.
        strict: every warning that is not accepted blocks.
        max_pixels: pixels; larger pictures are left out unread.
        max_skipped_fraction: share (0..1) of unreadable or contradictory pictures above which training is
            blocked.
        min_images_per_class: a class with fewer usable pictures blocks.
        workers: threads of the scan; None takes one a core.
        progress: told of the stage "scan", in pictures.

    Raises:
        DatasetError: nothing usable is left, or fewer than two classes are.
    """
    scanned = scan(
        dataset,
        max_pixels=max_pixels,
        max_skipped_fraction=max_skipped_fraction,
        workers=workers,
        looks=True,
        progress=progress,
    )
    findings = _limited(_run("scanned", scanned), len(dataset), max_skipped_fraction)
    cleared = with_near_copies(without_contradictions(scanned))
    _require_two_classes(cleared)
    placed = split_with(cleared) if split_with else cleared
    findings += _run("split", placed)
    repaired = without_shared_copies(placed)
    findings += [*_run("repaired", repaired), *_too_few(repaired, min_images_per_class)]
    accepted = frozenset(accept)

    def finished(cleared: Dataset) -> Dataset:
        placed = split_with(cleared) if split_with else cleared
        return _without_lost_classes(without_shared_copies(placed), accepted)

    final, changed = with_test_origin(_without_lost_classes(repaired, accepted), finished, max_pixels)
    findings += changed
    told = judged(_merged(repaired.notes, findings), accepted, strict)
    return Audit(without_looks(final), by_severity(told), contradictions(scanned))


def judged(findings: Iterable[Finding], accept: Iterable[str], strict: bool) -> list[Finding]:
    """The findings with the severity that `accept` and `strict` give them, as for `audit`."""
    accepted = frozenset(accept)
    return [_judged(finding, accepted, strict) for finding in findings]


@cache
def checks() -> tuple[ModuleType, ...]:
    """The check modules of this folder, by name."""
    modules = (plugins.load(__name__, name, "check") for name in plugins.names(__name__))
    return tuple(module for module in modules if hasattr(module, "check"))


def _run(when: str, dataset: Dataset) -> list[Finding]:
    due = [module for module in checks() if getattr(module, "WHEN", "repaired") == when]
    return [finding for module in due for finding in module.check(dataset)]


def _limited(findings: list[Finding], total: int, max_skipped_fraction: float) -> list[Finding]:
    """Contradictions in more than the allowed share of the pictures block."""
    return [
        finding.escalated() if len(finding.images) > max_skipped_fraction * total else finding
        for finding in findings
    ]


def _too_few(dataset: Dataset, min_images_per_class: int) -> list[Finding]:
    counts = dataset.class_counts()
    few = [f"{name} ({number})" for name, number in counts.items() if 0 < number < min_images_per_class]
    if not few:
        return []
    limit = f"data.min_images_per_class = {min_images_per_class}"
    message = f"classes with fewer pictures than {limit}: {name_some(few)}"
    advice = "add pictures of them, remove them, lower that option, or --accept min_images_per_class"
    return [Finding("min_images_per_class", "blocking", message, (), advice)]


def _merged(notes: Iterable[Finding], findings: list[Finding]) -> list[Finding]:
    """Notes and findings; of two that say the same of the splits the note stays, since it names folders."""
    found = {finding.check for finding in findings}
    kept = [note for note in notes if note.check not in _ABOUT_SPLITS or note.check in found]
    said = {note.check: set(note.images) for note in kept if note.check in _ABOUT_SPLITS}
    return kept + [
        finding
        for finding in findings
        if finding.check not in said or not set(finding.images) <= said[finding.check]
    ]


def _judged(finding: Finding, accepted: frozenset[str], strict: bool) -> Finding:
    if finding.check in accepted:
        return replace(finding, severity="warning") if finding.severity == "blocking" else finding
    return finding.escalated() if strict and finding.severity == "warning" else finding


def _without_lost_classes(dataset: Dataset, accepted: frozenset[str]) -> Dataset:
    """Takes out classes that nothing can be learned of, where that was accepted."""
    counts = dataset.class_counts()
    trained = dataset.class_counts("train") if dataset.has_splits else counts
    gone = {name for name in counts if counts[name] == 0 and "class_without_images" in accepted}
    if "class_without_training" in accepted:
        gone |= {name for name in counts if counts[name] > 0 and trained[name] == 0}
    if not gone:
        return dataset
    rows = dataset.table.filter(pl.col("target").is_in(sorted(gone)))
    smaller = dataset.without(dict.fromkeys(rows["id"], "class without training pictures (accepted)"))
    smaller = replace(smaller, class_names=tuple(name for name in dataset.class_names if name not in gone))
    _require_two_classes(smaller)
    return smaller


def _require_two_classes(dataset: Dataset) -> None:
    left = [name for name, number in dataset.class_counts().items() if number > 0]
    if len(left) >= 2:
        return
    what = f"only the class {left[0]} keeps" if left else "no class keeps"
    reasons = name_some([f"{skipped.path} ({skipped.reason})" for skipped in dataset.skipped], 5)
    lost = name_some([name for name in dataset.class_names if name not in left])
    raise DatasetError(
        f"{dataset.root}: {what} a usable picture of {len(dataset.class_names)} classes; without: {lost}. "
        f"At least two classes are needed. Left out: {reasons or 'nothing'}; repair or replace these files"
    )
