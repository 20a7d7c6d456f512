"""Where slices come from: columns of facts about pictures, cut into parts.

In comes a table with one row a picture, out go parts: a column, a value or range in words, and which pictures
it holds. Text, yes/no and numbers of few values are cut by value, other numbers and dates into quarters of
the pictures. A column that cannot be cut into parts worth a look is left out with a reason, never silently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from eighteen.core.dataset import NEAR_COLUMN
from eighteen.measuring.auroc import Flags

FEW_VALUES = 8
"""A number with at most so many different values is a code (a ward, a year) and is cut by value."""

NO_VALUE = "(no value)"

# Names and hashes of pictures, and what predictions say better.
_PASSED_OVER = frozenset(
    ("id", "path", "index", "target", "split", "group", "sha256", "pixels_sha256", NEAR_COLUMN)
) | {"width", "height"}


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the pictures.

    Attributes:
        column: what they were cut by.
        value: their value, or their range in words.
        inside: which pictures, `[M]`.
        one_group: whether they are one whole group of pictures that belong together.
    """

    column: str
    value: str
    inside: Flags
    one_group: bool = False


def sliceable_columns(pictures: pl.DataFrame, facts: pl.DataFrame) -> dict[str, pl.Series]:
    """What pictures can be cut by, `[M]` each: class, group, area_px, aspect, then the table's own columns.

    Args:
        pictures: `id`, `target` and `group` of the M pictures.
        facts: a row for each of them, in any order.
    """
    joined = pictures.select("id").join(facts, on="id", how="left", maintain_order="left")
    columns = {"class": pictures["target"], "group": pictures["group"]}
    if {"width", "height"} <= set(facts.columns):
        known = pl.when((pl.col("width") > 0) & (pl.col("height") > 0))
        area = known.then(pl.col("width").cast(pl.Int64) * pl.col("height"))
        aspect = known.then(pl.col("width") / pl.col("height"))
        columns |= joined.select(area_px=area, aspect=aspect).to_dict()
    for name in facts.columns:
        if name not in _PASSED_OVER:
            columns[f"{name} (table)" if name in columns else name] = joined[name]
    return {name: _without_blanks(column) for name, column in columns.items()}


def cut(columns: Mapping[str, pl.Series], least: int) -> tuple[list[Part], dict[str, str]]:
    """Cuts each column into parts of at least `least` pictures, with as many outside.

    Returns:
        The parts, in the order of columns and values; and why other columns were left out, by name.
    """
    parts: list[Part] = []
    left_out: dict[str, str] = {}
    for name, column in columns.items():
        reason = _reason_against(name, column, columns)
        found = [] if reason else [part for part in _parts(name, column) if _is_enough(part, least)]
        if not reason and not found:
            reason = f"no value or range has {least} pictures, with as many outside"
        if not reason and _is_mostly_rare(name, column, found):
            reason = (
                f"{column.n_unique():,} different values, most pictures with one that fewer than {least} have"
            )
        if reason:
            left_out[name] = reason
        else:
            parts += found
    return parts, left_out


def _without_blanks(column: pl.Series) -> pl.Series:
    """Not-a-number and empty text are no value."""
    if column.dtype.is_float():
        return column.fill_nan(None)
    if column.dtype == pl.String():
        return column.set(column == "", None)
    return column


def _reason_against(name: str, column: pl.Series, columns: Mapping[str, pl.Series]) -> str:
    if column.dtype.is_nested() or column.dtype in (pl.Binary(), pl.Object()):
        return f"values of type {column.dtype} cannot be cut"
    if column.null_count() == len(column):
        return "no picture has a value"
    if column.n_unique() == 1:
        return "all pictures have the same value"
    for other, what in (("class", "the classes"), ("group", "the groups")):
        if name not in ("class", "group") and _is_same_cut(column, columns[other]):
            return f"the same as {what}"
    return ""


def _is_same_cut(column: pl.Series, other: pl.Series) -> bool:
    both = pl.DataFrame({"column": column, "other": other}).n_unique()
    return both == column.n_unique() == other.n_unique() and both < len(column)


def _parts(name: str, column: pl.Series) -> Iterator[Part]:
    ordered = column.dtype.is_numeric() or column.dtype.is_temporal()
    if ordered and column.n_unique() > FEW_VALUES:
        yield from _quarters(name, column)
    else:
        for value in column.drop_nulls().unique().sort():
            inside = (column == value).fill_null(False).to_numpy()
            yield Part(name, str(value), inside, one_group=name == "group")
    yield Part(name, NO_VALUE, column.is_null().to_numpy())


def _quarters(name: str, column: pl.Series) -> Iterator[Part]:
    """Parts of a quarter of the pictures each, or more where many have the same value."""
    known = column.drop_nulls().sort()
    ends = known[[-(-len(known) * k // 4) - 1 for k in (1, 2, 3)]].unique().sort().to_list()
    for low, high in zip([None, *ends], [*ends, None], strict=True):
        inside = column.is_not_null()
        if low is not None:
            inside &= column > low
        if high is not None:
            inside &= column <= high
        yield Part(name, _range(low, high), inside.fill_null(False).to_numpy())


def _range(low: Any, high: Any) -> str:
    if low is None:
        return f"at most {_written(high)}"
    return f"above {_written(low)}" if high is None else f"above {_written(low)}, at most {_written(high)}"


def _written(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _is_enough(part: Part, least: int) -> bool:
    n = int(part.inside.sum())
    return least <= n <= len(part.inside) - least


def _is_mostly_rare(name: str, column: pl.Series, found: list[Part]) -> bool:
    """Whether text has so many values that its few frequent ones say little; classes and groups are asked
    about whatever their number."""
    if name in ("class", "group") or column.dtype.is_numeric() or column.dtype.is_temporal():
        return False
    covered = np.logical_or.reduce([part.inside for part in found]).sum()
    return bool(2 * covered < len(column))
