"""A folder of labelled pictures, ResNet-18, plain Keras 3 on any backend.

    KERAS_BACKEND=torch python examples/keras/train.py eighteen-demo/digits

One sub-folder a class. 70 % of the pictures train, 15 % choose the epoch, 15 % are asked once at the end.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from keras import layers
from PIL import Image


def find(folder: Path) -> tuple[list[Path], list[int], list[str]]:
    """Files that can be read, their labels, and the classes."""
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    found = [
        (path, label) for label, name in enumerate(classes) for path in sorted((folder / name).iterdir())
    ]
    rows = [row for row in found if readable(row[0])]
    return [path for path, _ in rows], [label for _, label in rows], classes


def readable(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            picture.load()
    except (OSError, SyntaxError) as error:
        print(f"left out {path}: {error}")
        return False
    return True


class Batches(keras.utils.PyDataset):
    """Pictures read as they are needed, as bytes `[B, size, size, 3]`, with their labels."""

    def __init__(self, paths: list[Path], labels: list[int], size_px: int, shuffle: bool) -> None:
        super().__init__()
        self.paths, self.labels, self.size_px, self.shuffle = paths, np.array(labels), size_px, shuffle
        self.order = np.arange(len(paths))
        self.random = np.random.default_rng(0)
        self.on_epoch_end()

    def __len__(self) -> int:
        return (len(self.paths) + 63) // 64

    def __getitem__(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.order[64 * batch : 64 * (batch + 1)]
        return np.stack([self.read(self.paths[row]) for row in rows]), self.labels[rows]

    def read(self, path: Path) -> np.ndarray:
        with Image.open(path) as picture:
            rgb = picture.convert("RGB")
            return np.asarray(rgb.resize((self.size_px, self.size_px), Image.Resampling.BILINEAR))

    def on_epoch_end(self) -> None:
        if self.shuffle:
            self.random.shuffle(self.order)


def build(classes: int, size_px: int) -> keras.Model:
    """ResNet-18 with a stem for small pictures; it takes bytes and gives logits."""
    image = keras.Input((size_px, size_px, 3))
    x = layers.Rescaling(1 / 63.75, -2.0)(image)  # 0..255, less 127.5, over 63.75
    x = convolution(x, 64, 3, 1)
    for channels, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        x = block(x, channels, stride)
    return keras.Model(image, layers.Dense(classes)(layers.GlobalAveragePooling2D()(x)))


def convolution(x, channels: int, window: int, stride: int, relu: bool = True):
    x = layers.Conv2D(
        channels, window, stride, padding="same", use_bias=False, kernel_initializer="he_normal"
    )(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
    return layers.ReLU()(x) if relu else x


def block(x, channels: int, stride: int):
    """Two convolutions, and the input added to what they made."""
    same = stride == 1 and x.shape[-1] == channels
    shortcut = x if same else convolution(x, channels, 1, stride, relu=False)
    y = convolution(convolution(x, channels, 3, stride), channels, 3, 1, relu=False)
    return layers.ReLU()(layers.Add()([y, shortcut]))


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
    parser.add_argument("--out", type=Path, default=Path("digits.keras"))
    asked = parser.parse_args()

    keras.utils.set_random_seed(0)
    paths, labels, classes = find(asked.folder)
    order = np.random.default_rng(0).permutation(len(paths))
    parts = np.split(order, [int(0.7 * len(order)), int(0.85 * len(order))])
    train, val, test = (
        Batches([paths[row] for row in part], [labels[row] for row in part], asked.size, shuffle=number == 0)
        for number, part in enumerate(parts)
    )

    model = build(len(classes), asked.size)
    rate = keras.optimizers.schedules.CosineDecay(0.05, asked.epochs * len(train))
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=5e-4),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    best = keras.callbacks.ModelCheckpoint(asked.out, "val_accuracy", save_best_only=True, mode="max")
    model.fit(train, validation_data=val, epochs=asked.epochs, callbacks=[best], verbose=2)

    model = keras.saving.load_model(asked.out)
    n = len(test.paths)
    correct = round(model.evaluate(test, verbose=0)[1] * n)
    low, high = interval(correct, n)
    print(f"test: accuracy {correct / n:.4f} [{low:.4f}, {high:.4f}], n = {n}")


if __name__ == "__main__":
    main()
