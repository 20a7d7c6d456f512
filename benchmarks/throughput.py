"""Images per second: `python benchmarks/throughput.py (decode|train) DATA | augment | step | small`.

Each figure is the best of some passes, because other programs can only slow one down; what is compared is
measured in turn in one process, or (`step`, `train`) in processes started in turn.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image, ImageOps

PASSES = 5
EPOCHS = 3
"""Of `train`: more than one, because all but the first find the pictures in memory."""


def best(work: Callable[[], int]) -> float:
    """Images a second of the fastest pass, after one to warm up."""
    rates = []
    for _ in range(PASSES + 1):
        start = time.perf_counter()
        images = work()
        rates.append(images / (time.perf_counter() - start))
    return max(rates[1:])


def decode(folder: Path, most: int = 400) -> None:
    """One thread: our decoder, in full and at reduced scale, against Pillow."""
    from eighteen.core.pixels import decode as ours
    from eighteen.core.pixels import decode_reduced

    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))[:most]
    contents = [path.read_bytes() for path in files]

    def pillow(content: bytes) -> object:
        return np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(content))).convert("RGB"))

    ways: dict[str, Callable[[bytes], object]] = {
        "Pillow, upright, RGB": pillow,
        "eighteen": ours,
        "eighteen, reduced to 128 px": lambda content: decode_reduced(content, 128),
    }
    print(f"| decoding {len(contents)} JPEGs, one thread | images/s |\n|---|---|")
    for name, way in ways.items():
        rate = best(lambda way=way: sum(1 for content in contents if way(content) is not None))
        print(f"| {name} | {rate:.0f} |")


def augment() -> None:
    """One thread: crop, flip, rotation, colour and erasing, against torchvision v2 a picture at a time."""
    from torchvision.transforms import v2

    from eighteen.augmenting.batch import BatchAugmenter
    from eighteen.augmenting.draws import image_keys
    from eighteen.augmenting.settings import AugmentSettings

    torch.set_num_threads(1)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    print("| all augmentations, one thread | eighteen, images/s | torchvision v2, images/s | ratio |")
    print("|---|---|---|---|")
    for stored, size, batch in ((32, 32, 256), (256, 224, 32)):
        pixels = torch.randint(0, 256, (batch, 3, stored, stored), dtype=torch.uint8)
        settings = AugmentSettings(
            crop="resized", horizontal_flip=0.5, rotation_degrees=10, erasing=0.25,
            erasing_area_max=0.33, brightness=0.2, contrast=0.2, saturation=0.2,
        )  # fmt: skip
        augmenter = BatchAugmenter(settings, size, mean, std)
        keys, aspects = image_keys([str(k) for k in range(batch)]), torch.ones(batch)
        per_image = v2.Compose(
            [
                v2.RandomResizedCrop(size, scale=(0.35, 1), antialias=True),
                v2.RandomHorizontalFlip(),
                v2.RandomRotation(10, interpolation=v2.InterpolationMode.BILINEAR),
                v2.ColorJitter(0.2, 0.2, 0.2),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(mean, std),
                v2.RandomErasing(0.25),
            ]
        )
        ours = best(lambda: len(augmenter(pixels, aspects, keys, 0, 0)))  # noqa: B023 - run at once
        theirs = best(lambda: len([per_image(picture) for picture in pixels]))  # noqa: B023 - run at once
        print(f"| {stored} to {size} px | {ours:.0f} | {theirs:.0f} | {ours / theirs:.1f} |")


def step() -> None:
    """ResNet-18 at 224 px, batch 32, a constant batch: plain, and what training makes of it, in turn."""
    rates: dict[str, list[float]] = {name: [] for name in ("plain", "layout", "bf16", "memory", "products")}
    for _ in range(3):
        for name, found in rates.items():
            command = [sys.executable, __file__, "one-step", name]
            found.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    words = {
        "plain": "fp32",
        "layout": "fp32, channels_last",
        "bf16": "bf16, channels_last",
        "memory": "bf16, channels_last, freed memory kept",
        "products": "the same, small maps by products where there is AMX",
    }
    print("| ResNet-18 step, 224 px, batch 32 | images/s, median of three | ratio to fp32 |\n|---|---|---|")
    plain = sorted(rates["plain"])[1]
    for name, found in rates.items():
        print(f"| {words[name]} | {sorted(found)[1]:.1f} | {sorted(found)[1] / plain:.2f} |")


def one_step(name: str) -> None:
    from eighteen.core.memory import keep_freed_memory
    from eighteen.models.resnet18 import ResNet18
    from eighteen.training.precision import Mode

    if name in ("memory", "products"):
        keep_freed_memory()
    bf16 = Mode(bf16=True, channels_last=True)
    layout = torch.contiguous_format if name == "plain" else torch.channels_last
    network = ResNet18(10).to(memory_format=layout)
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, nesterov=True, fused=True)
    images = torch.randn(32, 3, 224, 224).contiguous(memory_format=layout)
    targets = torch.arange(32) % 10

    def work() -> int:
        plain = torch.autocast("cpu", torch.bfloat16, enabled=name in ("bf16", "memory"))
        with bf16.computing(images.device) if name == "products" else plain:
            loss = torch.nn.functional.cross_entropy(network(images).float(), targets)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        return len(images)

    print(best(work))


TRAIN_WAYS = {
    "plain fp32": "plain loop: Pillow, torchvision transforms, DataLoader, fp32",
    "plain bf16": "the same in bf16, channels_last",
    "constant": "eighteen's step on one constant batch",
    "eighteen": f"eighteen, JPEG files to stored weights, {EPOCHS} epochs",
}


def train(folder: Path) -> None:
    """ResNet-18 at 224 px, batch 32, from JPEG files: five rounds, each contender once a round."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in TRAIN_WAYS}
    for number in range(5):
        for name, rows in found.items():
            command = [sys.executable, __file__, "one-train", name, str(folder)]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
            rate, memory_mb = map(float, told.split())
            rows.append((rate, memory_mb))
            print(f"round {number + 1}, {name}: {rate:.1f} images/s, {memory_mb:.0f} MB", file=sys.stderr)
    print("| ResNet-18, 224 px, batch 32 | images/s, median | peak MB | eighteen over it, median of pairs |")
    print("|---|---|---|---|")
    for name, rows in found.items():
        pairs = [mine[0] / other[0] for mine, other in zip(found["eighteen"], rows, strict=True)]
        rates, memory_mb = [row[0] for row in rows], max(row[1] for row in rows)
        print(f"| {TRAIN_WAYS[name]} | {median(rates):.1f} | {memory_mb:.0f} | {median(pairs):.2f} |")


