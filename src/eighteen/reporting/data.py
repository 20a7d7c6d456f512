"""What the data set of a run is, ready to be shown: counts, classes, sizes, samples, findings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from eighteen.core.dataset import SPLITS, Dataset, Skipped
from eighteen.core.findings import Finding, by_severity
from eighteen.reporting.thumbnails import Thumbnail, Thumbnails
from eighteen.reporting.words import number

MOST_SAMPLED_CLASSES = 16
SAMPLES_A_CLASS = 4
SHOWN_FINDING_IMAGES = 4
NAMED_FINDING_IMAGES = 50
NAMED_SKIPPED = 100


@dataclass(frozen=True)
class ClassCounts:
    """Pictures of one class: in all and by split (train, val, test)."""

    name: str
    total: int
    by_split: tuple[int, ...]


@dataclass(frozen=True)
class SkippedKind:
    """Left-out pictures with one kind of reason: how many, and the first of them."""

    reason: str
    count: int
    first: tuple[Skipped, ...]


@dataclass(frozen=True)
class ShownFinding:
    """A finding, with thumbnails of its first pictures and the names of some more."""

    finding: Finding
    thumbnails: tuple[Thumbnail, ...]
    named: tuple[str, ...]
    unnamed: int


@dataclass(frozen=True)
class Sample:
    """Some pictures of a class."""

    name: str
    thumbnails: tuple[Thumbnail, ...]


@dataclass(frozen=True)
class DataFacts:
    """What a data set is.

    Attributes:
        root: folder that it was read from.
        found, used: images found, and used in any split.
        by_split: images of train, val and test.
        classes: in class order.
        skipped: kinds of left-out images, most frequent first.
        sizes: sentence on width and height.
        modes: sentence on colour modes.
        groups: number of groups that splits keep whole; 0 where there are none.
        samples: some classes with some pictures.
    """

    root: str
    fingerprint: str
    found: int
    used: int
    by_split: tuple[int, ...]
    classes: tuple[ClassCounts, ...]
    skipped: tuple[SkippedKind, ...]
    sizes: str
    modes: str
    groups: int
    samples: tuple[Sample, ...]

    @property
    def skipped_count(self) -> int:
        return self.found - self.used

    @property
    def largest(self) -> int:
        """Pictures of the largest class, at least 1: what bars are scaled by."""
        return max([1, *(row.total for row in self.classes)])


def data_facts(dataset: Dataset, thumbnails: Thumbnails, budget: int) -> DataFacts:
    """Counts a data set and picks its samples.

    Args:
        dataset: of the run, with splits.
        thumbnails: of its pictures.
        budget: most sample pictures.
    """
    by_class = [dataset.class_counts(split) for split in SPLITS]
    totals = dataset.class_counts()
    return DataFacts(
        root=dataset.root.as_posix(),
        fingerprint=dataset.fingerprint,
        found=dataset.found,
        used=len(dataset),
        by_split=tuple(dataset.split_counts[split] for split in SPLITS),
        classes=tuple(
            ClassCounts(name, totals[name], tuple(counts[name] for counts in by_class))
            for name in dataset.class_names
        ),
        skipped=_kinds(dataset.skipped),
        sizes=_sizes(dataset.table),
        modes=_modes(dataset.table),
        groups=dataset.table["group"].filter(dataset.table["group"] != "").n_unique(),
        samples=_samples(dataset, thumbnails, budget),
    )


def shown_findings(
    findings: Sequence[Finding], thumbnails: Thumbnails, budget: int
) -> tuple[ShownFinding, ...]:
    """Findings, worst first, with pictures while the budget lasts."""
    shown = []
    for finding in by_severity(findings):
        images = _first_images(finding)
        count = min(SHOWN_FINDING_IMAGES, budget, len(images))
        budget -= count
        pictures = tuple(thumbnails.of_image(image) for image in images[:count])
        named = finding.images[:NAMED_FINDING_IMAGES]
        shown.append(ShownFinding(finding, pictures, named, len(finding.images) - len(named)))
    return tuple(shown)


def _first_images(finding: Finding) -> tuple[str, ...]:
    """Of a finding about sets of pictures: whole sets, so that copies stand side by side."""
    grouped = [image for group in finding.groups for image in group]
    return tuple(dict.fromkeys([*grouped, *finding.images]))


def _kinds(skipped: Sequence[Skipped]) -> tuple[SkippedKind, ...]:
    kinds: dict[str, list[Skipped]] = {}
    for row in skipped:
        kinds.setdefault(re.sub(r"[0-9]+", "#", row.reason), []).append(row)
    rows = sorted(kinds.values(), key=len, reverse=True)
    return tuple(SkippedKind(kind[0].reason, len(kind), tuple(kind[:NAMED_SKIPPED])) for kind in rows)


def _sizes(table: pl.DataFrame) -> str:
    known = table.filter(pl.col("width") > 0)
    if known.is_empty():
        return ""
    width, height = known["width"].to_numpy(), known["height"].to_numpy()
    order = np.argsort(width * height, kind="stable")
    least, middle, most = (f"{width[i]} × {height[i]}" for i in (order[0], order[len(order) // 2], order[-1]))
    if least == most:
        return f"every picture has {least} pixels"
    return f"from {least} to {most} pixels, half of them up to {middle}"


def _modes(table: pl.DataFrame) -> str:
    counts = Counter(mode for mode in table["mode"] if mode)
    return ", ".join(f"{mode} ({number(count)})" for mode, count in sorted(counts.items(), key=_most_first))


def _most_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _samples(dataset: Dataset, thumbnails: Thumbnails, budget: int) -> tuple[Sample, ...]:
    """Evenly spread classes, and of each evenly spread training pictures (others where it has none)."""
    names = [name for name, count in dataset.class_counts().items() if count]
    limit = min(MOST_SAMPLED_CLASSES, budget)
    chosen = [names[i] for i in _spread(len(names), limit)]
    each = min(SAMPLES_A_CLASS, budget // max(1, len(chosen)))
    samples = []
    for name in chosen:
        rows = dataset.table.filter(pl.col("target") == name)
        training = rows.filter(pl.col("split") == "train")
        ids = (rows if training.is_empty() else training)["id"].sort().to_list()
        pictures = tuple(thumbnails.of_image(ids[i]) for i in _spread(len(ids), each))
        samples.append(Sample(name, pictures))
    return tuple(samples)


def _spread(count: int, limit: int) -> list[int]:
    """Up to `limit` positions, evenly spread over `count`."""
    wanted = min(count, limit)
    return [(2 * step + 1) * count // (2 * wanted) for step in range(wanted)]
