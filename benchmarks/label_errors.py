"""Does the audit find wrong labels, and does cleaning what it flags raise accuracy?

`python benchmarks/label_errors.py features DATA --model NAME --weights FILE --group-column COLUMN`
`python benchmarks/label_errors.py features DATA --images 10000 --folds 3 --components 256 --model …`
`python benchmarks/label_errors.py crossval DATA --images 10000 --folds 3`

A share of the labels is flipped, at random or to classes that a model confuses. The first two commands score
them by heads on frozen features out of fold (on so many principal components, which takes a fraction of the
time), the last by the default recipe, cross-validated (hours on a CPU; it goes on where it stopped). The
table says how well the scores tell flipped labels from others (AUROC), what share of what is named was
flipped and how much of it is named. Then heads are trained on the flipped labels, with what was named left
out or given its suggested label, and compared on unflipped labels of pictures that they had not seen. Numbers
of flips that the data set itself has wrong count as false alarms.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from eighteen import Dataset, audit
from eighteen.api import crossval, resume_crossval
from eighteen.auditing.label_errors import mean_probabilities, suspect, suspicion
from eighteen.core.config import load_recipe
from eighteen.core.predictions import Predictions
from eighteen.measuring.intervals import auroc_intervals, wilson
from eighteen.measuring.paired import compare
from eighteen.splitting.folds import folds
from eighteen.training.frozen import frozen_features, frozen_reader, score_out_of_fold
from eighteen.training.head import head_of_strength
from eighteen.training.voting import opinions

RATES = (0.1, 0.2)
KINDS = ("uniform", "confusion")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("way", choices=("features", "crossval"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--weights", default="none")
    parser.add_argument("--group-column")
    parser.add_argument("--images", type=int, help="so many, drawn evenly by hash")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--components", type=int, help="principal components of the features that are kept")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--find", nargs="*", default=[], help="parts of names whose rank is told")
    parser.add_argument("--out", type=Path, default=Path("runs/label_errors"))
    options = parser.parse_args()
    named = {"model.name": options.model, "model.weights": options.weights}
    named |= {"data.group_column": options.group_column} if options.group_column else {}
    recipe = load_recipe(None, [*(f"{key}={value}" for key, value in named.items()), *options.settings])
    dataset = audit(options.data, recipe).dataset
    table = dataset.table.filter(dataset.table["split"] != "test")
    if options.images:
        table = (
            table.sort("sha256", "id").gather_every(max(1, len(table) // options.images)).head(options.images)
        )
    dataset = dataset.with_table(table)
    features = None
    if options.way == "features":
        features = frozen_features(frozen_reader(dataset, recipe), dataset)
        features = features if options.components is None else principal(features, options.components)

    strengths = {}

    def scored(flipped: Dataset, name: str) -> Predictions:
        if features is not None:
            heads = score_out_of_fold(flipped, features, k=options.folds)
            strengths[name] = heads.strength
            return opinions(flipped, features, heads)
        path = options.out / name
        study = (
            resume_crossval(path) if path.exists() else crossval(flipped, path, recipe, folds=options.folds)
        )
        return study.predictions

    clean = scored(dataset, "clean")
    tell_ranks(dataset, clean, options.find)
    print("\n| flips | rate | AUROC | named | of these flipped | of the flipped, named |")
    print("|---|---|---|---|---|---|")
    cleanings = []
    for kind, rate, flipped, wrong in flips(dataset, clean):
        probabilities, targets = aligned(flipped, scored(flipped, f"{kind}-{rate}")), flipped.class_index()
        named_rows = suspect(targets, probabilities)
        print(row_of(kind, rate, suspicion(targets, probabilities), named_rows, wrong), flush=True)
        suggested = probabilities.copy()
        suggested[np.arange(len(targets)), targets] = -1
        if features is not None:
            # The strength that suits the flipped labels is used on both sides.
            strength = strengths[f"{kind}-{rate}"]
            cleanings.append((kind, rate, flipped, named_rows, suggested.argmax(axis=1), strength))
    if features is not None:
        print("\n| flips | rate | cleaning | accuracy before | after | difference | verdict |")
        print("|---|---|---|---|---|---|---|")
        for kind, rate, *rest in cleanings:
            for line in cleaned(dataset, features, options.folds, *rest):
                print(f"| {kind} | {rate:.0%} | {line} |", flush=True)


def principal(features: np.ndarray, number: int) -> np.ndarray:
    """The leading principal components of standardised features, `[N, number]`; no label is looked at."""
    rows = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    _, directions = np.linalg.eigh(rows.T @ rows)
    return np.asarray(rows @ directions[:, -number:], np.float32)


def flips(dataset: Dataset, clean: Predictions) -> Iterator[tuple[str, float, Dataset, np.ndarray]]:
    """Kind, rate, the data set with flipped labels, and which are flipped."""
    targets, k = dataset.class_index(), len(dataset.class_names)
    probabilities = aligned(dataset, clean)
    confusion = np.stack([probabilities[targets == label].mean(axis=0) for label in range(k)])
    for kind in KINDS:
        weights = np.ones((k, k)) if kind == "uniform" else confusion.copy()
        np.fill_diagonal(weights, 0)
        steps = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
        for rate in RATES:
            generator = np.random.default_rng(0)
            wrong = np.zeros(len(targets), np.bool_)
            wrong[generator.permutation(len(targets))[: round(rate * len(targets))]] = True
            drawn = (generator.uniform(size=(len(targets), 1)) > steps[targets]).sum(axis=1)
            labels = np.where(wrong, np.minimum(drawn, k - 1), targets)
            yield kind, rate, with_labels(dataset, labels), wrong


def with_labels(dataset: Dataset, labels: np.ndarray) -> Dataset:
    return dataset.with_columns(target=[dataset.class_names[label] for label in labels])


def aligned(dataset: Dataset, predictions: Predictions) -> np.ndarray:
    """Mean probabilities in the order of the data set's rows, `[N, K]`."""
    ids, probabilities = mean_probabilities(predictions)
    return probabilities[np.searchsorted(ids, np.asarray(dataset.ids, np.str_))]


