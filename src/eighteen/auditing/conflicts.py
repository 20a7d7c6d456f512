"""The same picture in two classes: at least one of the labels is wrong, and nobody here knows which.

Reads the data set before splitting. A file copied byte for byte into two classes contradicts itself: `repair`
leaves all its copies out of every split, and `contradictions` gives the rows to look through. Files that only
show equal pixels (saved anew, turned by EXIF) may be there on purpose: they are kept, on one side of a split,
and named.
"""

from __future__ import annotations

import polars as pl

from eighteen.auditing._copies import copies
from eighteen.core.dataset import Dataset
from eighteen.core.findings import Finding, name_some

WHEN = "scanned"


def check(dataset: Dataset) -> list[Finding]:
    """Sets of copies that have more than one label, and sets of other files that show the same."""
    return [*_contradictory(dataset, conflicting(dataset)), *_alike(dataset)]


def _contradictory(dataset: Dataset, groups: tuple[tuple[str, ...], ...]) -> list[Finding]:
    if not groups:
        return []
    label_of = dict(dataset.table.select("id", "target").iter_rows())
    named = [" and ".join(f"{image} is '{label_of[image]}'" for image in ids) for ids in groups]
    images = tuple(image for ids in groups for image in ids)
    one = len(groups) == 1
    message = (
        f"{len(groups)} {'picture has' if one else 'pictures have'} contradictory labels (same file, "
        f"{len(images)} copies) and {'is' if one else 'are'} left out of every split: {name_some(named, 20)}"
    )
    advice = "decide on one label for each and remove the other copies"
    return [Finding("conflicting_labels", "warning", message, images, advice, groups)]


def _alike(dataset: Dataset) -> list[Finding]:
    """Different files of different classes whose pictures are equal."""
    contradictory = {image for ids in conflicting(dataset) for image in ids}
    sets = copies(dataset).filter(pl.col("targets").list.len() > 1)["ids"]
    groups = tuple(tuple(ids) for ids in sets if not contradictory.issuperset(ids))
    if not groups:
        return []
    images = tuple(image for ids in groups for image in ids)
    message = (
        f"{len(images)} files of different classes show the same picture ({len(groups)} in all), saved in "
        f"other ways: {name_some([' = '.join(ids) for ids in groups])}"
    )
    advice = "they are used as labelled, on one side of a split; if one label is wrong, remove that file"
    return [Finding("same_pixels", "warning", message, images, advice, groups)]


def conflicting(dataset: Dataset) -> tuple[tuple[str, ...], ...]:
    """Sets of ids that are copies of one file under different labels."""
    sets = copies(dataset, by=("sha256",)).filter(pl.col("targets").list.len() > 1)
    return tuple(tuple(ids) for ids in sets["ids"])


def contradictions(dataset: Dataset) -> pl.DataFrame:
    """The rows to look through.

    Args:
        dataset: scanned, before `repair`.

    Returns:
        `path` (the id), `label` and `reason` of every picture whose labels contradict one another. Equal
        pictures stand together; a picture that its table gave several labels is one row with an empty label.
    """
    rows: list[dict[str, str]] = []
    label_of = dict(dataset.table.select("id", "target").iter_rows())
    for ids in conflicting(dataset):
        reason = f"same picture as {name_some(ids)}"
        rows += [{"path": image, "label": label_of[image], "reason": reason} for image in ids]
    noted = {image for note in dataset.notes if note.check == "conflicting_labels" for image in note.images}
    rows += [
        {"path": skipped.path, "label": "", "reason": skipped.reason}
        for skipped in dataset.skipped
        if skipped.path in noted
    ]
    return pl.DataFrame(rows, schema={"path": pl.String, "label": pl.String, "reason": pl.String})
