"""The default recipe against its peers on the same folds, at equal time, in the peers' own environment.

`python benchmarks/folds.py DATA --group-column COLUMN --model NAME --weights FILE --peers PYTHON`

Training and validation pictures are dealt into folds that keep groups together (the test split takes no
part). In each, `eighteen train` runs as it stands and splits its own validation off; the peers of `peers/`
then get the same split and the seconds that it took. Every fold of every contender is stored and not made
again, and a training that was killed goes on, so the benchmark resumes; a folder belongs to its arguments.
Differences are paired by picture; their intervals resample whole groups.

Two things lean towards `eighteen` here. The peers compute as they come, in float32; `eighteen train` takes
bf16 where that is faster, and in equal time makes more steps with it. And one constant of the program, which
mixture of tuned weights and head stays (`training/keeping.py`), was chosen on folds of the clothing data set.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import polars as pl
from resuming import check_arguments, is_complete, spent_s, train_command

from eighteen import Dataset, Run, audit
from eighteen.core.config import load_recipe
from eighteen.splitting.folds import folds

PEERS = {
    "logistic regression on frozen features": "frozen_head",
    "fastai fine_tune, with TTA": "fastai_finetune",
    "timm fine-tune": "timm_finetune",
}
RESAMPLES = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--group-column", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--peers", type=Path, required=True, help="python of the peers' environment")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/folds"))
    options = parser.parse_args()
    check_arguments(
        options.out / "arguments.json",
        {
            "data": options.data.absolute(),
            "group_column": options.group_column,
            "model": options.model,
            "weights": options.weights.absolute(),
            "peers": options.peers.absolute(),
            "folds": options.folds,
        },
    )
    dataset = audit(options.data, load_recipe(None, [f"data.group_column={options.group_column}"])).dataset
    dataset = dataset.with_table(dataset.table.filter(dataset.table["split"] != "test"))
    fold_of = folds(dataset, options.folds)
    found = [one_fold(dataset, fold_of, fold, options) for fold in range(options.folds)]
    print_tables(pl.concat(found))


def one_fold(dataset: Dataset, fold_of: np.ndarray, fold: int, options: argparse.Namespace) -> pl.DataFrame:
    """Answers of every contender on one fold: image, label, group, contender, predicted, seconds."""
    table = options.out / f"fold-{fold}.csv"
    rows = dataset.table.select(
        pl.col("path")
        .map_elements(lambda path: os.path.relpath(dataset.file(path), options.out), pl.String)
        .alias("image"),
        pl.col("target").alias("label"),
        pl.col("group"),
        pl.Series("split", np.where(fold_of == fold, "test", "train")),
    )
    rows.write_csv(table)
    run, seconds = ours(table, fold, options)
    splits = run.dataset.table.select(pl.col("path").alias("image"), pl.col("split"))
    rows.drop("split").join(splits, on="image", validate="1:1").write_csv(table.with_suffix(".split.csv"))
    answers = run.predictions("test").rows.select(
        pl.col("path").alias("image"), pl.col("target").alias("label"), "predicted"
    )
    parts = [answers.with_columns(contender=pl.lit("eighteen"), seconds=pl.lit(seconds))]
    for name, script in PEERS.items():
        peer = options.out / f"{script}-{fold}.csv"
        if not peer.exists():
            arguments = [
                table.with_suffix(".split.csv"),
                options.out,
                options.model,
                options.weights,
                seconds,
                peer,
            ]
            command = [options.peers, Path(__file__).parent / "peers" / f"{script}.py", *arguments]
            subprocess.run([str(part) for part in command], check=True)
        frame = pl.read_csv(peer).select("image", "label", "predicted", pl.col("seconds").cast(pl.Float64))
        parts.append(frame.with_columns(contender=pl.lit(name)).select(parts[0].columns))
    groups = rows.select("image", "group")
    return pl.concat(parts).join(groups, on="image").with_columns(fold=pl.lit(fold))


def ours(table: Path, fold: int, options: argparse.Namespace) -> tuple[Run, float]:
    """The finished run of a fold, and how many seconds the command took from start to end.

    Where it was stopped in between: the seconds of what it had finished, and those of going on.
    """
    path, note = options.out / f"eighteen-{fold}", options.out / f"eighteen-{fold}.json"
    if not note.exists():
        before_s, start = spent_s(path), time.perf_counter()
        given = [str(table), "--test", "--model", options.model, "--weights", str(options.weights)]
        given += ["--group-column", "group", "--set", "data.allow_outside=true"]
        if not is_complete(path):
            subprocess.run(train_command(path, given), check=True)
        took = {"seconds": before_s + time.perf_counter() - start, "resumed": before_s > 0}
        note.write_text(json.dumps(took), encoding="utf-8")
    return Run.open(path), float(json.loads(note.read_text(encoding="utf-8"))["seconds"])


def print_tables(answers: pl.DataFrame) -> None:
    answers = answers.with_columns(right=(pl.col("label") == pl.col("predicted")).cast(pl.Float64))
    names = answers["contender"].unique(maintain_order=True).to_list()
    print("| contender | accuracy | of each fold | seconds a fold | difference of eighteen | 95 % interval |")
    print("|---|---|---|---|---|---|")
    ours = answers.filter(contender="eighteen").select("image", "group", mine="right")
    for name in names:
        part = answers.filter(contender=name)
        each = part.group_by("fold").agg(pl.col("right").mean(), pl.col("seconds").first()).sort("fold")
        times = each["seconds"].drop_nans().mean()
        cells = [name, f"{part['right'].mean():.4f}", " ".join(f"{value:.3f}" for value in each["right"])]
        line = f"| {' | '.join(cells)} | {'–' if times is None else f'{times:.0f}'} |"
        if name != "eighteen":
            paired = ours.join(part.select("image", "right"), on="image", validate="1:1")
            difference, low, high = paired_difference(paired)
            line += f" {difference:+.4f} | {low:+.4f} … {high:+.4f} |"
        else:
            line += " | |"
        print(line)
    print(f"\nn = {len(ours)} pictures in {ours['group'].n_unique()} groups")


def paired_difference(paired: pl.DataFrame, confidence: float = 0.95) -> tuple[float, float, float]:
    """Difference in accuracy and its percentile interval over resampled groups (the cluster bootstrap)."""
    sums = paired.group_by("group", maintain_order=True).agg(
        (pl.col("mine") - pl.col("right")).sum().alias("gain"), pl.len().alias("size")
    )
    gain, size = sums["gain"].to_numpy(), sums["size"].to_numpy()
    drawn = np.random.default_rng(0).integers(0, len(gain), (RESAMPLES, len(gain)))
    differences = gain[drawn].sum(axis=1) / size[drawn].sum(axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    return float(gain.sum() / size.sum()), float(low), float(high)


if __name__ == "__main__":
    main()
