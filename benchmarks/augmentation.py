"""Pictures per second of augmentation: `python benchmarks/augmentation.py [PAIRS] [--kornia PYTHON]`.

The same recipe (random resized crop, flip, rotation, brightness, contrast, saturation, erasing; and with
TrivialAugment Wide on top; black around pictures) three ways: fused over a batch, torchvision v2 a picture
at a time, as its loaders do, and kornia over a batch. Each contender is timed in turn in a process of its own
with one thread, PAIRS times over (default 5), by processor time; the ratio is the median over those pairs:
other work on the machine then hits all alike. The second table compares the statistics of what comes out on
smooth pictures. kornia is no dependency: give the Python of an environment that has it beside torch.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES = ((256, 224, 32), (32, 32, 256))
"""Side of the stored pictures, side of the result, pictures a batch."""
SECONDS = 1.5
"""How long each turn lasts at least, of processor time."""

Augment = Callable[[torch.Tensor], torch.Tensor]


def scenes(count: int, side_px: int) -> torch.Tensor:
    """Smooth pictures, uint8 `[count, 3, S, S]`: noise enlarged from 8 px, as even as photographs."""
    torch.manual_seed(0)
    coarse = torch.rand(count, 3, 8, 8)
    fine = torch.nn.functional.interpolate(coarse, (side_px, side_px), mode="bicubic").clamp(0, 1)
    return (fine * 255).round().to(torch.uint8)


def fused(size_px: int, count: int, policy: bool) -> Augment:
    from eighteen.augmenting.batch import BatchAugmenter
    from eighteen.augmenting.draws import image_keys
    from eighteen.augmenting.settings import AugmentSettings

    settings = AugmentSettings(
        crop="resized", horizontal_flip=0.5, rotation_degrees=10, erasing=0.25,
        erasing_area_max=0.33, brightness=0.2, contrast=0.2, saturation=0.2,
        policy="trivial" if policy else "none", fill="background",
    )  # fmt: skip
    augmenter = BatchAugmenter(settings, size_px, MEAN, STD, background=(0.0, 0.0, 0.0))
    aspects = torch.ones(count)
    keys, epochs = image_keys([str(number) for number in range(count)]), iter(range(10**9))
    return lambda pixels: augmenter(pixels, aspects, keys, 0, next(epochs))


def torchvision(size_px: int, count: int, policy: bool) -> Augment:
    from torchvision.transforms import v2

    bilinear = v2.InterpolationMode.BILINEAR
    steps = [
        v2.RandomResizedCrop(size_px, scale=(0.35, 1), antialias=True),
        v2.RandomHorizontalFlip(),
        *([v2.TrivialAugmentWide(interpolation=bilinear)] if policy else []),
        v2.RandomRotation(10, interpolation=bilinear),
        v2.ColorJitter(0.2, 0.2, 0.2),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(MEAN, STD),
        v2.RandomErasing(0.25),
    ]
    whole = v2.Compose(steps)
    return lambda pixels: torch.stack([whole(picture) for picture in pixels])


def kornia(size_px: int, count: int, policy: bool) -> Augment:
    import kornia.augmentation as K

    steps = [
        K.RandomResizedCrop((size_px, size_px), scale=(0.35, 1), ratio=(3 / 4, 4 / 3)),
        K.RandomHorizontalFlip(),
        *([K.auto.TrivialAugment()] if policy else []),
        K.RandomRotation(10.0, p=1.0),
        K.ColorJitter(0.2, 0.2, 0.2, 0.0, p=1.0),
        K.Normalize(torch.tensor(MEAN), torch.tensor(STD)),
        K.RandomErasing(scale=(0.02, 0.33), p=0.25),
    ]
    whole = torch.nn.Sequential(*steps)
    return lambda pixels: whole(pixels.float() / 255)


WAYS: dict[str, Callable[[int, int, bool], Augment]] = {
    "fused": fused,
    "torchvision": torchvision,
    "kornia": kornia,
}


def one(name: str) -> None:
    """Rates and statistics of one contender, as JSON."""
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for stored, size, count in SIZES:
        pixels = scenes(count, stored)
        for policy in (False, True):
            augment = WAYS[name](size, count, policy)
            torch.manual_seed(1)
            made = [augment(pixels)]
            start, pictures = time.process_time(), 0
            while pictures < 512 or time.process_time() - start < SECONDS:
                made = [*made[-(512 // count) :], augment(pixels)]
                pictures += count
            rate = pictures / (time.process_time() - start)
            last = torch.cat(made[-(1 + 512 // count) :])
            mean, std = last.mean((0, 2, 3)), last.std((0, 2, 3))
            case = f"{size} px" + (", TrivialAugment" if policy else "")
            found[case] = {"rate": rate, "mean": mean.tolist(), "std": std.tolist()}
    print(json.dumps(found))


def main(pairs: int, kornia_python: str | None) -> None:
    pythons = {"fused": sys.executable, "torchvision": sys.executable}
    if kornia_python:
        pythons["kornia"] = kornia_python
    rounds: list[dict[str, Any]] = []
    for number in range(pairs):
        turn = {}
        for name, python in pythons.items():
            command = [python, __file__, "--one", name]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            turn[name] = json.loads(done.stdout.splitlines()[-1])
            print(f"round {number + 1}: {name}", file=sys.stderr)
        rounds.append(turn)
    others = [name for name in pythons if name != "fused"]
    heads = [f"{name}, images/s | fused over it" for name in others]
    print("| one thread | fused, images/s | " + " | ".join(heads) + " |")
    print("|---|---|" + "---|---|" * len(others))
    cases = rounds[0]["fused"]
    for case in cases:
        cells = [case, f"{median(turn['fused'][case]['rate'] for turn in rounds):.0f}"]
        for name in others:
            ratios = [turn["fused"][case]["rate"] / turn[name][case]["rate"] for turn in rounds]
            cells += [f"{median(turn[name][case]['rate'] for turn in rounds):.0f}", f"{median(ratios):.1f}"]
        print("| " + " | ".join(cells) + " |")
    print("\n| mean and deviation a channel | " + " | ".join(pythons) + " |")
    print("|---|" + "---|" * len(pythons))
    for case in cases:
        rows = [rounds[0][name][case] for name in pythons]
        texts = [
            " ".join(f"{m:+.2f} ± {s:.2f}" for m, s in zip(r["mean"], r["std"], strict=True)) for r in rows
        ]
        print(f"| {case} | " + " | ".join(texts) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", nargs="?", type=int, default=5)
    parser.add_argument("--kornia", metavar="PYTHON", help="Python of an environment that has kornia")
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(given.one)
    else:
        main(given.pairs, given.kornia)
