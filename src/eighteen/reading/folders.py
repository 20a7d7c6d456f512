"""One folder per class, with or without folders for the splits above.

    photos/cat/1.jpg            photos/train/cat/1.jpg
    photos/dog/a/b/2.jpg        photos/Testing/dog/2.jpg

The first folder level (below the splits, where there are some) is the class, and all that lies deeper is of
it. Classes are joined by name over all splits and stand in natural order. A folder is taken for a split by
its spelling (`SPLIT_SPELLINGS`) when pictures lie in folders below it; see `_splits_above` for the doubtful
cases.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from eighteen.core.dataset import Dataset, Skipped, natural_key
from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding, name_some
from eighteen.reading._checks import (
    build_table,
    class_without_training,
    classes_of,
    group_hints,
    similar_class_names,
)
from eighteen.reading._hints import accepted_layouts, where_it_looks_right
from eighteen.reading._metadata import join_metadata
from eighteen.reading._names import counted, split_of
from eighteen.reading._walk import Found, walk, walk_notes
from eighteen.reading.options import ReadOptions

ORDER = 90
"""Asked last: a folder that is nothing else is a folder of class folders."""


def recognises(path: Path, options: ReadOptions) -> bool:
    """Whether the path is a folder."""
    del options
    return path.is_dir()


def read(path: Path, options: ReadOptions) -> Dataset:
    """Reads class folders.

    Args:
        path: folder that holds the class folders or the split folders.
        options: only the column names of a metadata table and `allow_outside` matter here.

    Returns:
        One row per file that may be a picture; nothing is opened. `skipped` names what looks like a picture,
        or may hold some, and is not used.

    Raises:
        DatasetError: there are no class folders, fewer than two classes, or folders that can be read in two
            ways.
    """
    if options.label_column is not None:
        raise DatasetError(
            f"--label-column {options.label_column}: {path} holds class folders and no table, so the folders "
            "are the labels; leave the option out, or give the path of a table"
        )
    found = walk(path, options.allow_outside)
    top_level = _tops(found.pictures)
    splits = _splits_above(top_level, path)
    placed = _place(found.pictures, splits)
    if not placed.paths:
        raise DatasetError(_nothing(path, found))
    names = _classes(placed, path, _empty_classes(found, splits, placed))
    metadata = join_metadata(
        path, found.texts, options, paths=placed.paths, targets=placed.targets, splits=placed.splits
    )
    columns = {
        "id": placed.paths,
        "path": placed.paths,
        "target": placed.targets,
        "split": metadata.split or placed.splits,
        "group": metadata.group or [""] * len(placed.paths),
    }
    table = build_table(columns, metadata.columns)
    notes = [
        *_empty_classes(found, splits, placed),
        *_doubtful_folders(top_level, splits),
        *similar_class_names(names),
        *class_without_training(table, lambda split, name: _folder_of(found, splits, split, name)),
        *placed.notes,
        *metadata.notes,
        *group_hints(table, list(metadata.columns), options.group_column is not None),
        *walk_notes(found, [*metadata.used, *metadata.decisions]),
    ]
    return Dataset(
        table=table,
        class_names=names,
        root=path,
        skipped=(*found.skipped, *placed.skipped),
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Placed:
    paths: list[str]
    targets: list[str]
    splits: list[str]
    skipped: list[Skipped]
    notes: list[Finding]


@dataclass
class _Top:
    """Pictures of one top folder: straight in it, and by the folder below."""

    straight: int
    below: dict[str, int]


def _tops(pictures: Iterable[str]) -> dict[str, _Top]:
    """Where pictures lie: top folder to its counts; pictures straight in the root are under ""."""
    tops: dict[str, _Top] = defaultdict(lambda: _Top(0, defaultdict(int)))
    for path in pictures:
        first, *rest = path.split("/")
        if not rest:
            tops[""].straight += 1
        elif len(rest) == 1:
            tops[first].straight += 1
        else:
            tops[first].below[rest[0]] += 1
    return dict(tops)


def _splits_above(tops: dict[str, _Top], path: Path) -> dict[str, str]:
    """Top folders that are splits: folder to split; empty where the top folders are the classes.

    The rule, for folders with the spelling of a split:

    * pictures lie straight in all of them: beside other folders they are classes that happen to be called so
      (a "train" beside "car" and "bus"); alone they are splits without classes, which is refused;
    * pictures lie in folders below, and there are two or more of them, or no other folders: splits. Other
      folders beside them are left out with a warning;
    * there is one, beside other folders: a split where its folders carry names found below the others too;
      a class where all others are nested as well; refused where neither tells.
    """
    named = {folder: split for folder in tops if folder and (split := split_of(folder)) is not None}
    others = [folder for folder in tops if folder and folder not in named]
    deep = [folder for folder in named if tops[folder].below]
    if not named:
        return {}
    if not deep:
        if others:
            return {}
        raise DatasetError(
            f"{name_some(list(named))} in {path} hold pictures straight away: expected one folder per class "
            f"inside them ({next(iter(named))}/cat/1.jpg). Put the pictures into class folders or give a "
            "table (CSV) with image, label and split; if these are the classes themselves, rename the folders"
        )
    if len(named) > 1 or not others:
        return named
    return named if _single_split_is_one(tops, deep[0], others, path) else {}


def _single_split_is_one(tops: dict[str, _Top], folder: str, others: list[str], path: Path) -> bool:
    below_others = {name for other in others for name in tops[other].below}
    if below_others & set(tops[folder].below):
        return True
    if all(tops[other].below and not tops[other].straight for other in others):
        return False
    raise DatasetError(
        f"{path} holds the folder {folder} with folders {name_some(list(tops[folder].below), 3)} in it, and "
        f"beside it {name_some(others)}: this reads as a split beside stray folders and as classes alike. "
        f"Move {name_some(others)} away if {folder} is a split, or rename {folder} if it is a class"
    )


def _place(pictures: Iterable[str], splits: dict[str, str]) -> _Placed:
    """Gives every picture its split and class, by its folders."""
    placed = _Placed([], [], [], [], [])
    stray: dict[str, list[str]] = defaultdict(list)
    for path in pictures:
        parts = path.split("/")
        split = splits.get(parts[0], "") if len(parts) > 1 else ""
        if splits and not split:
            stray["lies beside the split folders"].append(path)
        elif len(parts) < (3 if splits else 2):
            stray["lies in no class folder"].append(path)
        else:
            placed.paths.append(path)
            placed.targets.append(parts[1] if splits else parts[0])
            placed.splits.append(split)
    for reason, paths in stray.items():
        check = "no_class_folder" if "class" in reason else "beside_splits"
        placed.skipped.extend(Skipped(path, reason) for path in paths)
        message = f"{counted(len(paths), 'picture')} left out, since each {reason}: {name_some(paths)}"
        advice = "move them into a class folder, or away"
        placed.notes.append(Finding(check, "warning", message, tuple(paths), advice))
    return placed


def _classes(placed: _Placed, path: Path, empty: list[Finding]) -> tuple[str, ...]:
    """The classes; a refusal also names class folders without pictures and where the path may be meant."""
    try:
        return classes_of(placed.targets, path)
    except DatasetError as error:
        also = "".join(f"; {note.message}" for note in empty)
        raise DatasetError(f"{error}{also}{where_it_looks_right(path)}") from None


def _nothing(path: Path, found: Found) -> str:
    straight = [name for name in found.pictures if "/" not in name]
    if straight:
        what = f"{len(straight)} files lie straight in {path} ({name_some(straight, 3)}), in no class folders"
    elif found.skipped:
        named = name_some([f"{item.path}: {item.reason}" for item in found.skipped], 3)
        what = f"no pictures can be used in {path} ({named})"
    else:
        what = f"no pictures were found in {path}"
    return f"{what}; {accepted_layouts()}{where_it_looks_right(path)}"


def _empty_classes(found: Found, splits: dict[str, str], placed: _Placed) -> list[Finding]:
    """Class folders without a picture, told by whether any split has pictures of that class."""
    level = 1 if splits else 0
    folders = [folder for folder in found.folders if folder and folder.count("/") == level]
    if splits:
        folders = [folder for folder in folders if folder.split("/")[0] in splits]
    full = {"/".join(path.split("/")[: level + 1]) for path in placed.paths}
    classes = set(placed.targets)
    empty = [folder for folder in folders if folder not in full]
    gone = [folder for folder in empty if folder.split("/")[-1] not in classes]
    notes = []
    if gone:
        message = (
            f"{len(gone)} class folders hold no pictures and are left out of the classes: {name_some(gone)}"
        )
        notes.append(Finding("empty_class", "warning", message, (), "add pictures or remove the folders"))
    partly = [folder for folder in empty if folder not in gone]
    if partly:
        message = f"{counted(len(partly), 'class folder')} without pictures in one split: {name_some(partly)}"
        notes.append(Finding("empty_class_folder", "info", message, (), "add pictures, or leave it so"))
    return notes


def _doubtful_folders(tops: dict[str, _Top], splits: dict[str, str]) -> list[Finding]:
    """Says so where a class is called like a split, and where two folders make one split."""
    notes = []
    called = [folder for folder in tops if folder and split_of(folder) is not None]
    if called and not splits:
        message = f"{name_some(called)} is taken for a class, since other class folders stand beside it"
        advice = "if it is a split, move the other folders away or put class folders into it"
        notes.append(Finding("class_named_like_split", "warning", message, (), advice))
    for split in sorted(set(splits.values())):
        folders = sorted((name for name, meaning in splits.items() if meaning == split), key=natural_key)
        if len(folders) > 1:
            message = f"the folders {' and '.join(folders)} are both read as the split {split}"
            notes.append(Finding("merged_splits", "info", message, (), "rename one if they differ"))
    return notes


def _folder_of(found: Found, splits: dict[str, str], split: str, name: str) -> str:
    """The folder of a split's class, and what is wrong with it if it holds nothing."""
    candidates = [f"{folder}/{name}" for folder, meaning in splits.items() if meaning == split]
    there = [folder for folder in candidates if folder in set(found.folders)]
    return " and ".join(there) or f"no folder {candidates[0] if candidates else f'{split}/{name}'}"
