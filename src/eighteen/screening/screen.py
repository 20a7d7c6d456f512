"""The whole screening: from a pile of pictures to those worth labelling, with a reason for each.

What is broken goes first, then copies, near copies, and what shows something else than the data set; of the
rest, n are chosen. No picture is touched; what comes out is a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from eighteen.core.dataset import Dataset
from eighteen.core.errors import EighteenError
from eighteen.core.progress import Progress, silent
from eighteen.screening.choosing import Method, choose
from eighteen.screening.copies import find_copies
from eighteen.screening.judging import Judged, judge
from eighteen.screening.near import Features, find_near_copies
from eighteen.screening.off_topic import FEWEST, TopicRule
from eighteen.screening.reasons import why_chosen, why_spare
from eighteen.screening.rows import DECISIONS, Decision, rows_of, together, with_places
from eighteen.screening.seen import Look
from eighteen.screening.suggesting import uncertainty


@dataclass(frozen=True)
class Wish:
    """What is asked of a screening.

    Attributes:
        n: pictures to label.
        method: how they are chosen; None is "mixed" where classes can be suggested, else "varied".
        false_drop_fraction: share of pictures on the topic that may be called off topic, above 0 and below 1.
        seed: of what is drawn by chance.
    """

    n: int = 300
    method: Method | None = None
    false_drop_fraction: float = 0.01
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Screened:
    """What a screening gives.

    Attributes:
        table: one row a picture, with the columns of `rows.SCHEMA`, chosen ones first, by rank.
        method: how the chosen ones were chosen.
        looked_with: what the pictures were looked at with, in words.
        rule: when a picture is off topic; None where that was not asked.
        labelled: pictures of the data set that the choice started from.
        notes: what the user should know.
    """

    table: pl.DataFrame
    method: Method
    looked_with: str
    rule: TopicRule | None
    labelled: int
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Pictures of each decision, in reading order."""
        found = dict(self.table["decision"].value_counts().iter_rows())
        return {name: int(found.get(name, 0)) for name in DECISIONS}

    def rows(self, decision: str) -> pl.DataFrame:
        """The rows with one decision."""
        return self.table.filter(pl.col("decision") == decision)

    def to_json(self) -> dict[str, Any]:
        """The object that `eighteen screen --json` prints."""
        return {
            "counts": self.counts,
            "method": self.method,
            "looked_with": self.looked_with,
            "off_topic": None if self.rule is None else self.rule.to_json(),
            "labelled": self.labelled,
            "notes": list(self.notes),
            "images": self.table.to_dicts(),
        }


def screen(
    pile: Dataset, known: Dataset, look: Look, wish: Wish | None = None, progress: Progress = silent
) -> Screened:
    """Screens a pile.

    Args:
        pile: as `read_unlabelled` gives it, scanned with looks.
        known: the data set, the same, and split; without rows, nothing is compared with it.
        look: how to look at pictures.
        wish: what is asked.
        progress: told how far it is.

    Raises:
        EighteenError: a method that needs classes was asked where none can be suggested.
    """
    wish = wish or Wish()
    known, pile = with_places(known), _hinted(with_places(pile), (*known.class_names, *look.class_names))
    broken, left = _without_broken(pile)
    copied, left = _without_copies(left, find_copies(left, known), "duplicate")
    parts = [broken, copied]
    if not len(left):
        notes: tuple[str, ...] = ("no picture is left to choose from",)
        return Screened(together(parts), wish.method or "varied", look.sentence, None, 0, notes)
    judged = judge(left, known, look, wish.false_drop_fraction, progress)
    method = _method(wish.method, judged)
    notes = tuple(_notes(judged, known, wish))
    near, left, judged = _without_near_copies(left, known, judged, look)
    off, left, judged = _without_off_topic(left, judged)
    parts += [near, off, *_chosen_and_spare(left, known, judged, method, wish)]
    return Screened(together(parts), method, look.sentence, judged.rule, len(judged.labelled), notes)


def _hinted(pile: Dataset, class_names: Sequence[str]) -> Dataset:
    """What the pile says of its pictures counts where it is the name of a class."""
    known = pl.col("target").is_in(list(class_names))
    return pile.with_table(
        pile.table.with_columns(pl.when(known).then("target").otherwise(pl.lit("")).alias("target"))
    )


def _without_broken(pile: Dataset) -> tuple[pl.DataFrame, Dataset]:
    blank = {image for note in pile.notes if note.check == "blank_images" for image in note.images}
    rows, left = _parted(pile, blank)
    skipped = [(pile.root / each.path).as_posix() for each in pile.skipped]
    unreadable = rows_of("broken", skipped, reason=[each.reason for each in pile.skipped])
    reason = ["one single colour: it shows nothing"] * len(rows)
    return pl.concat([unreadable, _decided("broken", rows, reason=reason)]), left


