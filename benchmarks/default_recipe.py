"""Accuracy and cost of the default recipe, over seeds: `python benchmarks/default_recipe.py DATA --seeds 3`.

Options that it does not know go to `eighteen train`, such as `--weights none`.
Each seed is one run of the command line in a process of its own; a finished run is not made again, and one
that was killed goes on, so the benchmark resumes. Results of a data set belong to the options that they were
made with. The test split is opened once a seed, at the end, and decides nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from resuming import check_arguments, is_complete, spent_s, train_command
from scipy.stats import binomtest

from eighteen import Run
from eighteen.reporting.summary import summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with train, validation and test")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"), help="where runs are kept")
    parser.add_argument("--seeds", type=int, default=3)
    arguments, options = parser.parse_known_args()
    # More seeds may be added to those that are there.
    record = arguments.out / f"{arguments.data.name}-arguments.json"
    check_arguments(record, {"data": arguments.data.absolute(), "options": options})
    rows = [one_run(arguments, seed, options) for seed in range(arguments.seeds)]
    print("| seed | validation | test | both | 95 % interval | minutes | images/s | peak MB |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        right, n = row["right"], row["n"]
        interval = binomtest(right, n).proportion_ci(method="wilson")
        print(
            f"| {row['seed']} | {row['val']:.4f} | {row['test']:.4f} | {right / n:.4f} ({right} of {n}) | "
            f"{interval.low:.4f} … {interval.high:.4f} | {row['seconds'] / 60:.1f} | "
            f"{row['images_per_second']} | {row['peak_memory_mb']:.0f} |"
        )
    both = [row["right"] / row["n"] for row in rows]
    if len(both) > 1:
        print(f"\nmean over seeds {mean(both):.4f}, standard deviation {stdev(both):.4f}")


def one_run(arguments: argparse.Namespace, seed: int, options: list[str]) -> dict[str, Any]:
    """The result of one seed, made now or earlier."""
    name = f"{arguments.data.name}-{seed}"
    stored = arguments.out / f"{name}.json"
    if not stored.exists():
        given = [str(arguments.data), "--test", "--seed", str(seed), *options]
        stored.write_text(json.dumps(trained(arguments.out / name, given)), encoding="utf-8")
    result = json.loads(stored.read_text(encoding="utf-8"))
    accuracy = {split: result["measures"][split]["accuracy"] for split in ("val", "test")}
    right = sum(round(row["value"] * row["n"]) for row in accuracy.values())
    return {
        "seed": seed,
        "val": accuracy["val"]["value"],
        "test": accuracy["test"]["value"],
        "right": right,
        "n": sum(row["n"] for row in accuracy.values()),
        "seconds": result["seconds"],
        "images_per_second": result["images_per_second"],
        "peak_memory_mb": result["peak_memory_mb"],
    }


def trained(path: Path, given: list[str]) -> dict[str, Any]:
    """What the command says of a run that it begins, or that it goes on with."""
    before_s = spent_s(path)
    if is_complete(path):
        # It was stopped between its end and the writing of what it said; its memory is known to nobody now.
        return {**summary(Run.open(path), before_s), "peak_memory_mb": float("nan")}
    command = [*train_command(path, given), "--json"]
    said = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return {**said, "seconds": before_s + said["seconds"]}


if __name__ == "__main__":
    main()
