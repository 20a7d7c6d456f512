"""What corrections do to the test split, and to the ledger that counts its openings.

A corrected label or a dropped picture makes another test split of it, with another hash. Its pictures have
been looked at all the same, so the ledger goes by the split as it would be without corrections.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from eighteen.auditing._near import with_near_copies
from eighteen.auditing.repair import without_contradictions
from eighteen.auditing.scan import scan
from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding


def with_test_origin(
    dataset: Dataset, finished: Callable[[Dataset], Dataset], max_pixels: int
) -> tuple[Dataset, list[Finding]]:
    """Gives a corrected data set the identity of its test split without corrections, and says what changed.

    Args:
        dataset: scanned, split and repaired.
        finished: splits and repairs scanned rows, as was done with these.
        max_pixels: pixels; larger pictures are left out unread.
    """
    if dataset.uncorrected is None:
        return dataset, []
    # Scanned a moment ago but for the dropped pictures: the rest comes from the scan's cache.
    scanned = scan(dataset.uncorrected, max_pixels=max_pixels, looks=True)
    before = with_near_copies(without_contradictions(scanned))
    try:
        test_before = finished(before).subset("test")
    except DatasetError:
        # Without corrections it cannot be used at all, so nobody can have looked at a test split of it.
        return dataset, []
    test = dataset.subset("test")
    origin = test_before.split_fingerprint("test")
    if origin == test.split_fingerprint("test"):
        return dataset, []
    return replace(dataset, test_origin=origin), [_changed(test_before, test)]


def _changed(before: Dataset, after: Dataset) -> Finding:
    label_before, label_after = (
        dict(each.table.select("id", "target").iter_rows()) for each in (before, after)
    )
    relabelled = [image for image, label in label_after.items() if label_before.get(image, label) != label]
    gone = [image for image in label_before if image not in label_after]
    come = [image for image in label_after if image not in label_before]
    message = (
        f"corrections change the test split: {len(relabelled)} other labels, {len(gone)} pictures less, "
        f"{len(come)} more of {len(label_before)}; its ledger goes on, so earlier openings count"
    )
    advice = "do not compare scores on it with scores from before the corrections"
    return Finding("corrected_test", "warning", message, (*relabelled, *gone, *come), advice)
