"""Calibration of a model that is far too sure: `python benchmarks/overconfidence.py cifar10 --out FOLDER`.

A few pictures of each class are learned by heart: no augmentation, no smoothing, no decay, no average of
weights, many epochs. As many others are the validation split, on which calibration is fitted out of fold.
Test pictures take no part. What the command prints is the error of calibration before and after.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl
from evidence import print_calibration
from few_pictures import Stage, one_run

from eighteen import audit

BY_HEART = (
    "model.width=0.25",
    "training.epochs=30",
    "training.ema_decay=0",
    "training.progressive_from=1",
    "loss.label_smoothing=0",
    "optimizer.weight_decay=0",
    "augment.crop=none",
    "augment.horizontal_flip=0",
    "inputs.mirror_average=false",
)
"""Beside what every training of `few_pictures` is given."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--per-class", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("overconfidence"))
    arguments = parser.parse_args()
    table = drawn(arguments.pictures.resolve(), arguments.per_class, arguments.seed, arguments.out)
    stage = Stage(False, arguments.per_class, arguments.out)
    run = one_run(table, stage, "by heart", BY_HEART, arguments.seed, [])
    accuracy = run.measures["val"]["accuracy"]
    print(f"{accuracy.n:,} validation pictures, accuracy {accuracy.value:.4f}")
    print_calibration(run, "val")


def drawn(pictures: Path, per_class: int, seed: int, out: Path) -> Path:
    """A table of `per_class` training and as many validation pictures of each class, by chance."""
    rows = audit(pictures).dataset.table.filter(split="train").sort("id")
    rows = rows.with_columns(draw=pl.Series(np.random.default_rng(seed).random(len(rows))))
    rows = rows.with_columns(rank=pl.col("draw").rank("ordinal").over("target"))
    rows = rows.filter(pl.col("rank") <= 2 * per_class)
    out.mkdir(parents=True, exist_ok=True)
    table = out / "pictures.csv"
    rows.select(
        image=pl.lit(f"{pictures}/") + pl.col("path"),
        label="target",
        split=pl.when(pl.col("rank") <= per_class).then(pl.lit("train")).otherwise(pl.lit("val")),
    ).write_csv(table)
    return table


if __name__ == "__main__":
    main()
