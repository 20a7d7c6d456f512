"""What helps where there are few pictures: `python benchmarks/few_pictures.py DATA --per-class 20 --seeds 3`.

Each seed draws its own pictures of every class from the training split. Two stages, kept apart:

- Choosing: recipes are compared on the training pictures that were not drawn. The validation and test splits
  take no part. `--try NAME` says which of `CONTENDERS`; all of them without it.
- Proving (`--prove`): the recipes that are left are scored once a seed on validation and test together.
  Training takes its last epoch, so that validation decides nothing that is scored.

Each training is one run of the command line in a process of its own; a finished run is not made again, so the
benchmark resumes. Intervals are those of the project: by picture and by seed. Options that it does not know
go to every `eighteen train`, such as `--set training.precision=fp32`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import polars as pl

from eighteen import Dataset, Run, audit
from eighteen.core.predictions import Predictions
from eighteen.evaluating.heldout import together
from eighteen.measuring.measure import measure
from eighteen.measuring.paired import compare

CONTENDERS: dict[str, tuple[str, ...]] = {
    "default": (),
    "Nesterov": ("optimizer.name=nesterov",),
    "quarter width": ("model.width=0.25", "optimizer.name=nesterov"),
    "quarter width, Muon": ("model.width=0.25",),
    "half width": ("model.width=0.5",),
    "longer": ("training.epochs=200",),
    "small batches": ("training.batch_size=16",),
    "turned": ("augment.rotation_degrees=20", "augment.translate_fraction=0.1"),
    "slanted": ("augment.shear_degrees=10", "augment.perspective=0.2"),
    "mirrored": ("augment.horizontal_flip=0.5", "inputs.mirror_average=true"),
    "mixup": ("augment.mixup_alpha=0.2",),
    "cutmix": ("augment.cutmix_alpha=1", "augment.mixing_probability=0.5"),
    "erased": ("augment.erasing=0.25",),
    "full size": ("training.progressive_from=1",),
    "96 px": ("inputs.size=96",),
    "decay": ("optimizer.weight_decay=0.2",),
    "sharpness": ("optimizer.sam_rho=0.05",),
}
"""Settings that each is made of, on top of the default recipe."""


@dataclass(frozen=True)
class Stage:
    """Where the benchmark works: what is scored, and the folder of its runs."""

    proving: bool
    per_class: int
    folder: Path

    @property
    def splits(self) -> tuple[str, ...]:
        return ("val", "test") if self.proving else ("val",)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with train, validation and test")
    parser.add_argument("--per-class", type=int, default=20, help="training pictures of each class")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--try", dest="tried", action="append", metavar="NAME")
    parser.add_argument(
        "--add", action="append", default=[], metavar="NAME=SETTING,SETTING", help="a contender of your own"
    )
    parser.add_argument("--prove", action="store_true", help="score validation and test instead")
    parser.add_argument("--out", type=Path, default=Path("runs/few-pictures"))
    options, others = parser.parse_known_args()
    added = [each.partition("=") for each in options.add]
    contenders = {**CONTENDERS, **{name: tuple(settings.split(",")) for name, _, settings in added}}
    chosen = options.tried or list(contenders)
    if strange := [name for name in chosen if name not in contenders]:
        parser.error(f"there is no {', '.join(strange)}; there are: {', '.join(contenders)}")
    stage = Stage(options.prove, options.per_class, options.out / ("prove" if options.prove else "choose"))
    stage.folder.mkdir(parents=True, exist_ok=True)
    tables = [drawn(audit(options.data).dataset, stage, seed) for seed in range(options.seeds)]
    first: Predictions | None = None
    print("| recipe | accuracy | 95 % interval | of each seed | against the first | verdict | minutes |")
    print("|---|---|---|---|---|---|---|")
    for name in chosen:
        runs = [
            one_run(table, stage, name, contenders[name], seed, others) for seed, table in enumerate(tables)
        ]
        found = together([run.predictions(split) for run in runs for split in stage.splits])
        print_row(name, runs, found, first)
        first = found if first is None else first


def drawn(dataset: Dataset, stage: Stage, seed: int) -> Path:
    """A table of pictures with their splits; which are drawn depends on the seed and the pictures alone."""
    path = stage.folder / f"pictures-{seed}.csv"
    order = np.random.default_rng(seed)
    table = dataset.table.sort("id").select("path", label="target", split="split")
    train = table.filter(split="train")
    train = train.with_columns(draw=pl.Series(order.random(len(train))))
    few = pl.col("draw").rank("ordinal").over("label") <= stage.per_class
    if stage.proving:
        rows = pl.concat([train.filter(few).drop("draw"), table.filter(pl.col("split") != "train")])
    else:
        rows = train.with_columns(split=pl.when(few).then(pl.lit("train")).otherwise(pl.lit("val"))).drop(
            "draw"
        )
    images = [os.path.relpath(dataset.file(each), stage.folder) for each in rows["path"]]
    rows.select(pl.Series("image", images), "label", "split").write_csv(path)
    return path


def one_run(
    table: Path, stage: Stage, name: str, settings: tuple[str, ...], seed: int, others: list[str]
) -> Run:
    """The finished run of one recipe and seed, made now or earlier."""
    path = stage.folder / f"{name.replace(' ', '-')}-{seed}"
    if path.exists() and Run.open(path).info["state"] == "complete":
        return Run.open(path)
    command = [sys.executable, "-m", "eighteen", "train"]
    if path.exists():
        command += ["--resume", str(path)]
    else:
        command += [str(table), "--out", str(path), "--seed", str(seed), *others]
        given = ("model.weights=none", "training.select_by=last", "data.allow_outside=true", *settings)
        command += [part for setting in given for part in ("--set", setting)]
        command += ["--test"] if stage.proving else []
    subprocess.run(command, check=True, stdout=sys.stderr)
    return Run.open(path)


def print_row(name: str, runs: list[Run], found: Predictions, first: Predictions | None) -> None:
    each = [
        float(value)
        for value in found.rows.group_by("seed", maintain_order=True).agg(
            right=(pl.col("target") == pl.col("predicted")).mean()
        )["right"]
    ]
    accuracy = measure(found, "held out")["accuracy"]
    spread = f" ± {stdev(each):.4f}" if len(each) > 1 else ""
    cells = [name, f"{mean(each):.4f}{spread}", f"{accuracy.low:.4f} … {accuracy.high:.4f}"]
    cells.append(" ".join(f"{value:.4f}" for value in each))
    if first is None:
        cells += ["", ""]
    else:
        compared = compare(first, found)
        gain = compared.difference
        cells += [f"{gain.value:+.4f} ({gain.low:+.4f} … {gain.high:+.4f})", compared.verdict]
    seconds = mean(sum(stage["seconds"] for stage in run.info["stages"]) for run in runs)
    print(f"| {' | '.join(cells)} | {seconds / 60:.1f} |", flush=True)


if __name__ == "__main__":
    main()