def row_of(kind: str, rate: float, scores: np.ndarray, named: np.ndarray, wrong: np.ndarray) -> str:
    area = area_under(scores, wrong)
    (low,), (high,) = auroc_intervals(*(np.array([float(x)]) for x in (area, wrong.sum(), (~wrong).sum())))
    hits = int((named & wrong).sum())
    cells = [kind, f"{rate:.0%}", f"{area:.4f} [{low:.4f}, {high:.4f}]", str(int(named.sum()))]
    for whole in (int(named.sum()), int(wrong.sum())):
        ends = wilson(hits, whole)
        cells.append(f"{hits / max(1, whole):.3f} [{float(ends[0]):.3f}, {float(ends[1]):.3f}]")
    return f"| {' | '.join(cells)} |"


def area_under(scores: np.ndarray, wrong: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(wrong, scores))


def cleaned(
    truth: Dataset,
    features: np.ndarray,
    k: int,
    flipped: Dataset,
    named: np.ndarray,
    suggested: np.ndarray,
    strength: float,
) -> Iterator[str]:
    """Rows of the second table: heads on flipped labels against heads on cleaned ones, same folds."""
    fold, targets = folds(flipped, k), flipped.class_index()
    everything = np.ones(len(targets), np.bool_)
    before = held_out(truth, features, fold, targets, everything, strength)
    relabelled = np.where(named, suggested, targets)
    for name, labels, kept in (("left out", targets, ~named), ("relabelled", relabelled, everything)):
        after = held_out(truth, features, fold, labels, kept, strength)
        found = compare(before, after, names=("flipped", "cleaned"))
        accuracy = [(each.rows["predicted"] == each.rows["target"]).mean() for each in (before, after)]
        change = found.difference
        yield (
            f"{name} | {accuracy[0]:.4f} | {accuracy[1]:.4f} | {change.value:+.4f} [{change.low:+.4f}, "
            f"{change.high:+.4f}] | {found.verdict}"
        )


def held_out(
    truth: Dataset,
    features: np.ndarray,
    fold: np.ndarray,
    labels: np.ndarray,
    kept: np.ndarray,
    strength: float,
) -> Predictions:
    """What heads fitted on `labels` of the kept rows say about the fold that they did not see."""
    classes = len(truth.class_names)
    logits = np.empty((len(labels), classes), np.float32)
    for number in np.unique(fold):
        held = fold == number
        rows = kept & ~held
        logits[held] = head_of_strength([features[rows]], labels[rows], classes, strength).logits(
            features[held]
        )
    return score_rows(truth, logits)


def score_rows(truth: Dataset, logits: np.ndarray) -> Predictions:
    names = [truth.class_names[best] for best in logits.argmax(axis=1)]
    rows = truth.table.select("id", "path", "target", "split", "group").with_columns(
        predicted=pl.Series(names), score=pl.lit(0.0), fold=pl.lit(-1), seed=pl.lit(0)
    )
    return Predictions(rows, {"logits": logits}, truth.class_names, len(rows))


def tell_ranks(dataset: Dataset, clean: Predictions, parts: list[str]) -> None:
    """Where pictures that are known to be labelled wrongly stand among all, by the labels as they are."""
    if not parts:
        return
    probabilities, targets = aligned(dataset, clean), dataset.class_index()
    rank = np.argsort(np.argsort(-suspicion(targets, probabilities), kind="stable")) + 1
    named = suspect(targets, probabilities)
    print(f"| picture | label | rank of {len(targets)} | named |\n|---|---|---|---|")
    for row, (image, label) in enumerate(dataset.table.select("id", "target").iter_rows()):
        if any(part in image for part in parts):
            print(f"| {image} | {label} | {rank[row]} | {'yes' if named[row] else 'no'} |")


if __name__ == "__main__":
    main()
