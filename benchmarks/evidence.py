"""Prediction sets, calibration and the time of an evaluation, on a run: `python benchmarks/evidence.py RUN`.

Three tables. Sets: the stored predictions of a split are halved at random 20 times, fitted on one half and
measured on the other; mean coverage must lie in the beta-binomial interval that split conformal prediction
promises. Calibration: the stored error before and after. Time: `evaluate` on a copy of the run against the
bare forward pass over the same pictures, which are then decoded already. The test split is not opened: what
is stored of it is read, and time is taken on another split.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.core.progress import silent
from eighteen.core.run import Run
from eighteen.evaluating.evaluate import evaluate_dataset
from eighteen.inference.devices import open_placed
from eighteen.inference.reading import items_of, read_batches
from eighteen.inference.scoring import Scorer
from eighteen.measuring.conformal import expected_coverage_interval, fit_sets, sets

METHODS: tuple[dict[str, Any], ...] = (
    {"method": "lac"},
    {"method": "aps"},
    {"method": "aps", "randomised": True},
    {"method": "raps"},
    {"method": "raps", "randomised": True},
)
COVERAGES = (0.9, 0.95)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--split", help="of the stored predictions; test where it is stored, else val")
    parser.add_argument("--halves", type=int, default=20)
    parser.add_argument("--timed", default="val", help="split whose evaluation is timed; not test")
    parser.add_argument("--repeats", type=int, default=3, help="times that each is timed; the fastest counts")
    arguments = parser.parse_args()
    if arguments.timed == "test":
        parser.error("timing would open the test split; name another one")
    run = Run.open(arguments.run)
    split = arguments.split or ("test" if "test" in run.predicted_splits else "val")
    print_sets(run.predictions(split), split, arguments.halves)
    print_calibration(run, split)
    print_time(run, arguments.timed, arguments.repeats)


def print_sets(predictions: Predictions, split: str, halves: int) -> None:
    """Coverage as the promise is made (sets may be empty), and as served (never empty)."""
    known = predictions.targets >= 0
    table, targets = predictions.probabilities[known], predictions.targets[known]
    ids = predictions.rows.filter(known)["id"].to_list()
    accuracy = (table.argmax(axis=1) == targets).mean()
    print(f"\n{len(ids):,} {split} pictures, accuracy {accuracy:.4f}, {halves} random halves\n")
    print("| asked | sets | mean coverage | promised | within | classes | served coverage | served classes |")
    print("|---|---|---|---|---|---|---|---|")
    for coverage in COVERAGES:
        for settings in METHODS:
            exact, served, interval = _halved(table, targets, ids, coverage, settings, halves)
            low, high = interval
            within = "yes" if low <= exact[0] <= high else "more" if exact[0] > high else "NO"
            name = settings["method"] + (" randomised" if settings.get("randomised") else "")
            print(
                f"| {coverage:g} | {name} | {exact[0]:.4f} | {low:.4f} … {high:.4f} | {within} | "
                f"{exact[1]:.3f} | {served[0]:.4f} | {served[1]:.3f} |"
            )


def _halved(
    table: Any, targets: Any, ids: list[str], coverage: float, settings: dict[str, Any], halves: int
) -> tuple[Any, Any, tuple[float, float]]:
    """Mean coverage and size of exact and of served sets, and where the former should lie."""
    generator = np.random.default_rng(0)
    found: list[list[float]] = []
    for _ in range(halves):
        order = generator.permutation(len(targets))
        seen, new = order[: len(order) // 2], order[len(order) // 2 :]
        names = [ids[row] for row in seen]
        rule = fit_sets(table[seen], targets[seen], coverage, ids=names, **settings)
        row = []
        for empty in (True, False):
            inside = sets(rule, table[new], [ids[row] for row in new], allow_empty=empty)
            row += [inside[np.arange(len(new)), targets[new]].mean(), inside.sum(axis=1).mean()]
        found.append(row)
    means = np.mean(found, axis=0)
    interval = expected_coverage_interval(rule.n, len(new), coverage, repeats=halves)
    return means[:2], means[2:], interval


def print_calibration(run: Run, split: str) -> None:
    measures, diagrams = run.measures[split], run.details[split]["calibration"]
    print(f"\n{run.calibration.reason}\n")
    print("| on | ECE | 95 % interval | debiased |")
    print("|---|---|---|---|")
    for name, which, words in (("ece_uncalibrated", "before", "before"), ("ece", "after", "after")):
        print(f"| {words} | {_told(measures[name])} | {diagrams[which]['ece_debiased']:.4f} |")


def _told(measure: Measure) -> str:
    return f"{measure.value:.4f} | {measure.low:.4f} … {measure.high:.4f}"


def print_time(run: Run, split: str, repeats: int) -> None:
    """Each is timed in turns, so that other work on the machine disturbs them alike."""
    dataset = run.dataset.subset(split)
    network, device, _ = open_placed(run)
    scorer, size = Scorer(network, run.inputs, device), run.recipe.evaluation.batch_size
    batches = [batch.pixels for batch in read_batches(items_of(dataset), run.inputs, size)]
    scorer(batches[0])
    forward, whole = [], []
    with tempfile.TemporaryDirectory() as folder:
        copy = Run(Path(shutil.copytree(run.path, Path(folder) / "run")))
        for _ in range(repeats):
            began = time.perf_counter()
            for pixels in batches:
                scorer(pixels)
            forward.append(time.perf_counter() - began)
            began = time.perf_counter()
            evaluate_dataset(copy, dataset, split, silent)
            whole.append(time.perf_counter() - began)
    print(
        f"\n{len(dataset):,} {split} pictures of {run.inputs.size} px, {torch.get_num_threads()} thread(s)\n"
    )
    print("| | s | pictures/s |")
    print("|---|---|---|")
    for name, seconds in (("bare forward pass", min(forward)), ("evaluate", min(whole))):
        print(f"| {name} | {seconds:.2f} | {len(dataset) / seconds:.1f} |")
    ratios = sorted(after / before for before, after in zip(forward, whole, strict=True))
    print(f"\nevaluate / forward pass: median {np.median(ratios):.3f}, {ratios[0]:.3f} … {ratios[-1]:.3f}")


if __name__ == "__main__":
    main()
