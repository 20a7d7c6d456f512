"""What each practice brings: `python benchmarks/practices.py DATA … --weights FILE --out runs/practices`.

`DATA` are folders named as in `SIZES`. The network is so narrow, the pictures so small and the trainings so
short that all of it fits ninety minutes of one slow core; what is told is about that size. A folder's test
split takes no part. The other pictures are dealt into folds: some of one fold are learned, those of the rest
are held out, the same for every training. A practice is a pair of trainings that differ in it alone, with the
same seeds; the pair is judged by the project's own `compare`, over seeds and pictures.

Every training is a run below `--out`. Kill it and call it again: finished ones are read, an interrupted one
goes on. `--table` trains nothing and prints the tables of what is there; `--page docs/practices.md` writes
them into that page.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image
from practices_tables import judged_all, tables, write_page

from eighteen import Dataset, audit
from eighteen.auditing.label_errors import suspect
from eighteen.core.config import load_recipe
from eighteen.core.errors import Interrupted
from eighteen.core.pixels import decode
from eighteen.core.predictions import Predictions, softmax
from eighteen.core.progress import silent
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.evaluating.finishing import finish
from eighteen.evaluating.heldout import outside_test, together, with_seed
from eighteen.inference.predictor import Predictor
from eighteen.inference.scoring import Scorer
from eighteen.splitting import folds
from eighteen.training import fitting, planning
from eighteen.training.frozen import frozen_features, frozen_reader, score_others, score_out_of_fold

WIDTH, SIDE_PX, STORED_PX, FEATURES_PX = 0.25, 32, 96, 96
FLIPPED, TAIL = 0.2, 10


@dataclass(frozen=True)
class Size:
    """How many pictures are learned and held out, and for how long.

    Attributes:
        folds: one of so many is learned from.
        a_class: training pictures of each class; 0 takes the fold as it is.
        held: most pictures that are held out.
        epochs: of each training.
        group: column whose equal values stay on one side.
    """

    folds: int
    a_class: int
    held: int
    epochs: int
    group: str = ""


SIZES = {
    "sign-digits": Size(folds=4, a_class=20, held=1000, epochs=30),
    "clothing": Size(folds=2, a_class=0, held=1000, epochs=12, group="sender_id"),
    "cifar10": Size(folds=10, a_class=150, held=2000, epochs=10),
}

PLAIN_34 = {"model.blocks": "[3,4,6,3]", "model.shortcut": "false"}
UNCROPPED = {"augment.crop": "none", "augment.zoom_fraction": "0", "augment.horizontal_flip": "0"}

VARIANTS: dict[str, tuple[str, dict[str, str]]] = {
    "base": ("all", {}),
    "uncropped": ("all", UNCROPPED),
    "half": ("half", {}),
    "plain-18": ("all", {"model.shortcut": "false"}),
    "plain-34": ("all", PLAIN_34),
    "resnet-34": ("all", {"model.blocks": "[3,4,6,3]"}),
    "sgd": ("all", {"optimizer.name": "sgd"}),
    "nesterov": ("all", {"optimizer.name": "nesterov"}),
    "adamw": ("all", {"optimizer.name": "adamw"}),
    "rmsprop": ("all", {"optimizer.name": "rmsprop"}),
    "constant": ("all", {"schedule.name": "constant"}),
    "unsmoothed": ("all", {"loss.label_smoothing": "0"}),
    "undecayed": ("all", {"optimizer.weight_decay": "0"}),
    "raw": ("all", {"training.ema_decay": "0"}),
    "mixup": ("all", {"augment.mixup_alpha": "0.2"}),
    "cutmix": ("all", {"augment.cutmix_alpha": "1"}),
    "flipped": ("flipped", {}),
    "cleaned": ("cleaned", {}),
    "tail": ("tail", {}),
    "tail-weights": ("tail", {"loss.class_weights": "balanced"}),
    "tail-sampling": ("tail", {"training.sampling": "balanced"}),
    "tail-focal": ("tail", {"loss.name": "focal"}),
    "erasing": ("all", {"augment.erasing": "0.25"}),
    "drop-path": ("all", {"model.drop_path": "0.1"}),
    "taught": ("all", {"training.teacher": "runs"}),
    "taught-half": ("all", {"training.teacher": "runs", "training.teacher_weight": "0.5"}),
    "taught-hot": ("all", {"training.teacher": "runs", "training.teacher_temperature": "4"}),
    "taught-plain": ("all", {"training.teacher": "runs", "training.teacher_temperature": "1"}),
}
"""Name: which pictures are learned, and settings. Two more, `mirrored` and `frozen`, train nothing."""

RELATIVES = ("resnet18d", "resnext50_32x4d", "wide_resnet50_2")
"""Trained once, on the first set alone, to see that they learn."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--weights", help="file of tf_efficientnet_lite0, for features")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[], help="names of variants")
    parser.add_argument("--relatives", action="store_true", help="train relatives of ResNet-18 as well")
    parser.add_argument("--epochs", type=int, help="instead of the usual number")
    parser.add_argument("--out", type=Path, default=Path("runs/practices"))
    parser.add_argument("--table", action="store_true", help="train nothing")
    parser.add_argument("--page", type=Path, help="page that takes the tables between its marks")
    options = parser.parse_args()
    places = [Place(data, options) for data in options.data]
    if not options.table:
        for name in [name for name in VARIANTS if name in (options.only or VARIANTS)]:
            for seed in range(options.seeds):
                for place in places:
                    place.make(name, seed)
        for name in RELATIVES if options.relatives else ():
            places[0].make(name, 0)
    found = judged_all([(place.name, place.said) for place in places])
    names = [place.name for place in places]
    print(f"\n{tables(found, names)}")
    if options.page:
        write_page(options.page, found, names)


