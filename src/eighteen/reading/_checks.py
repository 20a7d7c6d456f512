"""What every layout checks once its rows are known, so that all of them say the same things.

Rows go in, findings or a refusal come out: too few classes, names that differ only by how they are written,
classes that no training picture shows, names and columns that look like an id.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl

from eighteen.core.dataset import SCHEMA, natural_key
from eighteen.core.errors import DatasetError
from eighteen.core.findings import Finding, name_some
from eighteen.reading._names import counted

ID_WORDS = re.compile(
    r"(^|_)(patient|subject|case|sender|person|user|session|participant|individual|animal|donor|burst|video|scan"
    r"|study|site|location|camera|device|slide|specimen|exam)(_?(id|no|nr|num|number|key|name|uid|uuid))?s?$"
)
"""Headings that name the one thing several pictures were taken of or with."""

NAMED_BY_PREFIX = re.compile(r"^(?P<prefix>[A-Za-z]*[-_]?[0-9]+)[-_ ](?P<number>[A-Za-z]{0,6}[0-9]{1,6})$")
"""File names such as `p03_2`: something numbered, then a number within it."""


def build_table(columns: Mapping[str, Sequence[object]], extra: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """The rows as a data set's table; columns of `SCHEMA` that are not given are "not known yet"."""
    rows = len(columns["path"])
    blank: dict[str, object] = {"index": -1, "width": 0, "height": 0}
    known = {
        name: pl.Series(name, list(columns.get(name, [blank.get(name, "")] * rows)), dtype)
        for name, dtype in SCHEMA.items()
    }
    named = zip(extra_names(extra), extra.values(), strict=True)
    return pl.DataFrame({**known, **{name: pl.Series(values, dtype=pl.String()) for name, values in named}})


def extra_names(headings: Iterable[str]) -> list[str]:
    """A source's headings as names of the table; those that the data set itself has get a prefix.

    >>> extra_names(["path", "age"])
    ['metadata_path', 'age']
    """
    taken: set[str] = set(SCHEMA)
    names = []
    for heading in headings:
        name = heading
        while name in taken:
            name = f"metadata_{name}"
        taken.add(name)
        names.append(name)
    return names


def classes_of(targets: Iterable[str], where: Path) -> tuple[str, ...]:
    """The classes in natural order, from all splits together.

    Raises:
        DatasetError: there are fewer than two.
    """
    names = tuple(sorted(set(targets), key=natural_key))
    if len(names) < 2:
        count = f"one class ({names[0]})" if names else "no class"
        raise DatasetError(
            f"found {count} in {where}; at least two are needed: add pictures of what is not in the class"
        )
    return names


