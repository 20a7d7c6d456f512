"""Trainings that are scored on pictures which took no part in them: the base of crossval and compare.

In come a data set, a recipe and which pictures are held out; out come predictions for exactly those. What is
left is split anew into training and validation (which picks epochs and fits the calibration), so that nothing
about the held-out pictures decides anything. The locked test split takes no part at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.findings import name_some
from eighteen.core.predictions import Predictions
from eighteen.core.progress import Progress
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.core.study import Study
from eighteen.evaluating.finishing import finish
from eighteen.inference.predictor import Predictor
from eighteen.measuring.resolution import SMALL
from eighteen.splitting import find_units, folds, split
from eighteen.training import fitting, planning
from eighteen.training.teaching import require_foreign_teachers
from eighteen.training.unseen import check_weights_of_study

FOLDS = 5

INNER_SALT = 7_919
"""Added to the seed of the split for the validation inside a training."""


@dataclass(frozen=True, eq=False)
class Part:
    """Pictures that one training holds out.

    Attributes:
        fold: number, from 0.
        repeat: which dealing of the folds, from 0.
        held: bool `[N]`, aligned with the data set.
    """

    fold: int
    repeat: int
    held: npt.NDArray[np.bool_]


def default_folds(dataset: Dataset) -> int:
    """5 for small data sets, else 1: with many pictures one part tells enough."""
    return FOLDS if len(outside_test(dataset)) <= SMALL else 1


def outside_test(dataset: Dataset) -> Dataset:
    """Without the test split."""
    return dataset.with_table(dataset.table.filter(pl.col("split") != "test"))


def parts(dataset: Dataset, k: int, repeats: int, seed: int, first: int = 0) -> list[Part]:
    """What each training holds out: k folds a repeat, dealt anew each time; with k = 1 the validation split.

    Args:
        dataset: without its test split.
        k: folds.
        repeats: how often they are dealt.
        seed: salt of dealing 0, `data.split_seed`.
        first: number of the first dealing.

    Raises:
        DatasetError: there are fewer pictures or groups than folds, or a part holds all pictures of a class.
    """
    if k == 1:
        found = [Part(0, 0, (dataset.table["split"] == "val").to_numpy())]
    else:
        dealt = {repeat: folds(dataset, k, seed + repeat) for repeat in range(first, first + repeats)}
        found = [Part(fold, repeat, rows == fold) for repeat, rows in dealt.items() for fold in range(k)]
    require_every_class(dataset, found)
    return found


def require_every_class(dataset: Dataset, dealt: Sequence[Part], learned: Dataset | None = None) -> None:
    """Refuses parts without which a class has no picture left to learn from.

    Args:
        dataset: without its test split.
        dealt: parts of it.
        learned: the data set to train on, where that has other labels or pictures.

    Raises:
        DatasetError: naming each such class, and what can be done.
    """
    known = dataset if learned is None else learned
    lost: set[str] = set()
    for part in dealt:
        held = dataset.table.filter(part.held)["id"].implode()
        left = known.table.filter(~pl.col("id").is_in(held))["target"].unique()
        lost |= set(known.class_names) - set(left)
    if not lost:
        return
    units = find_units(known).of_row
    targets = known.table["target"].to_numpy()
    groups = {name: len(np.unique(units[targets == name])) for name in sorted(lost)}
    named = [f"{name} ({_pictures(int((targets == name).sum()), n)})" for name, n in groups.items()]
    ways = ["add pictures of such a class in other groups", "leave it out", "join it with another class"]
    if max(groups.values()) > 1:
        ways.append("deal anew with another data.split_seed")
    if len(dealt) > 1:
        ways.append("hold one part out alone with --folds 1, which crossval cannot")
    raise DatasetError(
        f"a training that holds out all pictures of a class cannot learn it: {name_some(named)}, outside the "
        f"test split, where copies of a picture are a group too. Expected some of each class outside "
        f"of every part that is held out: {', or '.join(ways)}"
    )


def _pictures(count: int, groups: int) -> str:
    return f"{count} picture{'' if count == 1 else 's'} in {groups} group{'' if groups == 1 else 's'}"


def check_study(
    dataset: Dataset,
    recipes: Sequence[Recipe],
    k: int,
    repeats: int = 1,
    measured: Sequence[str] = ("train", "val"),
) -> None:
    """Says before a study is there what its trainings could not do.

    Args:
        dataset: audited, with splits.
        recipes: that are to be trained; the folds are dealt by the first one's `data.split_seed`.
        k, repeats: as for `parts`.
        measured: splits whose pictures measure something, as for `check_weights_of_study`.

    Raises:
        DatasetError: the folds cannot be dealt, or one holds all pictures of a class.
        RecipeError: a teacher, or the weights of a run, have learned from pictures that are to be held out.
    """
    for recipe in recipes:
        check_weights_of_study(recipe, dataset, measured)
    parts(outside_test(dataset), k, repeats, recipes[0].data.split_seed)
    for recipe in recipes:
        require_foreign_teachers(recipe, dataset)


@dataclass(frozen=True, eq=False)
class Side:
    """One of several ways of training that are compared on the same held-out pictures.

    Attributes:
        name: what it is called on the way.
        prefix: of the names of its runs.
        recipe: of its trainings; each seed starts from the recipe's own.
        learned: the data set that it trains on, where that has other labels or pictures.
    """

    name: str
    prefix: str
    recipe: Recipe
    learned: Dataset | None = None


def side_by_side(
    study: Study, dataset: Dataset, sides: Sequence[Side], seeds: int, k: int, progress: Progress
) -> list[Predictions]:
    """Trains every side with every seed on every fold; what each said about the held-out pictures, in order.

    Seed by seed and fold by fold, so that all sides are as far as each other when a study is stopped.

    Args:
        study: takes the runs; those that are there already are read.
        dataset: without its test split.
        sides: two or more; the folds are dealt by the first one's `data.split_seed`.
        seeds: trainings of each.
        k: folds; 1 holds the validation split out.
        progress: told how far it is.
    """
    waiting = parts(dataset, k, 1, sides[0].recipe.data.split_seed)
    for side in sides:
        require_every_class(dataset, waiting, side.learned)
    found: list[list[Predictions]] = [[] for _ in sides]
    total = len(sides) * seeds * len(waiting)
    for seed in range(seeds):
        for part in waiting:
            for side, said in zip(sides, found, strict=True):
                number = sum(map(len, found)) + 1
                progress("note", number, total, f"training {number} of {total}: {side.name}, seed {seed}")
                seeded = with_seed(side.recipe, side.recipe.seed + seed)
                said.append(
                    held_out_predictions(study, side.prefix, dataset, part, seeded, progress, side.learned)
                )
    return [together(said) for said in found]


def run_name(prefix: str, part: Part, recipe: Recipe) -> str:
    """Of the run folder of a training that holds a part out; `prefix` tells recipes apart."""
    return f"{prefix}seed-{recipe.seed}-repeat-{part.repeat}-fold-{part.fold}"


def held_out_predictions(
    study: Study,
    prefix: str,
    dataset: Dataset,
    part: Part,
    recipe: Recipe,
    progress: Progress,
    learned: Dataset | None = None,
) -> Predictions:
    """Trains without a part and scores it; a run that is there already is finished or just read.

    Args:
        study: its `runs/` takes the run.
        prefix: tells recipes apart; "" where there is one.
        dataset: without its test split.
        part: what is held out.
        recipe: its seed tells repeats of a training apart.
        progress: told how far it is.
        learned: the data set to train on, where that has other labels or pictures; held-out ones are left
            out of it by their ids.
    """
    path = study.run_path(run_name(prefix, part, recipe))
    begun = (path / "run.json").exists()
    run = Run.open(path) if begun else _started(training_side(dataset, part, recipe, learned), recipe, path)
    if run.info["state"] != "complete":
        finish(run, run.dataset, ("val",), progress)
        held = dataset.with_table(dataset.table.filter(part.held))
        run.save_predictions("held_out", _scored(run, held, part, progress))
        run.set_state("complete")
    return run.predictions("held_out")


def together(predictions: Sequence[Predictions]) -> Predictions:
    """All of them, one under the other."""
    first = predictions[0]
    names = set(first.arrays).intersection(*(each.arrays for each in predictions))
    return Predictions(
        rows=pl.concat([each.rows for each in predictions]),
        arrays={name: np.concatenate([each.arrays[name] for each in predictions]) for name in sorted(names)},
        class_names=first.class_names,
        expected=sum(each.expected for each in predictions),
        unreadable=tuple(row for each in predictions for row in each.unreadable),
    )


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    """The same recipe with another seed; beyond the largest, they begin at 0 again."""
    return Recipe.model_validate({**recipe.model_dump(), "seed": seed % 2**31})


def training_side(dataset: Dataset, part: Part, recipe: Recipe, learned: Dataset | None = None) -> Dataset:
    """What a training learns from that holds a part out, split anew into training and validation.

    Args:
        dataset: without its test split.
        part: what is held out.
        recipe: says how the rest is split.
        learned: the data set to train on, where that has other labels or pictures.
    """
    known = dataset if learned is None else learned
    held = dataset.table.filter(part.held)["id"].implode()
    rest = known.with_table(known.table.filter(~pl.col("id").is_in(held)).with_columns(split=pl.lit("train")))
    # By the hash that made the split, what is left of it would have no pictures in validation's share.
    return split(rest, val_fraction=recipe.data.val_fraction, seed=recipe.data.split_seed + INNER_SALT)


def _started(training: Dataset, recipe: Recipe, path: Path) -> Run:
    plan = planning.plan(recipe, training)
    return fitting.start(plan, training, [], pl.DataFrame(), path)


def _scored(run: Run, held: Dataset, part: Part, progress: Progress) -> Predictions:
    predictor = Predictor.open(run.path, run.recipe.training.device)
    batch = run.recipe.evaluation.batch_size
    found = predictor.score(held, batch_size=batch, seed=run.recipe.seed, progress=progress)
    return replace(found, rows=found.rows.with_columns(fold=pl.lit(part.fold, pl.Int64())))
