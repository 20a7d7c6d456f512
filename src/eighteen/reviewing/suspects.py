"""What a person should look at: pictures, and the topics under which they are suspect.

In come a data set, the findings of an audit and, where a model was asked, its predictions. Out comes one
frozen value, which the page shows and `--list` prints. Pictures go by their number in it, so that nothing
outside it can be asked for. Test pictures are not in it unless the test split was named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from eighteen.core.corrections import LABEL_BEFORE
from eighteen.core.dataset import Dataset
from eighteen.core.findings import Finding
from eighteen.core.predictions import Predictions

MOST_SURPRISING = 500
"""Pictures at most of the topic of mistakes: those that follow are hardly ever wrong labels."""

TITLES: Mapping[str, tuple[str, str]] = {
    "label_errors": ("Labels that look wrong", "Models that never saw a picture say another class."),
    "surprising": (
        "Surest mistakes",
        "The model says another class: a wrong label, or a hard picture.",
    ),
    "conflicting_labels": (
        "One picture, two labels",
        "One label is wrong. Decided, it is used again.",
    ),
    "same_pixels": ("Equal pictures, other labels", "Different files show the same under different labels."),
    "leakage": ("In two splits", "The same picture on two sides of a split."),
    "near_duplicates": ("Near duplicates", "Nearly the same picture, several times."),
    "exact_duplicates": ("Exact duplicates", "The same picture, several times in one class."),
    "outliers": ("Outliers", "Unlike everything else of their class."),
    "blank_images": ("Blank pictures", "One single colour."),
    "odd_sizes": ("Odd sizes", "Very long, or tiny."),
}
"""Title and a sentence of each topic, in the order in which they are shown; others follow."""

_NOT_TO_DECIDE = frozenset(
    {"corrections", "corrected_test", "unreadable", "missing_files", "few_images", "tiny_class", "animated"}
)
"""Findings about which no decision on single pictures helps."""


@dataclass(frozen=True)
class Shown:
    """A picture of the page.

    Attributes:
        image: its id.
        path, index: the file, from the data set's root; index -1 where the file is the picture.
        label: what the source says; "" where it contradicts itself.
        split: "" where it is in none.
        left_out: why it is not used; "" where it is.
    """

    image: str
    path: str
    index: int
    label: str
    split: str
    left_out: str = ""


@dataclass(frozen=True)
class Hint:
    """What speaks against a label: another class and how sure that is, 0..1 (None: not known)."""

    suggested: str
    score: float | None


@dataclass(frozen=True)
class Topic:
    """Suspects of one kind.

    Attributes:
        key: name of the check.
        title, text: what a person reads.
        sets: numbers of pictures that are looked at together; mostly sets of one.
        hints: by number of the picture.
    """

    key: str
    title: str
    text: str
    sets: tuple[tuple[int, ...], ...]
    hints: Mapping[int, Hint] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, eq=False)
class Suspects:
    """Everything that the page shows.

    Attributes:
        pictures: all that may be looked at, by number.
        class_names: what they can be relabelled to.
        root: folder that their paths start from.
        topics: suspects by kind.
        hidden: test pictures that are not shown.
    """

    pictures: tuple[Shown, ...]
    class_names: tuple[str, ...]
    root: Path
    topics: tuple[Topic, ...]
    hidden: int

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row a suspect: `finding`, `set` (from 1), `path`, `label`, `split`, `suggested`, `score`."""
        for topic in self.topics:
            for number, members in enumerate(topic.sets, start=1):
                for n in members:
                    shown, hint = self.pictures[n], topic.hints.get(n, Hint("", None))
                    yield {
                        "finding": topic.key,
                        "set": number,
                        "path": shown.image,
                        "label": shown.label,
                        "split": shown.split,
                        "suggested": hint.suggested,
                        "score": hint.score,
                    }


