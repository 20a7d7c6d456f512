"""How many trials a search needs: `python benchmarks/tuning.py DATA --model NAME --weights FILE`.

A table is made first: so many random configurations of a linear head, trained by SGD on frozen features of
real pictures, each scored out of fold after every epoch (a finished configuration is not made again). The
searches then look their trials up in it, at no cost, so that ten seeds of each method take a minute. What
counts is how many trials a method needs until it has found what the best of 60 random trials is worth; a
trial that was stopped early counts for the share of its epochs.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from eighteen import Recipe, audit
from eighteen.evaluating.heldout import outside_test
from eighteen.inference.devices import choose_device
from eighteen.splitting import folds
from eighteen.training.features import FeatureReader
from eighteen.training.planning import plan
from eighteen.training.resolve import input_spec
from eighteen.tuning.methods import METHODS
from eighteen.tuning.search import Budget, run_trials, search_in_memory
from eighteen.tuning.space import Parameter, Point
from eighteen.tuning.trial import Report, Trial

EPOCHS = 12
FOLDS = 2
COMPONENTS = 256
"""Principal components of the features that the head sees, so that the table takes minutes."""

RANDOM = 60
"""Random trials whose best is to be reached."""

SPACE = (
    Parameter("lr", 1e-3, 3.0, log=True),
    Parameter("weight_decay", 1e-6, 0.1, log=True),
    Parameter("batch_size", choices=(32, 64, 128, 256, 512)),
    Parameter("label_smoothing", 0.0, 0.4),
    Parameter("dropout", 0.0, 0.8),
    Parameter("mirrored", 0.0, 0.5),
)


@dataclass(frozen=True, eq=False)
class Features:
    """Frozen features of labelled pictures.

    Attributes:
        views: `[2, N, D]`, plain and mirrored; their first principal components, the first of variance 1.
        targets: `[N]`.
        fold: `[N]`, 0 .. FOLDS - 1.
    """

    views: torch.Tensor
    targets: torch.Tensor
    fold: npt.NDArray[np.int64]


class Row(NamedTuple):
    """A configuration and its out-of-fold accuracy after each epoch."""

    point: dict[str, Any]
    accuracy: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--group-column", default=None)
    parser.add_argument("--configurations", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=10)
    searching = [method for method in METHODS if method != "grid"]
    parser.add_argument("--methods", nargs="+", default=searching, choices=searching)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/head-table.jsonl"))
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    table = made_table(arguments)
    print_results(table, arguments.seeds, arguments.methods)


# The table


def made_table(options: argparse.Namespace) -> list[Row]:
    """One row a configuration: its point, and the out-of-fold accuracy after each epoch."""
    rows = _read(options.out)
    if len(rows) < options.configurations:
        features = _features(options)
        generator = np.random.default_rng(0)
        points = [_random_point(generator) for _ in range(options.configurations)]
        for number, point in enumerate(points[len(rows) :], start=len(rows)):
            began = time.perf_counter()
            row = {"point": point, "accuracy": _curve(features, point, number)}
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**row, "seconds": time.perf_counter() - began}) + "\n")
        rows = _read(options.out)
    return rows[: options.configurations]


def _read(path: Path) -> list[Row]:
    if not path.exists():
        return []
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [Row(row["point"], row["accuracy"]) for row in rows]


def _features(options: argparse.Namespace) -> Features:
    recipe = Recipe().changed(
        model={"name": options.model, "weights": options.weights}, data={"group_column": options.group_column}
    )
    known = outside_test(audit(options.data, recipe).dataset)
    made = plan(recipe, known)
    device = choose_device("cpu")[0]
    reader = FeatureReader(made.network, input_spec(made.recipe), device, recipe.data.max_pixels)
    views = np.stack(reader.read(known))
    views = (views - views[0].mean(axis=0)) / (views[0].std(axis=0) + 1e-6)
    axes = np.linalg.svd(views[0], full_matrices=False)[2][:COMPONENTS].T
    views = views @ axes
    views /= views[0].std(axis=0)[0]
    place = {name: index for index, name in enumerate(known.class_names)}
    targets = torch.tensor([place[name] for name in known.table["target"]])
    return Features(torch.from_numpy(views).float(), targets, folds(known, FOLDS))


def _random_point(generator: np.random.Generator) -> dict[str, Any]:
    point: dict[str, Any] = {}
    for each in SPACE:
        if each.choices:
            point[each.name] = each.choices[int(generator.integers(len(each.choices)))]
        else:
            share = generator.uniform()
            point[each.name] = each.at(float(share))
    return point


def _curve(features: Features, point: Point, seed: int) -> list[float]:
    """Out-of-fold accuracy after each epoch, rounded to a hundredth of a point."""
    right = np.zeros(EPOCHS)
    for fold in range(FOLDS):
        right += _right(features, point, features.fold == fold, seed)
    return [round(float(each), 4) for each in right / len(features.targets)]


def _right(
    features: Features, point: Point, held: npt.NDArray[np.bool_], seed: int
) -> npt.NDArray[np.float64]:
    """Held-out pictures that are named right after each epoch, `[EPOCHS]`."""
    values = {name: float(value) for name, value in point.items()}
    torch.manual_seed(seed)
    kept, out = torch.from_numpy(np.flatnonzero(~held)), torch.from_numpy(np.flatnonzero(held))
    layer = nn.Linear(features.views.shape[2], int(features.targets.max()) + 1)
    optimizer = torch.optim.SGD(
        layer.parameters(), values["lr"], 0.9, weight_decay=values["weight_decay"], nesterov=True
    )
    loss = nn.CrossEntropyLoss(label_smoothing=values["label_smoothing"])
    batch, counts = int(values["batch_size"]), np.zeros(EPOCHS)
    for epoch in range(EPOCHS):
        for group in optimizer.param_groups:
            group["lr"] = values["lr"] * (1 - epoch / EPOCHS)
        for rows in kept[torch.randperm(len(kept))].split(batch):
            view = (torch.rand(len(rows)) < values["mirrored"]).long()
            inputs = nn.functional.dropout(features.views[view, rows], values["dropout"])
            optimizer.zero_grad()
            loss(layer(inputs), features.targets[rows]).backward()
            optimizer.step()
        with torch.inference_mode():
            counts[epoch] = (layer(features.views[0, out]).argmax(1) == features.targets[out]).sum()
    return counts


# The searches


def print_results(table: list[Row], seeds: int, methods: list[str]) -> None:
    best = np.array([row.accuracy[-1] for row in table])
    wanted = _best_of_random(best)
    told = f"{best.min():.4f} … {best.max():.4f}, median {np.median(best):.4f}"
    print(f"{len(table)} configurations: out-of-fold accuracy {told}")
    as_good = int((best >= wanted).sum())
    print(f"best of {RANDOM} random trials: {wanted:.4f} (median over draws); {as_good} reach it\n")
    print("| method | trials until reached, median | of each seed | best of 30 trials, median |")
    print("|---|---|---|---|")
    for method in methods:
        runs = [_trials_needed(table, method, wanted, seed) for seed in range(seeds)]
        each = " ".join(f"{spent:.1f}" for spent, _ in runs)
        needed, found = (median(values) for values in zip(*runs, strict=True))
        print(f"| {method} | {needed:.1f} | {each} | {found:.4f} |", flush=True)


def _best_of_random(best: npt.NDArray[np.float64]) -> float:
    generator = np.random.default_rng(1)
    drawn = [best[generator.permutation(len(best))[:RANDOM]].max() for _ in range(2001)]
    return float(np.median(drawn))


def _trials_needed(table: list[Row], method: str, wanted: float, seed: int) -> tuple[float, float]:
    """Trials until the value is reached, early stops counted by their epochs; and the best of 30 trials."""
    coordinates = np.stack([_coordinates(row.point) for row in table])
    spent, reached, best = 0.0, math.inf, 0.0
    left = np.ones(len(table), bool)

    def look_up(trial: Trial, report: Report) -> float:
        nonlocal spent, reached, best
        distance = np.linalg.norm(coordinates - _coordinates(trial.point), axis=1)
        row = int(np.where(left, distance, np.inf).argmin())
        left[row] = False
        for epoch, value in enumerate(table[row].accuracy, start=1):
            spent += 1 / EPOCHS
            report(epoch, value)
        if value >= wanted:
            reached = min(reached, spent)
        if spent <= 30:
            best = max(best, value)
        return value

    search = search_in_memory(SPACE, method=method, maximise=True, seed=seed, most_steps=EPOCHS)
    for trials in range(5, min(len(table), 100) + 1, 5):
        run_trials(search, look_up, Budget(trials=trials))
        if spent > 30 and math.isfinite(reached):
            break
    return reached, best


def _coordinates(point: Point) -> npt.NDArray[np.float64]:
    """Where a point lies in the unit cube."""
    return np.array([each.share(point[each.name]) for each in SPACE])


if __name__ == "__main__":
    main()