def similar_class_names(names: Sequence[str]) -> list[Finding]:
    """Classes whose names differ only by case, blanks or the way accents are stored."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in names:
        key = " ".join(unicodedata.normalize("NFKC", name).casefold().replace("_", " ").split())
        alike[key].append(name)
    pairs = [group for group in alike.values() if len(group) > 1]
    if not pairs:
        return []
    named = name_some([" / ".join(repr(name) for name in group) for group in pairs])
    return [
        Finding(
            "similar_class_names",
            "warning",
            f"{len(pairs)} sets of class names differ only by case, blanks or accents: {named}",
            (),
            "if they mean the same class, give them one name",
        )
    ]


def class_without_training(table: pl.DataFrame, place: Callable[[str, str], str]) -> list[Finding]:
    """Classes that given splits leave without a training picture; nothing of them could be learned.

    Args:
        table: rows with `target` and `split`; without any split there is nothing to check.
        place: says where the pictures of (split, class) lie or would lie, for the message.
    """
    given = table.filter(pl.col("split") != "")
    if given.is_empty():
        return []
    trained = set(given.filter(pl.col("split") == "train")["target"])
    if not trained:
        message = f"there are {len(given)} pictures in given splits and none of them is for training"
        return [Finding("no_training_pictures", "blocking", message, (), "add pictures of the split train")]
    lost = given.filter(~pl.col("target").is_in(list(trained)))
    if lost.is_empty():
        return []
    words = {"val": "validation", "test": "test"}
    numbers = lost.group_by("target", "split").len().sort("target", "split", descending=[False, True])
    seen: dict[str, list[str]] = defaultdict(list)
    for target, split, number in numbers.iter_rows():
        seen[target].append(f"{counted(number, words[split] + ' picture')} ({place(split, target)})")
    named = [
        f"class {name} has {' and '.join(parts)} but no training pictures ({place('train', name)})"
        for name, parts in sorted(seen.items(), key=lambda item: natural_key(item[0]))
    ]
    advice = (
        "add training pictures of it, remove it, or --accept class_without_training, which leaves these "
        "pictures out"
    )
    return [Finding("class_without_training", "blocking", "; ".join(named[:10]), tuple(lost["id"]), advice)]


def group_hints(table: pl.DataFrame, extra: Sequence[str], grouped: bool) -> list[Finding]:
    """Columns and file names that look like an id with repeats; nothing is grouped unless named."""
    if grouped:
        return []
    for name, column in zip(extra, extra_names(extra), strict=True):
        values = table[column]
        distinct = values.filter(values != "").n_unique()
        if looks_like_id(name) and 1 < distinct < (values != "").sum():
            message = f"column {name} looks like an id: {distinct} values for {len(values)} pictures"
            advice = f"if pictures with the same {name} belong together, add --group-column {name}"
            return [Finding("group_hint", "info", message, (), advice)]
    return _prefix_hint(table)


def looks_like_id(heading: str) -> bool:
    """Whether a heading names a patient, a sender or the like.

    >>> looks_like_id("patient_id"), looks_like_id("PatientID"), looks_like_id("age")
    (True, True, False)
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", heading.strip())
    word = re.sub(r"[\s\-.]+", "_", spaced).casefold()
    return bool(ID_WORDS.search(word)) or word in {"patientid", "subjectid", "caseid", "personid", "userid"}


def _prefix_hint(table: pl.DataFrame) -> list[Finding]:
    """Names such as `p03_2.png`: most names fit, and prefixes repeat without being the class."""
    matches = [NAMED_BY_PREFIX.match(Path(path).stem) for path in table["path"]]
    prefixes = Counter(match["prefix"] for match in matches if match is not None)
    fitting, distinct = prefixes.total(), len(prefixes)
    classes = {
        (match["prefix"], target) for match, target in zip(matches, table["target"], strict=True) if match
    }
    is_class = distinct <= table["target"].n_unique() and len(classes) == distinct
    if fitting < 0.8 * len(matches) or distinct < 4 or fitting < 2 * distinct or is_class:
        return []
    example = name_some(sorted(prefixes, key=natural_key), 3)
    message = (
        f"{fitting} file names look like prefix_number with {distinct} repeating prefixes ({example}), as if "
        "several pictures show the same person, animal or thing"
    )
    advice = "if so, give a table with that id as a column and name it with --group-column NAME"
    return [Finding("group_hint", "info", message, (), advice)]


def multi_label_hint(targets: Sequence[str]) -> list[Finding]:
    """Cells that seem to hold several labels ("cat|dog"); each cell stays one class."""
    for separator in ("|", ";", ","):
        joined = {target for target in targets if separator in target}
        parts = Counter(part.strip() for target in joined for part in target.split(separator))
        alone = {target for target in targets if target in parts}
        if joined and (alone or any(number > 1 for number in parts.values())):
            some = name_some(sorted(joined), 3)
            message = (
                f"{counted(len(joined), 'label')} like several labels in one cell ({some}), read as one class"
            )
            advice = "a picture has one class here; keep the label that matters most where that is not meant"
            return [Finding("multi_label_hint", "info", message, (), advice)]
    return []