def find_suspects(
    dataset: Dataset,
    findings: Iterable[Finding],
    predictions: Predictions | None = None,
    split: str | None = None,
) -> Suspects:
    """Gathers pictures and topics.

    Args:
        dataset: audited.
        findings: of its audit.
        predictions: held out of training; mistakes among them become a topic.
        split: the only split that is shown; None shows all but test.
    """
    everything = [*_used(dataset), *_left_out(dataset)]
    pictures = tuple(shown for shown in everything if _may_be_shown(shown, split))
    number_of = {shown.image: n for n, shown in enumerate(pictures)}
    topics = [topic for finding in findings if (topic := _topic(finding.to_json(), number_of)) is not None]
    if predictions is not None and (surprising := _surprising(predictions, number_of)).sets:
        topics.append(surprising)
    order = {key: place for place, key in enumerate(TITLES)}
    topics.sort(key=lambda topic: order.get(topic.key, len(order)))
    hidden = sum(shown.split == "test" for shown in everything) if split is None else 0
    return Suspects(pictures, dataset.class_names, dataset.root, tuple(topics), hidden)


def _may_be_shown(shown: Shown, split: str | None) -> bool:
    return shown.split != "test" if split is None else shown.split == split


def _used(dataset: Dataset) -> Iterator[Shown]:
    table = dataset.table
    given = pl.col("target")
    if LABEL_BEFORE in table.columns:
        given = pl.when(pl.col(LABEL_BEFORE) != "").then(LABEL_BEFORE).otherwise(given)
    for row in table.select("id", "path", "index", given.alias("label"), "split").iter_rows():
        yield Shown(*row)


def _left_out(dataset: Dataset) -> Iterator[Shown]:
    for skipped in dataset.skipped:
        path, mark, index = skipped.path.rpartition("#")
        inside = bool(mark) and index.isdecimal()
        place = (path, int(index)) if inside else (skipped.path, -1)
        yield Shown(skipped.path, *place, skipped.label, skipped.split, skipped.reason)


def _topic(finding: dict[str, Any], number_of: Mapping[str, int]) -> Topic | None:
    """The topic of a finding in its JSON form; None where nobody can decide anything about it."""
    groups = finding.get("groups", [])
    if finding["check"] in _NOT_TO_DECIDE or (finding["severity"] == "info" and not groups):
        return None
    rows = [row if isinstance(row, dict) else {"path": row} for row in finding["images"]]
    named = groups or [[row["path"]] for row in rows]
    sets = [tuple(number_of[image] for image in members if image in number_of) for members in named]
    hints = {
        number_of[row["path"]]: Hint(row["suggested"], row.get("score"))
        for row in rows
        if row.get("suggested") and row["path"] in number_of
    }
    kept = tuple(members for members in sets if members)
    if not kept:
        return None
    title, text = TITLES.get(finding["check"], (_title(finding["check"]), finding["advice"]))
    return Topic(finding["check"], title, text, kept, hints)


def _surprising(predictions: Predictions, number_of: Mapping[str, int]) -> Topic:
    """Pictures of which the model says another class, those with the least probable label first."""
    known = predictions.targets >= 0
    rows = predictions.rows.filter(known).select("id", "target")
    probabilities, targets = predictions.probabilities[known], predictions.targets[known]
    # Repeats of a cross-validation ask about a picture several times: its mean probabilities count.
    ids, first, inverse = np.unique(rows["id"].to_numpy(), return_index=True, return_inverse=True)
    mean = np.zeros((len(ids), probabilities.shape[1]))  # [N, K]
    np.add.at(mean, inverse, probabilities)
    mean /= np.bincount(inverse)[:, None]
    of_label = mean[np.arange(len(ids)), targets[first]]
    best = mean.argmax(axis=1)
    wrong = np.flatnonzero(best != targets[first])
    order = wrong[np.argsort(of_label[wrong], kind="stable")]
    shown = [row for row in order if ids[row] in number_of][:MOST_SURPRISING]
    hints = {
        number_of[ids[row]]: Hint(predictions.class_names[best[row]], float(mean[row, best[row]]))
        for row in shown
    }
    sets = tuple((number_of[ids[row]],) for row in shown)
    return Topic("surprising", *TITLES["surprising"], sets, MappingProxyType(hints))


def _title(check: str) -> str:
    return check.replace("_", " ").capitalize()
