"""A folder of labelled pictures, ResNet-18, plain TensorFlow: tf.data, a training loop, a SavedModel.

    python examples/tensorflow/train.py eighteen-demo/digits

One sub-folder a class. 70 % of the pictures train, 15 % choose the epoch, 15 % are asked once at the end.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


def find(folder: Path) -> tuple[list[str], list[int], list[str]]:
    """Files that can be read, their labels, and the classes."""
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    found = [
        (str(path), label) for label, name in enumerate(classes) for path in sorted((folder / name).iterdir())
    ]
    rows = [row for row in found if readable(row[0])]
    return [path for path, _ in rows], [label for _, label in rows], classes


def readable(path: str) -> bool:
    try:
        tf.io.decode_image(tf.io.read_file(path), expand_animations=False)
    except tf.errors.InvalidArgumentError as error:
        print(f"left out {path}: {str(error)[:80]}")
        return False
    return True


def batches(paths: list[str], labels: list[int], size_px: int, shuffle: bool) -> tf.data.Dataset:
    """Batches of float pictures `[B, size, size, 3]`, 0..255, with their labels."""

    def read(path: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        picture = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
        return tf.image.resize(picture, (size_px, size_px), antialias=True), label

    rows = tf.data.Dataset.from_tensor_slices((paths, labels))
    rows = rows.map(read, num_parallel_calls=tf.data.AUTOTUNE).cache()
    rows = rows.shuffle(len(paths), seed=0) if shuffle else rows
    return rows.batch(64).prefetch(tf.data.AUTOTUNE)


def build(classes: int, size_px: int) -> keras.Model:
    """ResNet-18 with a stem for small pictures; it takes 0..255 and gives logits."""
    image = keras.Input((size_px, size_px, 3), name="image")
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


def count_correct(model: keras.Model, rows: tf.data.Dataset) -> int:
    return sum(
        int(np.sum(np.argmax(model(images, training=False), axis=1) == labels.numpy()))
        for images, labels in rows
    )


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
    parser.add_argument("--out", type=Path, default=Path("digits.savedmodel"))
    asked = parser.parse_args()

    keras.utils.set_random_seed(0)
    paths, labels, classes = find(asked.folder)
    order = np.random.default_rng(0).permutation(len(paths))
    parts = np.split(order, [int(0.7 * len(order)), int(0.85 * len(order))])
    train, val, test = (
        batches([paths[row] for row in part], [labels[row] for row in part], asked.size, shuffle=number == 0)
        for number, part in enumerate(parts)
    )

    model = build(len(classes), asked.size)
    rate = keras.optimizers.schedules.CosineDecay(0.05, asked.epochs * len(train))
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step(images: tf.Tensor, labels: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(images, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    best, kept = -1, []
    for epoch in range(asked.epochs):
        for images, labels_of_batch in train:
            step(images, labels_of_batch)
        correct = count_correct(model, val)
        print(f"epoch {epoch + 1}: val accuracy {correct / len(parts[1]):.4f}")
        if correct > best:
            best, kept = correct, model.get_weights()

    model.set_weights(kept)
    n = len(parts[2])
    correct = count_correct(model, test)
    low, high = interval(correct, n)
    print(f"test: accuracy {correct / n:.4f} [{low:.4f}, {high:.4f}], n = {n}")
    model.export(asked.out, format="tf_saved_model", verbose=False)


if __name__ == "__main__":
    main()
