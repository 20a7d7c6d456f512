"""The same pictures as two models saw them.

In come predictions of two models, each of one or several trainings; out goes `Pairs`: for every training
which pictures were right and what each cost, joined by id. A training is what has one seed, and may come in
several tables (the folds of a cross-validation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.core.errors import EighteenError
from eighteen.core.findings import name_some
from eighteen.core.predictions import Predictions
from eighteen.measuring.metrics import nll_terms
from eighteen.measuring.scored import Floats, Ints, Scored, score

SIDES = ("first", "second")


@dataclass(frozen=True, eq=False)
class Side:
    """One model, trained M times, on the N common pictures.

    Attributes:
        seeds: of its trainings, `[M]`, rising.
        right: whether each picture was given to its class, `[M, N]`.
        nll: -log(probability of the true class), `[M, N]`, in nats.
        predicted: index of the class that each picture was given to, `[M, N]`.
    """

    seeds: tuple[int, ...]
    right: npt.NDArray[np.bool_]
    nll: Floats
    predicted: Ints


@dataclass(frozen=True, eq=False)
class Pairs:
    """Two models on the same pictures.

    Attributes:
        scored: one training's view of the N common pictures, sorted by id, for targets, units and seed.
        first, second: the models.
        left_out: id and reason of every picture that could not be compared.
    """

    scored: Scored
    first: Side
    second: Side
    left_out: tuple[tuple[str, str], ...]

    @property
    def gain(self) -> Floats:
        """How much more often the second is right, `[N]`, -1 … 1, mean over seeds."""
        gain: Floats = self.second.right.mean(axis=0) - self.first.right.mean(axis=0)
        return gain

    @property
    def discordant(self) -> tuple[Floats, Floats]:
        """Share of all pairs of trainings in which only the first (only the second) is right, `[N]` each."""
        first, second = self.first.right.mean(axis=0), self.second.right.mean(axis=0)
        return first * (1 - second), second * (1 - first)

    @property
    def trained_once(self) -> bool:
        """Whether each model was trained once."""
        return len(self.first.seeds) == len(self.second.seeds) == 1


def pair(first: Sequence[Predictions], second: Sequence[Predictions]) -> Pairs:
    """Joins predictions by id.

    Args:
        first, second: tables of each model, rows in any order.

    Raises:
        EighteenError: a side is empty, a training answers twice for one picture, sides disagree about a
            class or group, a class is unknown to one of them, or nothing is in common.
    """
    sides = [_trainings(tables, name) for tables, name in zip((first, second), SIDES, strict=True)]
    labels = _labels(sides)
    _refuse(_disagreements(labels) + _unknown_classes(sides))
    n_trainings = sum(len(side) for side in sides)
    common = labels.filter((pl.col("trainings") == n_trainings) & (pl.col("unlabelled") == 0))
    if common.is_empty():
        _refuse([_nothing_common(sides)])
    left_out = _left_out((first, second), sides, labels, set(common["id"]))
    views = [[score(_only(common, training)) for training in side.values()] for side in sides]
    made = [_side(tuple(side), seen) for side, seen in zip(sides, views, strict=True)]
    return Pairs(views[0][0], made[0], made[1], left_out)


_Trainings = dict[int, Predictions]


def _side(seeds: tuple[int, ...], views: list[Scored]) -> Side:
    return Side(
        seeds,
        np.stack([view.targets == view.predicted for view in views]),
        np.stack([nll_terms(view.targets, view.probabilities) for view in views]),
        np.stack([view.predicted for view in views]),
    )


def _trainings(tables: Sequence[Predictions], name: str) -> _Trainings:
    bare = [position for position, table in enumerate(tables, 1) if "logits" not in table.arrays]
    _refuse([f"table {position} of the {name} model has no logits" for position in bare])
    parts: dict[int, list[Predictions]] = {}
    for table in tables:
        for seed in table.rows["seed"].unique().sort():
            parts.setdefault(seed, []).append(_where(table, table.rows["seed"] == seed))
    if not parts:
        _refuse([f"the {name} model has no scored picture in {len(tables)} tables of predictions"])
    problems = []
    for seed, found in parts.items():
        if len({part.class_names for part in found}) > 1:
            problems.append(f"the parts of seed {seed} of the {name} model have different classes")
            continue
        ids = pl.concat([part.rows["id"] for part in found])
        if ids.is_duplicated().any():
            twice = sorted(set(ids.filter(ids.is_duplicated())))
            problems.append(
                f"the {name} model answers more than once with seed {seed} for {name_some(twice)}"
            )
    _refuse(problems)
    return {seed: _joined(parts[seed]) for seed in sorted(parts)}


def _joined(parts: list[Predictions]) -> Predictions:
    if len(parts) == 1:
        return parts[0]
    rows = pl.concat([part.rows for part in parts], how="diagonal_relaxed")
    logits = np.concatenate([part.logits for part in parts])
    return Predictions(rows, {"logits": logits}, parts[0].class_names, len(rows))


def _where(table: Predictions, kept: pl.Series) -> Predictions:
    mask = kept.to_numpy()
    return Predictions(
        table.rows.filter(kept), {"logits": table.logits[mask]}, table.class_names, int(mask.sum())
    )


def _only(common: pl.DataFrame, training: Predictions) -> Predictions:
    # A group that one table names holds for all of them
    kept = _where(training, training.rows["id"].is_in(common["id"].implode())).sorted_by_id()
    return replace(kept, rows=kept.rows.with_columns(common["group"]))


def _labels(sides: list[_Trainings]) -> pl.DataFrame:
    # One row a picture that was scored at all, sorted by id
    columns = [pl.col("id"), pl.col("target").fill_null(""), pl.col("group").fill_null("")]
    rows = pl.concat([part.rows.select(columns) for side in sides for part in side.values()])
    target, group = (
        pl.col("target").filter(pl.col("target") != ""),
        pl.col("group").filter(pl.col("group") != ""),
    )
    return (
        rows.group_by("id")
        .agg(
            trainings=pl.len(),
            unlabelled=(pl.col("target") == "").sum(),
            targets=target.unique().sort(),
            groups=group.unique().sort(),
        )
        .with_columns(group=pl.col("groups").list.first().fill_null(""))
        .sort("id")
    )


def _disagreements(labels: pl.DataFrame) -> list[str]:
    problems = []
    for column, what in (("targets", "class"), ("groups", "group")):
        odd = labels.filter(pl.col(column).list.len() > 1)
        named = [f"{row['id']} ({' or '.join(row[column])})" for row in odd.head(5).iter_rows(named=True)]
        if named:
            more = ", …" if len(odd) > len(named) else ""
            problems.append(f"{len(odd)} pictures have more than one {what}: {', '.join(named)}{more}")
    return problems


def _unknown_classes(sides: list[_Trainings]) -> list[str]:
    problems = []
    for side, name in zip(sides, SIDES, strict=True):
        for seed, training in side.items():
            unknown = sorted(set(training.rows["target"].drop_nulls()) - {"", *training.class_names})
            if unknown:
                problems.append(f"the {name} model (seed {seed}) does not know {name_some(unknown)}")
    return problems


def _nothing_common(sides: list[_Trainings]) -> str:
    held = []
    for side, name in zip(sides, SIDES, strict=True):
        ids = sorted({name for training in side.values() for name in training.rows["id"]})
        held.append(f"the {name} model has {len(ids)} ({name_some(ids)})")
    return f"no picture of known class was scored in every training: {', '.join(held)}"


def _refuse(problems: list[str]) -> None:
    if problems:
        raise EighteenError(
            f"these predictions cannot be compared: {'; '.join(problems)}. Expected the same pictures with "
            "the same classes and groups, once for each seed. Score both models on one data set, give each "
            "training its own seed, and compare again."
        )


def _left_out(
    tables: tuple[Sequence[Predictions], Sequence[Predictions]],
    sides: list[_Trainings],
    labels: pl.DataFrame,
    common: set[str],
) -> tuple[tuple[str, str], ...]:
    unreadable = [{key: why for table in side for key, why in table.unreadable} for side in tables]
    scored = [[set(training.rows["id"]) for training in side.values()] for side in sides]
    every = set(labels["id"]).union(*unreadable) - common
    return tuple((key, _why(key, unreadable, scored)) for key in sorted(every))


def _why(key: str, unreadable: list[dict[str, str]], scored: list[list[set[str]]]) -> str:
    reasons = []
    for name, failed, seen in zip(SIDES, unreadable, scored, strict=True):
        if not all(key in ids for ids in seen):
            reasons.append(f"the {name} model lacks it ({failed.get(key, 'not scored')})")
    return "; ".join(reasons) or "its class is not known"
