"""Slices: where a model is worse than elsewhere.

In come `Predictions` and a table of facts about the pictures, out comes one `Slice` for each class, group,
quarter of the sizes and shapes, and value or quarter of every further column, worst first. Whoever looks at
many slices finds bad ones by luck, so p is corrected for all that were looked at: on data without a bad
slice, some slice is called worse at most 5 % of the time (at `confidence` 0.95).

| number             | pictures independent           | with groups                              |
|--------------------|--------------------------------|------------------------------------------|
| accuracy, rest     | Wilson                         | Wilson, by what the groups are worth     |
| difference         | Newcombe, from both intervals  | the same                                 |
| p                  | Fisher's exact test, one-sided | that and a t test by group: the larger p |
| p after many looks | Holm                           | Holm                                     |

A slice that is one whole group is a question about that group alone: its pictures count as independent.

Sources: `_slice_tests.py` names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from eighteen.core.errors import EighteenError
from eighteen.core.findings import name_some, one_line
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.measuring._slice_cuts import Part, cut, sliceable_columns
from eighteen.measuring._slice_tests import chance_of_so_bad, difference, holm, share
from eighteen.measuring.auroc import Flags
from eighteen.measuring.scored import Ints, score


@dataclass(frozen=True)
class Slice:
    """Some of the pictures against the rest.

    Attributes:
        column: what they were cut by: `class`, `group`, `area_px`, `aspect` (width / height), or a column of
            the table.
        value: their value, or their range in words.
        n: pictures in the slice.
        accuracy: of the slice.
        rest: accuracy of all other pictures.
        difference: slice minus rest; below 0 where the slice is worse.
        p: chance of a slice at least as bad, were it no worse than the rest.
        p_corrected: the same after `looks` looks.
        looks: slices that were looked at.
        worse: whether the slice is worse than the rest, beyond what so many looks explain.
        method: test behind p.
    """

    column: str
    value: str
    n: int
    accuracy: Measure
    rest: Measure
    difference: Measure
    p: float
    p_corrected: float
    looks: int
    worse: bool
    method: str

    @property
    def sentence(self) -> str:
        """What was found, in one line."""
        verdict = "worse than the rest" if self.worse else "not clearly worse than the rest"
        looked = "1 slice" if self.looks == 1 else f"{self.looks:,} slices"
        return (
            f"{one_line(self.column)}: {one_line(self.value)} is {verdict}: {_percent(self.accuracy)} of "
            f"{self.n:,} pictures right, {_percent(self.rest)} of the other {self.rest.n:,} "
            f"(p = {self.p_corrected:.2g} after a look at {looked})"
        )

    def to_json(self) -> dict[str, Any]:
        measures = {name: getattr(self, name).to_json() for name in ("accuracy", "rest", "difference")}
        return {**vars(self), **measures, "sentence": self.sentence}


def find_slices(
    predictions: Predictions,
    facts: pl.DataFrame,
    confidence: float = 0.95,
    least: int = 20,
    split: str = "",
) -> list[Slice]:
    """Compares each slice of the pictures with all others, worst first.

    Args:
        predictions: rows in any order; those of unknown class are left out.
        facts: `id` and further columns, a row for each picture and possibly for more; the table of a
            `Dataset` will do. Names, hashes and the split of pictures are no slices.
        confidence: of the intervals and, as 1 - confidence, the chance of any wrong "worse", 0 … 1.
        least: fewest pictures of a slice and of its rest.
        split: name that is written into the measures.

    Returns:
        Those called worse first; then by how much worse a slice is at least (the upper end of the
        interval of its difference). There may be none.

    Raises:
        EighteenError: facts lack `id` or pictures or name one twice; confidence or least are out of range;
            or logits are missing, do not fit the classes, or are not finite.
    """
    _check(predictions, facts, confidence, least)
    scored, rows = score(predictions), _known_rows(predictions)
    parts, _ = cut(_columns(rows, facts), least)
    image = _image_of_row(rows)
    right = scored.targets == scored.predicted
    found = [
        _compared(part, right, image, image if part.one_group else scored.unit, confidence, split)
        for part in parts
    ]
    return sorted(_corrected(found, 1 - confidence), key=_worst_first)


def skipped_columns(predictions: Predictions, facts: pl.DataFrame, least: int = 20) -> dict[str, str]:
    """Why columns were not cut into slices, by name: one value, too many of them, the classes again, ….

    Args:
        predictions, facts, least: as for `find_slices`.

    Raises:
        EighteenError: as `find_slices`.
    """
    _check(predictions, facts, 0.95, least)
    return cut(_columns(_known_rows(predictions), facts), least)[1]


def _check(predictions: Predictions, facts: pl.DataFrame, confidence: float, least: int) -> None:
    problems = []
    if not 0 < confidence < 1:
        problems.append(f"confidence is {confidence}, expected above 0 and below 1")
    if least < 1:
        problems.append(f"least is {least}, expected 1 picture or more")
    if "id" not in facts.columns:
        problems.append(f"the facts have columns {facts.columns}, expected 'id' among them")
    else:
        problems += _problems_of_ids(predictions.rows["id"], facts["id"].cast(pl.String()))
    if problems:
        raise EighteenError(f"slices cannot be made: {'; '.join(problems)}; correct this and look again")


def _problems_of_ids(scored: pl.Series, known: pl.Series) -> list[str]:
    twice = known.filter(known.is_duplicated()).unique().drop_nulls().sort().to_list()
    missing = scored.filter(~scored.is_in(known.to_list())).unique().sort().to_list()
    problems = [f"{len(twice)} pictures have several rows of facts: {_some(twice)}"] if twice else []
    return problems + ([f"{len(missing)} pictures have no row of facts: {_some(missing)}"] if missing else [])


def _some(names: Sequence[str]) -> str:
    return one_line(name_some(names, limit=5))


def _known_rows(predictions: Predictions) -> pl.DataFrame:
    ordered = predictions.sorted_by_id()
    return ordered.rows.filter(ordered.targets >= 0)


def _columns(rows: pl.DataFrame, facts: pl.DataFrame) -> dict[str, pl.Series]:
    """What the different pictures among sorted rows can be cut by."""
    pictures = rows.unique("id", keep="first", maintain_order=True)
    return sliceable_columns(pictures, facts.with_columns(pl.col("id").cast(pl.String())))


def _image_of_row(rows: pl.DataFrame) -> Ints:
    """Number of each row's picture: several rows where a picture was scored several times."""
    return rows["id"].rle_id().cast(pl.Int64()).to_numpy()


def _compared(part: Part, right: Flags, image: Ints, unit: Ints, confidence: float, split: str) -> Slice:
    """The slice by itself, as if it were the only one looked at."""
    inside = part.inside[image]  # [N]
    n = int(part.inside.sum())
    inner = share(right[inside], unit[inside], n, confidence, split)
    outer = share(right[~inside], unit[~inside], len(part.inside) - n, confidence, split)
    p, method = chance_of_so_bad(right, inside, unit)
    method += ", pictures of the group taken as independent" if part.one_group else ""
    gap = difference(inner, outer, confidence)
    return Slice(part.column, part.value, n, inner, outer, gap, p, p, 1, worse=False, method=method)


def _corrected(found: list[Slice], level: float) -> list[Slice]:
    """The slices after a look at all of them."""
    after = holm(np.array([one.p for one in found]))
    return [
        replace(one, p_corrected=float(p), looks=len(found), worse=bool(p <= level))
        for one, p in zip(found, after, strict=True)
    ]


def _worst_first(found: Slice) -> tuple[bool, float, float, str]:
    gap = found.difference
    return not found.worse, gap.high or 0.0, gap.value or 0.0, found.column


def _percent(measure: Measure) -> str:
    return f"{100 * (measure.value or 0):.1f} %"
