"""IDX files, the container of the MNIST family, plain or gzip-compressed.

    train-images-idx3-ubyte.gz   train-labels-idx1-ubyte.gz      also emnist-letters-train-images-idx3-ubyte
    t10k-images-idx3-ubyte.gz    t10k-labels-idx1-ubyte.gz       and train-images.idx3-ubyte

Files are paired by their names; `train` is the split train, `t10k` and `test` are test. One row per image,
with the id `FILE#INDEX`; only headers and labels are read here. Source: http://yann.lecun.com/exdb/mnist/
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eighteen.core.dataset import Dataset, image_id
from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding, name_some
from eighteen.core.idx import open_idx, read_header
from eighteen.reading._checks import build_table, class_without_training, classes_of
from eighteen.reading._names import split_of
from eighteen.reading.options import ReadOptions

ORDER = 10
"""Asked first: nothing else carries these names."""

_NAME = re.compile(
    r"(?P<prefix>.*?)(?P<part>train|valid|validation|val|test|t10k)[-_.](?P<kind>images|labels)"
    r"([-_.]idx(?P<dimensions>\d))?([-_.]ubyte)?(?P<packed>\.gz)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Half:
    """One split's files, by kind."""

    prefix: str
    part: str
    split: str
    images: str | None
    labels: str | None


def recognises(path: Path, options: ReadOptions) -> bool:
    """Whether the path is an IDX file, or a folder that holds an IDX file of images, by their names."""
    del options
    if path.is_file():
        return _named(path.name) is not None
    return path.is_dir() and any(match["kind"].casefold() == "images" for match in _matches(path).values())


def read(path: Path, options: ReadOptions) -> Dataset:
    """Reads a folder of IDX files, or the set that one file of it belongs to.

    Returns:
        One row per image, with `width` and `height` from the header. Labels are their decimal text.

    Raises:
        DatasetError: images without labels or labels without images, unequal counts, or another number of
            dimensions; every file concerned is named.
    """
    _refuse_columns(path, options)
    folder = path if path.is_dir() else path.parent
    halves = _halves(folder, _prefix_wanted(path, folder))
    problems = [problem for half in halves for problem in _problems(folder, half)]
    if problems:
        raise DatasetError(
            f"{folder}: {'; '.join(problems)}. Fetch these files again and leave their names as they are"
        )
    columns: dict[str, list[object]] = defaultdict(list)
    for half in halves:
        _add_rows(columns, folder, half)
    targets = [str(target) for target in columns["target"]]
    names = classes_of(targets, folder)
    table = build_table(dict(columns), {})
    files = [name for half in halves for name in (half.images, half.labels) if name is not None]
    notes = [
        Finding("idx_files", "info", f"read as IDX: {name_some(files)}", (), "nothing to do"),
        *class_without_training(table, lambda split, name: f"label {name} in the {split} file"),
    ]
    return Dataset(table=table, class_names=names, root=folder, notes=tuple(notes))


def _refuse_columns(path: Path, options: ReadOptions) -> None:
    for what in ("image", "label", "split", "group"):
        column = getattr(options, f"{what}_column")
        if column is not None:
            raise DatasetError(
                f"{path}: --{what}-column {column}: IDX files have no columns; leave the option out"
            )


def _named(name: str) -> re.Match[str] | None:
    """The parts of an IDX file's name; "idx" or "ubyte" must be in it, so that `train_images` is none."""
    match = _NAME.fullmatch(name)
    return match if match is not None and ("idx" in name.casefold() or "ubyte" in name.casefold()) else None


def _matches(folder: Path) -> dict[str, re.Match[str]]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_file())
    except OSError as error:
        raise DatasetError(f"{folder}: folder cannot be opened ({error.strerror})") from error
    return {name: match for name in names if (match := _named(name)) is not None}


def _prefix_wanted(path: Path, folder: Path) -> str:
    """The set that is meant where a folder holds several (emnist-letters-, emnist-digits-)."""
    if path != folder:
        match = _named(path.name)
        return match["prefix"] if match is not None else ""
    prefixes = sorted({match["prefix"] for match in _matches(folder).values()})
    if len(prefixes) > 1:
        raise DatasetError(
            f"{folder} holds {len(prefixes)} sets of IDX files, named {name_some([*map(repr, prefixes)])}; "
            "give the path of one file of the set that is meant"
        )
    return prefixes[0]


def _halves(folder: Path, prefix: str) -> list[_Half]:
    files: dict[str, dict[str, str]] = defaultdict(dict)
    for name, match in _matches(folder).items():
        if match["prefix"] == prefix:
            part, kind = match["part"].casefold(), match["kind"].casefold()
            # Where a file lies there packed and unpacked, the unpacked one (first by name) is read.
            files[part].setdefault(kind, name)
    return [
        _Half(
            prefix,
            part,
            "test" if part == "t10k" else split_of(part) or "",
            kinds.get("images"),
            kinds.get("labels"),
        )
        for part, kinds in sorted(files.items())
    ]


def _problems(folder: Path, half: _Half) -> list[str]:
    if half.labels is None:
        return [f"{half.images} has no file of labels beside it ({half.prefix}{half.part}-labels-idx1-ubyte)"]
    if half.images is None:
        return [f"{half.labels} has no file of images beside it ({half.prefix}{half.part}-images-idx3-ubyte)"]
    problems: list[str] = []
    images, labels = _shape(folder / half.images, problems), _shape(folder / half.labels, problems)
    if images is None or labels is None:
        return problems
    if len(images) not in (3, 4):
        problems.append(f"{half.images} has {len(images)} dimensions, expected images, rows, columns")
    if len(labels) != 1:
        problems.append(f"{half.labels} has {len(labels)} dimensions, expected one")
    if images[:1] != labels[:1]:
        problems.append(f"{half.images} holds {images[0]} images and {half.labels} {labels[0]} labels")
    return problems


def _shape(file: Path, problems: list[str]) -> tuple[int, ...] | None:
    try:
        dtype, shape = read_header(file)
        open_idx(file)
    except DatasetError as error:
        problems.append(str(error))
        return None
    if dtype.kind not in "ui":
        problems.append(f"{file.name} holds numbers of type {dtype}, expected whole numbers")
    return shape


def _add_rows(columns: dict[str, list[object]], folder: Path, half: _Half) -> None:
    if half.images is None or half.labels is None:
        raise AssertionError("halves are checked before they are read")
    labels = np.asarray(open_idx(folder / half.labels)).tolist()
    _, (count, height, width, *_) = read_header(folder / half.images)
    path = half.images
    columns["id"] += [image_id(path, index) for index in range(count)]
    columns["path"] += [path] * count
    columns["index"] += range(count)
    columns["target"] += [str(label) for label in labels]
    columns["split"] += [half.split] * count
    columns["width"] += [width] * count
    columns["height"] += [height] * count