def _without_copies(
    left: Dataset, twins: pl.DataFrame, decision: Literal["duplicate", "near_duplicate"]
) -> tuple[pl.DataFrame, Dataset]:
    rows, left = _parted(left, set(twins["id"]))
    rows = rows.join(twins, on="id", how="left", maintain_order="left")
    what = "the same picture as" if decision == "duplicate" else "nearly the same picture as"
    where = {True: "of the data set", False: "of the pile"}
    reason = [f"{what} one {where[known]}: {twin}" for twin, known in rows.select("twin", "of_known").rows()]
    return _decided(decision, rows, reason=reason, duplicate_of=rows["twin"].to_list()), left


def _without_near_copies(
    left: Dataset, known: Dataset, judged: Judged, look: Look
) -> tuple[pl.DataFrame, Dataset, Judged]:
    features = None
    if look.can_suggest:
        seen = np.zeros((len(known), judged.vectors.shape[1]), np.float32)
        seen[(known.table["split"] != "test").to_numpy()] = judged.labelled
        features = Features(judged.vectors, seen)
    twins = find_near_copies(left, known, features)
    stays = ~left.table["id"].is_in(twins["id"].to_list()).to_numpy()
    rows, rest = _without_copies(left, twins, "near_duplicate")
    return rows, rest, judged.where(stays)


def _without_off_topic(left: Dataset, judged: Judged) -> tuple[pl.DataFrame, Dataset, Judged]:
    if judged.off_topic is None:
        return rows_of("off_topic", []), left, judged
    off = judged.off_topic > 1
    reason = [
        f"unlike the data set: {score:.2f} times as far from it as its own pictures may be"
        for score in judged.off_topic[off]
    ]
    rows = _decided("off_topic", left.table.filter(off), reason=reason, **_columns(judged.where(off)))
    return (
        rows.sort("off_topic", descending=True),
        left.with_table(left.table.filter(~off)),
        judged.where(~off),
    )


def _chosen_and_spare(
    left: Dataset, known: Dataset, judged: Judged, method: Method, wish: Wish
) -> list[pl.DataFrame]:
    chosen = choose(method, judged.vectors, judged.labelled, judged.uncertainty, wish.n, wish.seed)
    spare = np.setdiff1d(np.arange(len(left)), chosen)
    labelled = dict(known.table.select("id", "place").iter_rows())
    places = [labelled[image] for image in judged.labelled_ids]
    first = _decided(
        "chosen",
        left.table[chosen],
        rank=range(1, len(chosen) + 1),
        reason=why_chosen(method, judged, chosen, places),
        **_columns(judged.where(chosen)),
    )
    reason = why_spare(method, judged, spare, chosen, left.table["place"].to_list())
    return [first, _decided("spare", left.table[spare], reason=reason, **_columns(judged.where(spare)))]


def _parted(dataset: Dataset, images: set[str]) -> tuple[pl.DataFrame, Dataset]:
    """The rows of these ids, and the data set without them."""
    inside = pl.col("id").is_in(list(images))
    return dataset.table.filter(inside), dataset.with_table(dataset.table.filter(~inside))


def _decided(decision: Decision, rows: pl.DataFrame, **columns: Sequence[Any]) -> pl.DataFrame:
    return rows_of(decision, rows["place"].to_list(), hint=rows["target"].to_list(), **columns)


def _columns(judged: Judged) -> dict[str, Sequence[Any]]:
    """What is known of each picture, as columns of the table."""
    columns: dict[str, Sequence[Any]] = {}
    if judged.off_topic is not None:
        columns["off_topic"] = judged.off_topic.tolist()
    if judged.probabilities is not None:
        best = judged.probabilities.argmax(axis=1)
        columns["suggested"] = [judged.class_names[k] for k in best]
        columns["score"] = judged.probabilities.max(axis=1).tolist()
        columns["uncertainty"] = uncertainty(judged.probabilities).tolist()
    return columns


def _method(asked: Method | None, judged: Judged) -> Method:
    if asked is None:
        return "varied" if judged.probabilities is None else "mixed"
    if asked in ("uncertain", "mixed") and judged.probabilities is None:
        raise EighteenError(
            f"the method '{asked}' needs to know how sure a model is, and none can say: name a run (--run), "
            f"or a network with weights (--model, --weights) beside a data set of two classes or more; or "
            f"choose 'varied'"
        )
    return asked


def _notes(judged: Judged, known: Dataset, wish: Wish) -> Iterator[str]:
    if judged.rule is None:
        labelled = len(judged.labelled)
        yield (
            f"nothing is called off topic: the data set has {labelled} pictures outside its test split (or "
            f"one group alone), and {FEWEST} or more in several groups are needed"
        )
    elif judged.rule.false_drop_fraction > wish.false_drop_fraction:
        yield (
            f"{judged.rule.n} pictures cannot tell a false drop in {1 / wish.false_drop_fraction:.0f}: up to "
            f"{100 * judged.rule.false_drop_fraction:.1f} % of the good pictures may be called off topic"
        )
    test = known.split_counts["test"]
    if test:
        yield f"the {test} pictures of the test split only serve to find copies; they choose nothing"
