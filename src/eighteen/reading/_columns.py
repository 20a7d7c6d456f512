"""Which column of a table is what: by the option, else by its heading.

Headings are compared without regard to case, blanks, "_", "-" and ".". The first heading of the lists below
that the table has is taken; for the picture column, the first whose cells name files. The choice is noted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding, name_some
from eighteen.reading._cells import Cells
from eighteen.reading._names import split_of
from eighteen.reading.options import ReadOptions

IMAGE_HEADINGS = [
    "image",
    "image_path",
    "img",
    "img_path",
    "image_file",
    "image_filename",
    "image_file_name",
    "image_name",
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "picture",
    "photo",
    "picture_path",
    "photo_path",
    "rel_path",
    "relative_path",
    "full_path",
    "uri",
    "url",
    "image_url",
    "image_id",
    "img_id",
    "images",
    "id",
]
LABEL_HEADINGS = [
    "label",
    "labels",
    "class",
    "classes",
    "class_name",
    "label_name",
    "target",
    "category",
    "category_name",
    "y",
    "species",
    "breed",
    "diagnosis",
    "ground_truth",
    "gt",
    "tag",
    "tags",
    "class_label",
    "image_label",
    "klasse",
    "kategorie",
    "class_id",
    "label_id",
    "category_id",
]
SPLIT_HEADINGS = ["split", "subset", "set", "partition", "phase", "data_split", "dataset_split"]

_TRIED_CELLS = 200
"""Cells of a possible picture column that are looked up on disk (count)."""


@dataclass(frozen=True)
class Columns:
    """Names of the columns taken, and what to say about that."""

    image: str
    label: str
    split: str | None
    group: str | None
    notes: tuple[Finding, ...]

    @property
    def used(self) -> tuple[str, ...]:
        return tuple(name for name in (self.image, self.label, self.split) if name is not None)


def choose_columns(
    cells: Cells, options: ReadOptions, where: str, is_file: Callable[[str], bool]
) -> tuple[Cells, Columns]:
    """Finds the columns; a table without headings is told by a first line that names a file.

    Args:
        cells: the table.
        options: columns named by the user.
        where: the table's name, for messages.
        is_file: whether a cell names a file that exists.

    Returns:
        The table (with its first line as a row where it has no headings) and its columns.

    Raises:
        DatasetError: a named column is absent, no picture or label column is found, or a column that is
            needed stands twice with different cells. All such problems are named at once.
    """
    if _no_headings(cells, options, is_file):
        cells = cells.without_headings()
        first, second = cells.headings
        files, others = (first, second) if is_file(cells.column(first)[0]) else (second, first)
        message = f"{where} has no headings: its first column with files is the picture, the other the label"
        note = Finding("no_headings", "warning", message, (), "add a first line such as image,label")
        return cells, Columns(files, others, None, None, (note,))
    problems: list[str] = []

    def take(option: str, named: str | None, fitting: Sequence[str]) -> str | None:
        if named is None:
            return fitting[0] if fitting else None
        heading = find_heading(named, cells.headings)
        if heading is None:
            problems.append(f"--{option}-column {named}: there is no such column")
        return heading

    images = _fitting(IMAGE_HEADINGS, cells.headings)
    images.sort(key=lambda name: not any(map(is_file, cells.column(name)[:_TRIED_CELLS])))
    image = take("image", options.image_column, images)
    labels = [name for name in _fitting(LABEL_HEADINGS, cells.headings) if name != image]
    label = take("label", options.label_column, labels)
    splits = [name for name in _fitting(SPLIT_HEADINGS, cells.headings) if _is_split(name, cells)]
    split = take("split", options.split_column, [name for name in splits if name not in (image, label)])
    group = take("group", options.group_column, [])
    if image is None and options.image_column is None:
        problems.append(
            f"no picture column (known headings: {name_some(IMAGE_HEADINGS, 8)}); name it with --image-column"
        )
    if label is None and options.label_column is None:
        problems.append(
            f"no label column (known headings: {name_some(LABEL_HEADINGS, 8)}); name it with --label-column"
        )
    if image is not None and image == label:
        problems.append(f"column {image} cannot be picture and label at once; name both columns")
    problems += [_twice(name) for name in (image, label, split, group) if name and _differs(name, cells)]
    if problems or image is None or label is None:
        raise DatasetError(f"{where}: {'; '.join(problems)}. {describe_headings(cells.headings)}")
    columns = Columns(image, label, split, group, ())
    return cells, replace(columns, notes=tuple(_used_notes(cells, columns, images, labels)))


def find_heading(named: str, headings: Iterable[str]) -> str | None:
    """The heading that a name means: letter for letter, else the only one that is equal without case."""
    headings = list(headings)
    if named in headings:
        return named
    alike = [heading for heading in headings if heading.strip().casefold() == named.strip().casefold()]
    return alike[0] if len(alike) == 1 else None


def describe_headings(headings: Iterable[str]) -> str:
    return f"Its columns are: {name_some(list(headings), 30)}"


def image_candidates(cells: Cells) -> list[str]:
    """Columns whose heading says that they name pictures."""
    return _fitting(IMAGE_HEADINGS, cells.headings)


def label_candidates(headings: Iterable[str]) -> list[str]:
    """Columns whose heading says that they hold the class."""
    return _fitting(LABEL_HEADINGS, list(headings))


def _canonical(heading: str) -> str:
    return re.sub(r"[\s_\-.]+", "", heading.strip().strip("#").casefold())


def _fitting(known: Iterable[str], headings: Sequence[str]) -> list[str]:
    """Headings that are among the known ones, in the order of those."""
    wanted = {_canonical(name): place for place, name in reversed(list(enumerate(known)))}
    return sorted(
        (name for name in headings if _canonical(name) in wanted), key=lambda name: wanted[_canonical(name)]
    )


def _no_headings(cells: Cells, options: ReadOptions, is_file: Callable[[str], bool]) -> bool:
    named = (options.image_column, options.label_column, options.split_column, options.group_column)
    known = _fitting((*IMAGE_HEADINGS, *LABEL_HEADINGS), cells.headings)
    if any(named) or known or cells.unit != "line" or len(cells.headings) != 2:
        return False
    return sum(map(is_file, cells.headings)) == 1


def _is_split(heading: str, cells: Cells) -> bool:
    """A column called split is one; one called set or phase only where its cells are all splits."""
    values = [value for value in cells.column(heading) if value.strip()]
    return _canonical(heading) == "split" or (bool(values) and all(split_of(value) for value in values))


def _differs(name: str, cells: Cells) -> bool:
    """Whether the column stands twice with different cells."""
    if name not in cells.repeated:
        return False
    others = [other for other in cells.headings if re.fullmatch(re.escape(name) + r"_\d+", other)]
    return any(cells.column(other) != cells.column(name) for other in others)


def _twice(name: str) -> str:
    return f"the column {name} stands twice with different cells; remove or rename one"


def _used_notes(cells: Cells, columns: Columns, images: list[str], labels: list[str]) -> list[Finding]:
    """What was taken, and which columns might have been meant instead."""
    image, label = columns.image, columns.label
    taken = {"picture": image, "label": label, "split": columns.split, "group": columns.group}
    message = "columns used: " + ", ".join(f"{what}: {name}" for what, name in taken.items() if name)
    advice = "name others with --image-column, --label-column and so on"
    notes = [Finding("columns_used", "info", message, (), advice)]
    # Two columns may be the class: worth a warning unless they say the same in other words.
    own = cells.column(label)
    rivals = [name for name in labels if name != label and not _one_to_one(own, cells.column(name))]
    if rivals and label in labels:
        message = f"the class is taken from {label}; {name_some(rivals)} could be it too and differ"
        advice = "name the right one with --label-column"
        notes.append(Finding("several_label_columns", "warning", message, (), advice))
    others = [name for name in images if name != image]
    if others and image in images:
        message = f"the pictures are taken from {image}; {name_some(others)} could name them too"
        advice = "name the right one with --image-column"
        notes.append(Finding("several_image_columns", "info", message, (), advice))
    if cells.repeated:
        message = f"headings that stand more than once: {name_some(cells.repeated)}; later ones got a number"
        notes.append(Finding("repeated_headings", "warning", message, (), "give each column its own heading"))
    return notes


def _one_to_one(left: Sequence[str], right: Sequence[str]) -> bool:
    pairs = set(zip(left, right, strict=True))
    return len({a for a, _ in pairs}) == len(pairs) == len({b for _, b in pairs})
