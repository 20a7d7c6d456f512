"""How the classes share the pictures: what a score must beat, and which classes it hardly sees.

Two findings: `imbalance`, when the classes differ so much that accuracy misleads, and `few_images`, classes
with too few pictures to learn from or to judge by.
"""

from __future__ import annotations

from eighteen.core.dataset import Dataset
from eighteen.core.findings import Finding, name_some

MAX_RATIO = 5.0
"""Largest class over smallest; above it the imbalance is reported."""

MIN_SHARE_OF_EQUAL = 0.2
"""A class below this share of an equal part (a tenth of two classes' pictures) is called small."""

FEW_IMAGES = 20
"""A class below this has about three pictures in each of validation and test."""


def check(dataset: Dataset) -> list[Finding]:
    """Findings on the number of pictures of each class."""
    counts = {name: number for name, number in dataset.class_counts().items() if number > 0}
    if len(counts) < 2:
        return []
    return [*_imbalance(counts), *_few(counts)]


def _imbalance(counts: dict[str, int]) -> list[Finding]:
    total = sum(counts.values())
    largest = max(counts, key=lambda name: counts[name])
    smallest = min(counts, key=lambda name: counts[name])
    ratio = counts[largest] / counts[smallest]
    part = total / len(counts)
    small = [name for name in counts if counts[name] < MIN_SHARE_OF_EQUAL * part]
    if ratio <= MAX_RATIO and not small:
        return []
    named = small or [smallest]
    shares = name_some([f"{name} ({counts[name]} of {total}, {counts[name] / total:.1%})" for name in named])
    message = (
        f"the classes are imbalanced: {largest} has {ratio:.0f} times the pictures of {smallest}; small: "
        f"{shares}. Always answering {largest} (the majority baseline) is right "
        f"{counts[largest] / total:.1%} of the time"
    )
    advice = (
        "read balanced accuracy and the recall of each class rather than accuracy; try --set "
        "loss.class_weights=balanced, or add pictures of the small classes"
    )
    return [Finding("imbalance", "warning", message, (), advice)]


def _few(counts: dict[str, int]) -> list[Finding]:
    few = sorted((name for name in counts if counts[name] < FEW_IMAGES), key=lambda name: counts[name])
    if not few:
        return []
    named = name_some([f"{name} ({counts[name]})" for name in few])
    message = f"fewer than {FEW_IMAGES} pictures in {len(few)} of {len(counts)} classes: {named}"
    advice = "their recall in validation and test rests on a few pictures; add more to learn and judge them"
    return [Finding("few_images", "warning", message, (), advice)]
