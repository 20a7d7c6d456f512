"""Screening on real photographs: what is dropped, and what choosing is worth.

`python benchmarks/screen.py CLOTHING --model NAME --weights FILE --others BCCD NUCLEI SIGN_DIGITS XRAYS`

The pile is the training photos of the clothing data set and 50 planted files: broken, exact copies, near
copies, and pictures of other things (folders of `--others`, and backgrounds cut out of the photos). It is
screened against a data set of 100 photos drawn from validation, for each seed another draw. 300 photos are
chosen by each method; a linear head on frozen features is fitted on the 100 and the 300 and scored on photos
that take no part: the test split and the half of validation that nothing is drawn from. Each method is
compared with chance over the seeds, paired by picture; intervals resample whole senders.

The pile, the data sets and every answer are stored in `--out` and not made again.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image, ImageOps

from eighteen import Dataset, Recipe
from eighteen.api import read, screen
from eighteen.auditing.scan import scan
from eighteen.core.calibration import Calibration
from eighteen.core.inputs import load_image
from eighteen.core.predictions import Predictions
from eighteen.core.progress import silent
from eighteen.measuring.paired import compare
from eighteen.measuring.unknown import auroc_unknown
from eighteen.screening.by_network import NetworkLook
from eighteen.screening.choosing import Method
from eighteen.screening.screen import Screened, Wish
from eighteen.training.head import fit_head

METHODS: tuple[Method, ...] = ("random", "varied", "uncertain", "mixed")
N, LABELLED = 300, 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clothing", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--others", type=Path, nargs="+", required=True, help="folders of other pictures")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--limit", type=int, default=None, help="photos of the pile; all where not given")
    parser.add_argument("--out", type=Path, default=Path("runs/screen"))
    options = parser.parse_args()
    planted = plant(options)
    print_dropped(options, planted)
    print_choices(options)


# The pile


def plant(options: argparse.Namespace) -> dict[str, list[str]]:
    """Makes pile and data set once; gives the planted files of each kind."""
    pile = options.out / "pile"
    if not pile.exists():
        staging = options.out / "pile.part"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        photos = sorted((options.clothing / "train").rglob("*.jpg"))
        photos.sort(key=lambda path: hashlib.sha256(path.name.encode()).hexdigest())
        photos = photos[: options.limit]
        for photo in photos:
            shutil.copy(photo, staging / photo.name)
        _plant_broken(staging / "broken", photos)
        known = sorted((options.clothing / "validation").rglob("*.jpg"))
        _plant_copies(staging, photos, known)
        _plant_others(staging / "other", options.others, photos)
        staging.rename(pile)
    kinds = ("broken", "copy", "near", "other")
    return {kind: sorted(str(path) for path in (pile / kind).rglob("*") if path.is_file()) for kind in kinds}


def _plant_broken(folder: Path, photos: list[Path]) -> None:
    folder.mkdir()
    whole = [photo.read_bytes() for photo in photos[:4]]
    png = io.BytesIO()
    Image.open(photos[4]).save(png, "PNG")
    contents = {
        "half.jpg": whole[0][: len(whole[0]) // 2],
        "tenth.jpg": whole[1][: len(whole[1]) // 10],
        "head.jpg": whole[2][:300],
        "cut.png": png.getvalue()[: len(png.getvalue()) * 2 // 3],
        "empty.jpg": b"",
        "byte.jpg": b"\xff",
        "page.jpg": b"<html><body>404 Not Found</body></html>",
        "text.jpg": b"a note that was renamed by mistake\n" * 20,
        "noise.jpg": np.random.default_rng(0).bytes(5000),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    Image.new("RGB", (400, 533), (12, 12, 12)).save(folder / "black.jpg")


def _plant_copies(pile: Path, photos: list[Path], known: list[Path]) -> None:
    """8 exact and 7 near copies, of photos of the pile and of the data set."""
    (pile / "copy").mkdir()
    (pile / "near").mkdir()
    for number, source in enumerate([*photos[10:13], *known[:2]]):
        shutil.copy(source, pile / "copy" / f"bytes-{number}.jpg")
    for number, source in enumerate([*photos[13:15], known[2]]):
        Image.fromarray(load_image(source)).save(pile / "copy" / f"pixels-{number}.png")
    sources = [*photos[20:24], *known[3:6]]
    for source, (name, change) in zip(sources, NEAR.items(), strict=True):
        quality = 40 if name == "recompressed" else 85
        change(Image.open(source).convert("RGB")).save(pile / "near" / f"{name}.jpg", quality=quality)


def _middle(picture: Image.Image) -> Image.Image:
    """Without 2.5 % at each side."""
    across, down = picture.width // 40, picture.height // 40
    return picture.crop((across, down, picture.width - across, picture.height - down))


NEAR: dict[str, Callable[[Image.Image], Image.Image]] = {
    "resized": lambda picture: picture.resize((picture.width // 2, picture.height // 2)),
    "recompressed": lambda picture: picture,
    "cropped": _middle,
    "mirrored": ImageOps.mirror,
    "brighter": lambda picture: picture.point(lambda value: min(255, value + 25)),
    "framed": lambda picture: ImageOps.expand(picture, 8, (255, 255, 255)),
    "turned": lambda picture: picture.rotate(2, Image.Resampling.BICUBIC),
}


def _plant_others(folder: Path, others: list[Path], photos: list[Path]) -> None:
    """5 pictures of each of four other data sets, and 5 backgrounds: corners of photos, a quarter as wide."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    for place in others:
        found = sorted(path for path in place.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        for path in generator.choice(np.array(found, object), 20 // len(others), replace=False):
            name = f"{place.parent.name if place.name in ('images', 'train') else place.name}-{path.name}"
            shutil.copy(path, folder / name)
    for photo in photos[40:45]:
        picture = Image.open(photo).convert("RGB")
        side = min(picture.size) // 4
        picture.crop((0, 0, side, side)).resize((4 * side, 4 * side)).save(
            folder / f"background-{photo.name}"
        )


# What is dropped


def print_dropped(options: argparse.Namespace, planted: dict[str, list[str]]) -> None:
    """How each planted kind was decided, against all photos of validation."""
    known = photos_of(options)
    found = screened(options, known.subset("val"), "random", 0)
    decided = dict(found.table.select("path", "decision").iter_rows())
    expected = {"broken": "broken", "copy": "duplicate", "near": "near_duplicate", "other": "off_topic"}
    print("| planted | files | dropped for what they are | others |\n|---|---|---|---|")
    for kind, paths in planted.items():
        right = [path for path in paths if _dropped(found.table, path, expected[kind])]
        rest = ", ".join(f"{Path(path).name}: {decided[path]}" for path in paths if path not in right)
        print(f"| {kind} | {len(paths)} | {len(right)} | {rest} |")
    scores = dict(found.table.drop_nulls("off_topic").select("path", "off_topic").iter_rows())
    rubbish = {path for paths in planted.values() for path in paths}
    other = np.array([score for path, score in scores.items() if path in planted["other"]])
    photos = np.array([score for path, score in scores.items() if path not in rubbish])
    print(f"\noff-topic AUROC {auroc_unknown(photos, other)}")
    print(f"photos called off topic: {(photos > 1).sum()} of {len(photos)}; in all {found.counts}")


def _dropped(table: pl.DataFrame, path: str, expected: str) -> bool:
    """Whether a planted file went, or stays in place of the photo that it is a copy of."""
    about = (pl.col("path") == path) | (pl.col("duplicate_of") == path)
    return bool(table.filter(about & (pl.col("decision") == expected)).height)


def screened(options: argparse.Namespace, known: Dataset, method: Method, seed: int) -> Screened:
    """The pile screened against photos that are all for training."""
    labelled = known.with_columns(split=["train"] * len(known))
    wish = Wish(N, method, seed=seed)
    return screen(options.out / "pile", labelled, wish=wish, model=options.model, weights=options.weights)


def photos_of(options: argparse.Namespace) -> Dataset:
    recipe = Recipe().changed(data={"group_column": "sender_id"})
    return scan(read(options.clothing, recipe))


# What choosing is worth


def print_choices(options: argparse.Namespace) -> None:
    """Accuracy of a head on 100 labelled and 300 chosen photos, each method against chance."""
    photos, look = photos_of(options), NetworkLook.of_weights(options.model, options.weights)
    answers: dict[Method, list[Predictions]] = {method: [] for method in METHODS}
    for seed in range(options.seeds):
        for method in METHODS:
            answers[method].append(answer(options, photos, look, method, seed))
    print("\n| chosen by | accuracy, mean of seeds | of each seed | against chance, points | 95 % interval |")
    print("|---|---|---|---|---|")
    for method, several in answers.items():
        each = [float((one.rows["predicted"] == one.rows["target"]).mean()) for one in several]
        line = f"| {method} | {np.mean(each):.4f} | {' '.join(f'{value:.3f}' for value in each)} |"
        if method == "random":
            print(f"{line} | |")
            continue
        found = compare(answers["random"], several).difference
        print(f"{line} {100 * found.value:+.1f} | {100 * found.low:+.1f} … {100 * found.high:+.1f} |")
    first = answers["random"][0]
    print(f"\nn = {len(first)} photos of {first.rows['group'].n_unique()} senders, {options.seeds} seeds")


def answer(
    options: argparse.Namespace, photos: Dataset, look: NetworkLook, method: Method, seed: int
) -> Predictions:
    """What the head says of the photos that take no part, stored once it is known."""
    stored = options.out / "answers" / f"{method}-{seed}.parquet"
    labelled, unseen = parts(photos, seed)
    if not stored.exists():
        found = screened(options, labelled, method, seed)
        chosen = labels_of(found, photos)
        known = look(labelled, silent).vectors, labelled.class_index()
        new = look(chosen, silent).vectors, chosen.class_index()
        rows, targets = (np.concatenate(pair) for pair in zip(known, new, strict=True))
        head = fit_head([rows], targets, np.zeros(len(targets), np.int64), len(photos.class_names))
        logits = head.logits(look(unseen, silent).vectors)
        stored.parent.mkdir(exist_ok=True)
        pl.DataFrame({"id": unseen.ids, "logits": logits}).write_parquet(stored)
        print(f"{method}, seed {seed}: {len(chosen)} of {found.counts['chosen']} have a label", flush=True)
    logits = pl.read_parquet(stored)["logits"].to_numpy().astype(np.float32)
    columns = unseen.table.select("id", "path", "target", "split", "group").with_columns(
        predicted=pl.lit(""), score=pl.lit(0.0), fold=pl.lit(-1, pl.Int64()), seed=pl.lit(seed, pl.Int64())
    )
    raw = Predictions(columns, {"logits": logits}, photos.class_names, len(columns))
    return raw.calibrated(Calibration())


def parts(photos: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """100 photos drawn from one half of validation; the other half with the test split."""
    validation = photos.subset("val").table
    half = np.array([int(name[:8], 16) % 2 for name in validation["sha256"]]) == 0
    drawn = np.random.default_rng(seed).choice(np.flatnonzero(half), LABELLED, replace=False)
    unseen = pl.concat([validation.filter(~half), photos.subset("test").table])
    return photos.with_table(validation[np.sort(drawn)]), photos.with_table(unseen)


def labels_of(found: Screened, photos: Dataset) -> Dataset:
    """The chosen photos with the labels that a person would give; what shows no clothing has none."""
    by_name = {Path(path).name: row for row, path in enumerate(photos.table["path"])}
    twins = {twin: path for path, twin in found.rows("duplicate").select("path", "duplicate_of").iter_rows()}
    twins |= {
        twin: path for path, twin in found.rows("near_duplicate").select("path", "duplicate_of").iter_rows()
    }
    names = [Path(path).name for path in found.rows("chosen")["path"]]
    others = [Path(twins.get(path, path)).name for path in found.rows("chosen")["path"]]
    rows = [by_name.get(name, by_name.get(other)) for name, other in zip(names, others, strict=True)]
    return photos.with_table(photos.table[sorted({row for row in rows if row is not None})])


if __name__ == "__main__":
    main()