class Place:
    """One data set: what is learned, what is held out, and its runs."""

    def __init__(self, data: Path, options: argparse.Namespace) -> None:
        self.size = SIZES[data.name]
        self.size = replace(self.size, epochs=options.epochs or self.size.epochs)
        self.data, self.name, self.weights = data, data.name, options.weights
        # Trainings of another length are kept apart: what is compared must be alike.
        self.out = options.out / (f"{data.name}-{options.epochs}" if options.epochs else data.name)

    @cached_property
    def known(self) -> tuple[Dataset, Dataset]:
        """The pictures to learn from, and those held out."""
        settings = [f"data.group_column={self.size.group}"] if self.size.group else []
        whole = outside_test(audit(self.data, load_recipe(None, settings)).dataset)
        chosen = folds(whole, self.size.folds) == 0
        hashed = whole.table.with_row_index("_row").sort("sha256", "id")
        learned = hashed.filter(pl.Series(chosen[hashed["_row"].to_numpy()]))
        held = hashed.filter(pl.Series(~chosen[hashed["_row"].to_numpy()])).head(self.size.held)
        if self.size.a_class:
            learned = learned.group_by("target", maintain_order=True).head(self.size.a_class)
        learned = learned.select(whole.table.columns).with_columns(split=pl.lit("train"))
        return self._shrunk(whole.with_table(learned)), self._shrunk(whole.with_table(held.drop("_row")))

    def _shrunk(self, dataset: Dataset) -> Dataset:
        """The data set over copies of its pictures of `STORED_PX`, which are decoded in no time."""
        if dataset.table.select(pl.min_horizontal("width", "height").median()).item() <= 2 * STORED_PX:
            return dataset
        root, sides = self.out / "pictures", []
        for path, digest in dataset.table.select("path", "sha256").iter_rows():
            copy = root / f"{digest}.png"
            if not copy.exists():
                root.mkdir(parents=True, exist_ok=True)
                picture = Image.fromarray(decode(dataset.file(path)).pixels).convert("RGB")
                scale = STORED_PX / min(picture.size)
                small = [round(scale * side) for side in picture.size]
                picture.resize(small, Image.Resampling.BOX).save(copy)
            with Image.open(copy) as opened:
                sides.append(opened.size)
        table = dataset.table.with_columns(
            path=pl.col("sha256") + ".png",
            width=pl.Series([w for w, _ in sides]),
            height=pl.Series([h for _, h in sides]),
        )
        return replace(dataset, root=root.absolute(), table=table)

    @cached_property
    def features(self) -> tuple[np.ndarray, np.ndarray]:
        """Frozen features of both."""
        settings = ["model.name=tf_efficientnet_lite0", f"model.weights={self.weights}"]
        learned, held = self.known
        reader = frozen_reader(learned, load_recipe(None, [*settings, f"inputs.size={FEATURES_PX}"]))
        return frozen_features(reader, learned), frozen_features(reader, held)

    def learned(self, kind: str) -> Dataset:
        """The pictures to learn from, changed as a variant wants it."""
        learned = self.known[0]
        if kind == "half":
            return learned.with_table(_first_of_each(learned.table, lambda _, count: -(-count // 2)))
        if kind == "tail":
            classes = len(learned.class_names)
            place = {name: k for k, name in enumerate(learned.class_names)}
            share = [TAIL ** (-k / (classes - 1)) for k in range(classes)]
            return learned.with_table(
                _first_of_each(learned.table, lambda name, count: max(1, round(share[place[name]] * count)))
            )
        if kind in ("flipped", "cleaned"):
            learned = _flipped(learned)
        if kind == "cleaned":
            found = score_out_of_fold(learned, self.features[0]).predictions
            named = suspect(learned.class_index(), softmax(found.arrays["logits"]))
            return learned.with_table(learned.table.filter(pl.Series(~named)))
        return learned

    def recipe(self, settings: dict[str, str], seed: int) -> Recipe:
        values: dict[str, Any] = {
            "model.weights": "none",
            "model.width": WIDTH,
            "model.stem": "imagenet",
            "inputs.size": SIDE_PX,
            "inputs.mirror_average": "false",
            "training.epochs": self.size.epochs,
            "training.batch_size": 32,
            "training.progressive_from": 1,
            "training.select_by": "last",
            "training.precision": "fp32",
            "training.channels_last": "true",
            "training.workers": 0,
            "training.device": "cpu",
        }
        given = values | settings
        if "training.teacher" in given:
            given["training.teacher"] = [str(self.path("base", seed)) for seed in range(3)]
        return with_seed(load_recipe(None, [f"{key}={value}" for key, value in given.items()]), seed)

    def path(self, name: str, seed: int) -> Path:
        return self.out / f"{name}-{seed}"

    def make(self, name: str, seed: int) -> None:
        """Trains a variant with a seed and scores what is held out, unless that is done."""
        path = self.path(name, seed)
        if not (path / "run.json").exists():
            kind, settings = VARIANTS.get(name, ("all", {"model.name": name, "model.width": "1"}))
            if kind == "cleaned" and self.weights is None:
                return
            learned = self.learned(kind)
            path.parent.mkdir(parents=True, exist_ok=True)
            plan = planning.plan(self.recipe(settings, seed), learned)
            fitting.start(plan, learned, [], pl.DataFrame(), path)
        run = Run.open(path)
        if run.info["state"] == "complete":
            return
        began = time.process_time()
        finish(run, run.dataset, (), silent)
        scorer = Predictor.open(path, "cpu")
        run.save_predictions("held_out", scorer.score(self.known[1], seed=seed))
        if name == "base":
            mirrored = run.inputs.model_copy(update={"mirror_average": True})
            scorer.forward = Scorer(scorer.forward.network, mirrored, scorer.forward.device)
            run.save_predictions("mirrored", scorer.score(self.known[1], seed=seed))
        run.set_state("complete")
        print(f"{self.name} {name} seed {seed}: {time.process_time() - began:.1f} s of processor", flush=True)

    def said(self, name: str) -> Predictions | None:
        """What all finished trainings of a variant said about the pictures held out."""
        if name == "frozen":
            if self.weights is None:
                return None
            return score_others(self.known[0], self.features[0], self.known[1], self.features[1])
        kind = "mirrored" if name == "mirrored" else "held_out"
        runs = sorted(self.out.glob(f"{'base' if name == 'mirrored' else name}-[0-9]"))
        found = [Run.open(path) for path in runs]
        made = [run.predictions(kind) for run in found if run.info["state"] == "complete"]
        return together(made) if made else None


def _first_of_each(table: pl.DataFrame, count: Any) -> pl.DataFrame:
    """So many rows of each class as `count(class, rows)` says, the first ones."""
    classes = table.group_by("target", maintain_order=True)
    return pl.concat([part.head(count(name, len(part))) for (name,), part in classes])


def _flipped(dataset: Dataset) -> Dataset:
    """A share of the labels replaced by another class."""
    generator, targets = np.random.default_rng(0), dataset.class_index()
    rows = generator.permutation(len(targets))[: round(FLIPPED * len(targets))]
    classes = len(dataset.class_names)
    targets[rows] = (targets[rows] + generator.integers(1, classes, len(rows))) % classes
    return dataset.with_columns(target=[dataset.class_names[k] for k in targets])


if __name__ == "__main__":
    try:
        main()
    except Interrupted as error:
        sys.exit(f"{error}; call it again to go on")
