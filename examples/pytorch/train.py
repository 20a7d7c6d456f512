"""A folder of labelled pictures, ResNet-18, plain PyTorch and torchvision.

    python examples/pytorch/train.py eighteen-demo/digits

One sub-folder a class. 70 % of the pictures train, 15 % choose the epoch, 15 % are asked once at the end.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision.models import resnet18
from torchvision.transforms import v2


class Pictures(Dataset):
    """The files of a folder that can be read, each with its class."""

    def __init__(self, folder: Path, size_px: int) -> None:
        self.classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
        found = [
            (path, label)
            for label, name in enumerate(self.classes)
            for path in sorted((folder / name).iterdir())
        ]
        self.rows = [row for row in found if readable(row[0])]
        self.unreadable = len(found) - len(self.rows)
        self.prepare = v2.Compose(
            [
                v2.ToImage(),
                v2.Resize((size_px, size_px), antialias=True),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([0.5] * 3, [0.25] * 3),
            ]
        )

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        path, label = self.rows[row]
        with Image.open(path) as picture:
            return self.prepare(picture.convert("RGB")), label


def readable(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            picture.load()
    except (OSError, SyntaxError) as error:
        print(f"left out {path}: {error}")
        return False
    return True


def split(n: int, seed: int) -> tuple[list[int], list[int], list[int]]:
    order = np.random.default_rng(seed).permutation(n).tolist()
    first, second = int(0.7 * n), int(0.85 * n)
    return order[:first], order[first:second], order[second:]


def build(classes: int) -> nn.Module:
    """torchvision's, with a stem for small pictures."""
    network = resnet18(num_classes=classes)
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    return network


def count_correct(network: nn.Module, batches: DataLoader) -> int:
    network.eval()
    with torch.no_grad():
        return sum(int((network(images).argmax(1) == labels).sum()) for images, labels in batches)


def interval(correct: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    share, scale = correct / n, 1 + z * z / n
    middle, half = share + z * z / (2 * n), z * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return (middle - half) / scale, (middle + half) / scale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--size", type=int, default=8, help="side of the pictures, pixels")
    parser.add_argument("--out", type=Path, default=Path("digits.safetensors"))
    asked = parser.parse_args()

    torch.manual_seed(0)
    pictures = Pictures(asked.folder, asked.size)
    train, val, test = (Subset(pictures, rows) for rows in split(len(pictures), seed=0))
    train_batches = DataLoader(train, batch_size=64, shuffle=True, drop_last=len(train) > 64)
    val_batches, test_batches = DataLoader(val, batch_size=256), DataLoader(test, batch_size=256)

    network = build(len(pictures.classes))
    optimizer = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, asked.epochs * len(train_batches))
    best, kept = -1, {}
    for epoch in range(asked.epochs):
        network.train()
        for images, labels in train_batches:
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images), labels).backward()
            optimizer.step()
            schedule.step()
        correct = count_correct(network, val_batches)
        print(f"epoch {epoch + 1}: val accuracy {correct / len(val):.4f}")
        if correct > best:
            best, kept = correct, {name: value.clone() for name, value in network.state_dict().items()}

    network.load_state_dict(kept)
    correct = count_correct(network, test_batches)
    low, high = interval(correct, len(test))
    print(f"test: accuracy {correct / len(test):.4f} [{low:.4f}, {high:.4f}], n = {len(test)}")
    save_file(kept, asked.out, {"classes": json.dumps(pictures.classes), "size": str(asked.size)})


if __name__ == "__main__":
    main()