def one_train(name: str, folder: Path) -> None:
    ways = {
        "plain fp32": lambda: plain_rate(folder, bf16=False),
        "plain bf16": lambda: plain_rate(folder, bf16=True),
        "constant": constant_rate,
        "eighteen": lambda: our_rate(folder),
    }
    rate = ways[name]()
    memory_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory_kb += resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(rate, memory_kb / 1024)


def our_rate(folder: Path) -> float:
    """A whole training through `fitting.fit`: reading every file, the epochs, and writing the weights."""
    from tempfile import TemporaryDirectory

    import polars as pl

    from eighteen import audit
    from eighteen.core.config import load_recipe
    from eighteen.training import fitting, planning

    wanted = ["model.weights=none", "inputs.size=224", "training.batch_size=32"]
    wanted += [f"training.epochs={EPOCHS}", "training.progressive_from=1.0"]
    recipe = load_recipe(None, wanted)
    dataset = audit(folder, recipe).dataset
    # Validation is left out: the other contenders do none either.
    dataset = dataset.with_table(dataset.table.filter(pl.col("split") == "train"))
    with TemporaryDirectory() as place:
        run = fitting.start(planning.plan(recipe, dataset), dataset, [], pl.DataFrame(), Path(place) / "run")
        start = time.perf_counter()
        fitting.fit(run, dataset)
        return EPOCHS * len(dataset) / (time.perf_counter() - start)


def constant_rate() -> float:
    """The mode that training chooses here, on a batch that never changes; the median over its steps."""
    from eighteen.core.memory import keep_freed_memory
    from eighteen.models.resnet18 import ResNet18
    from eighteen.training.precision import Mode

    keep_freed_memory()
    torch.manual_seed(0)
    images, targets = torch.randn(32, 3, 224, 224), torch.arange(32) % 10
    plain = make_step(ResNet18(10), bf16=True, channels_last=True)

    def step(images: torch.Tensor, targets: torch.Tensor) -> int:
        with Mode(bf16=True, channels_last=True).computing(images.device):
            return plain(images, targets)

    return median(_rate(lambda: step(images, targets)) for _ in range(30))


def plain_rate(folder: Path, *, bf16: bool) -> float:
    """Two thirds of a thousand pictures through the loop that most people write."""
    import torchvision
    from torch.utils.data import DataLoader, Subset
    from torchvision import transforms

    torch.manual_seed(0)
    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(224),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    pictures = torchvision.datasets.ImageFolder(str(folder / "train"), transform)
    loader = DataLoader(
        Subset(pictures, torch.randperm(len(pictures))[:672].tolist()), 32, shuffle=True, num_workers=2
    )
    step = make_step(torchvision.models.resnet18(num_classes=10), bf16=bf16, channels_last=bf16)
    start = time.perf_counter()
    images = sum(step(*batch) for batch in loader)
    return images / (time.perf_counter() - start)


def small(images: int = 60_000, epochs: int = 8) -> None:
    """A plain loop's step on small grey pictures, 3x3 stem: what Fashion-MNIST would take of it."""
    from eighteen.models.resnet18 import ResNet18

    torch.manual_seed(0)
    pixels, targets = torch.randn(128, 1, 28, 28), torch.arange(128) % 10
    print("| ResNet-18, 28 px, grey, batch 128 | images/s, median of 20 | 8 epochs, minutes |\n|---|---|---|")
    for bf16 in (False, True):
        step = make_step(ResNet18(10, in_channels=1, stem="small"), bf16=bf16, channels_last=bf16)
        step(pixels, targets)
        rate = median(_rate(lambda step=step: step(pixels, targets)) for _ in range(20))
        name = "bf16, channels_last" if bf16 else "fp32"
        print(f"| plain step on one batch, {name} | {rate:.0f} | {images * epochs / rate / 60:.1f} |")


def make_step(
    network: torch.nn.Module, *, bf16: bool, channels_last: bool
) -> Callable[[torch.Tensor, torch.Tensor], int]:
    """A step of plain PyTorch with SGD; gives the number of pictures."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network.to(memory_format=layout)
    optimizer = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9, nesterov=True)

    def step(images: torch.Tensor, targets: torch.Tensor) -> int:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            outputs = network(images.contiguous(memory_format=layout))
        loss = torch.nn.functional.cross_entropy(outputs.float(), targets)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        return len(images)

    return step


def _rate(work: Callable[[], int]) -> float:
    start = time.perf_counter()
    images = work()
    return images / (time.perf_counter() - start)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["decode", folder]:
            decode(Path(folder))
        case ["augment"]:
            augment()
        case ["step"]:
            step()
        case ["one-step", name]:
            one_step(name)
        case ["small"]:
            small()
        case ["train", folder]:
            train(Path(folder))
        case ["one-train", name, folder]:
            one_train(name, Path(folder))
        case _:
            sys.exit(__doc__)
