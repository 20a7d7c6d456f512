"""The page of a screening: contact sheets of what was chosen and what was dropped, with the reason for each.

In comes a `Screened`, out goes one HTML file that needs nothing else. At most some hundred pictures are
shown; the table holds them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl

from eighteen.core import store
from eighteen.core.pixels import MAX_PIXELS
from eighteen.reporting.page import environment
from eighteen.reporting.thumbnails import Thumbnail, make
from eighteen.screening.rows import DECISIONS
from eighteen.screening.screen import Screened

MOST: Mapping[str, int] = MappingProxyType(
    {"chosen": 120, "off_topic": 60, "near_duplicate": 24, "duplicate": 12, "spare": 24, "broken": 0}
)
"""Pictures of each decision that are shown; of broken ones there is nothing to see."""

LISTED = 40
"""Broken files that are named."""


@dataclass(frozen=True)
class Shown:
    """One picture of the page.

    Attributes:
        row: of the screening's table.
        thumbnail: the picture.
        twin: the picture that it is a copy of; None where it is none.
    """

    row: Mapping[str, Any]
    thumbnail: Thumbnail
    twin: Thumbnail | None


@dataclass(frozen=True)
class Sheet:
    """The pictures of one decision.

    Attributes:
        decision: its name.
        meaning: in words.
        count: all pictures with it.
        shown: the first of them.
    """

    decision: str
    meaning: str
    count: int
    shown: tuple[Shown, ...]


@dataclass(frozen=True)
class ClassCount:
    """How many pictures of a suggested class were chosen, of how many that could have been."""

    name: str
    chosen: int
    candidates: int


def write_screen_page(screened: Screened, path: Path, name: str) -> None:
    """Writes the page.

    Args:
        screened: what it shows; pictures are read where they lie.
        path: of the page.
        name: of the pile, its heading.
    """
    template = environment().get_template("screen.html.j2")
    page = template.render(
        name=name,
        screened=screened,
        sheets=[_sheet(screened, decision) for decision in DECISIONS],
        classes=class_counts(screened),
        broken=screened.rows("broken").head(LISTED).to_dicts(),
        decisions=DECISIONS,
    )
    store.make_folder(path.parent)
    store.write_text(path, page)


def class_counts(screened: Screened) -> tuple[ClassCount, ...]:
    """Suggested classes of what was chosen, most frequent first; empty where none was suggested."""
    good = pl.col("decision").is_in(["chosen", "spare"]) & pl.col("suggested").is_not_null()
    chosen = (pl.col("decision") == "chosen").sum()
    counted = screened.table.filter(good).group_by("suggested").agg(chosen=chosen, candidates=pl.len())
    ordered = counted.sort(["chosen", "suggested"], descending=[True, False])
    return tuple(ClassCount(*row) for row in ordered.select("suggested", "chosen", "candidates").rows())


def _sheet(screened: Screened, decision: str) -> Sheet:
    rows = screened.rows(decision)
    shown = tuple(_shown(row) for row in rows.head(MOST[decision]).iter_rows(named=True))
    meaning = next(words for name, words in DECISIONS.items() if name == decision)
    return Sheet(decision, meaning, len(rows), shown)


def _shown(row: Mapping[str, Any]) -> Shown:
    twin = row["duplicate_of"]
    return Shown(row, _thumbnail(row["path"]), None if twin is None else _thumbnail(twin))


def _thumbnail(place: str) -> Thumbnail:
    """Of a path, or of `path#index`."""
    path, mark, index = place.rpartition("#")
    if mark and index.isdecimal() and not Path(place).exists():
        return make(place, Path(path), int(index), MAX_PIXELS)
    return make(place, Path(place), -1, MAX_PIXELS)
