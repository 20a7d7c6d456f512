"""Does one .keras file give the same logits on every backend, and does it train further?

    python benchmarks/keras_backends.py [RUN] [--python PYTHON …] [--pictures 64]

Without a run, a ResNet-18 at 224 px whose BatchNorm is randomised is exported and asked for random pictures;
with one, its network and pictures of its validation. Each backend that an interpreter has opens the file in a
process of its own that never sees this package, answers, and trains one epoch. The reference is PyTorch's own
network.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

BACKENDS = ("torch", "tensorflow", "jax")
BATCH = 16


def interpreter_with(package: str, pythons: Sequence[str]) -> str | None:
    """The first of the interpreters that has Keras and a package."""
    look = f"from importlib.util import find_spec; assert find_spec('keras') and find_spec({package!r})"
    for python in pythons:
        if not subprocess.run([python, "-c", look], capture_output=True, check=False).returncode:
            return python
    return None


def ask(python: str, backend: str, folder: Path) -> dict[str, Any]:
    """What a backend answers: see `child`."""
    command = [python, str(Path(__file__).resolve()), "--child", str(folder)]
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"{backend} on {python} failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def child(folder: Path) -> dict[str, Any]:
    """Logits of the pictures and of the tensor, and losses before and after an epoch; Keras alone does it."""
    import keras

    assert "eighteen" not in sys.modules
    model = keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)
    answering = model.get_layer("answering")
    given = np.load(folder / "given.npz")
    by_picture = np.concatenate([_logits(model, picture[None]) for picture in _pictures(given)])
    tensor = np.moveaxis(given["tensor"], 1, -1)
    by_tensor = np.concatenate([_logits(answering, part) for part in _batches(tensor)])
    before, after = _train(keras, answering, tensor, given["targets"])
    return {
        "keras": keras.__version__,
        "backend": keras.config.backend(),
        "by_picture": by_picture.tolist(),
        "by_tensor": by_tensor.tolist(),
        "loss": [before, after],
    }


def _logits(model: Any, values: Any) -> Any:
    import keras

    return keras.ops.convert_to_numpy(model(values, training=False)["logits"])


def _batches(values: Any) -> Iterator[Any]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]


def _pictures(given: Any) -> list[Any]:
    return [given[name] for name in sorted(given.files) if name.startswith("picture")]


def _train(keras: Any, model: Any, tensor: Any, targets: Any) -> tuple[float, float]:
    keras.utils.set_random_seed(0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.003, momentum=0.9), loss={"logits": loss})
    given: dict[str, Any] = {"x": tensor, "y": {"logits": targets}, "batch_size": BATCH, "verbose": 0}
    before = model.evaluate(**given)
    model.fit(**given, epochs=1)
    after = model.evaluate(**given)
    return (float(np.ravel(before)[0]), float(np.ravel(after)[0]))


def write(model: Any, pictures: Sequence[Any], targets: Any, folder: Path) -> tuple[Any, Any]:
    """Exports a model, puts what the backends are asked beside it, and gives PyTorch's logits.

    Args:
        model: an `Exportable`.
        pictures: uint8 `[H, W, 3]`.
        targets: `[N]`, for the epoch.
        folder: exists.
    """
    import torch

    from eighteen.formats import keras as keras_format
    from eighteen.models.answering import Answering

    keras_format.write(model, folder, "fp32")
    fitted = model.inputs.fitted_batch(pictures)
    tensor = model.inputs.normalised(fitted)
    named = {f"picture{number:05d}": picture for number, picture in enumerate(pictures)}
    np.savez(folder / "given.npz", tensor=tensor, targets=targets, **named)
    answering = Answering(model)
    with torch.no_grad():
        parts = [answering(torch.from_numpy(part)).numpy() for part in _batches(tensor)]
    return np.concatenate(parts), tensor


def _random_model() -> Any:
    import torch
    from torch import nn

    from eighteen.core.artifact import Exportable
    from eighteen.core.calibration import Calibration
    from eighteen.core.inputs import InputSpec
    from eighteen.models.family import build

    torch.manual_seed(0)
    network = build("resnet18", num_classes=10)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.3, 0.3),
                (module.running_mean, -0.3, 0.3),
                (module.running_var, 0.5, 2.0),
            ):
                assert tensor is not None
                tensor.uniform_(low, high)
    names = tuple("abcdefghij")
    notes = {"model": "resnet18"}
    return Exportable(
        network.eval(), InputSpec(), Calibration(), names, notes, lambda: np.empty(0, np.float32)
    )


def _asked(run: str | None, n: int) -> tuple[Any, list[Any], Any]:
    """The model, pictures and targets."""
    if run is None:
        random = np.random.default_rng(0)
        sides = random.integers(40, 400, (6, 2))  # few: JAX compiles for each
        pictures = [random.integers(0, 256, (*sides[row % 6], 3), dtype=np.uint8) for row in range(n)]
        return _random_model(), pictures, random.integers(0, 10, n)
    from eighteen import Run, load_image
    from eighteen.exporting.export import exportable

    opened = Run.open(run)
    rows = opened.dataset.subset("val").table.sort("sha256").head(n)
    pictures = [load_image(opened.dataset.root / path) for path in rows["path"]]
    return exportable(opened), pictures, np.array([opened.class_names.index(name) for name in rows["target"]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?")
    parser.add_argument(
        "--python", action="append", default=[], help="one more interpreter to look for backends in"
    )
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(child(asked.child)))
        return
    model, pictures, targets = _asked(asked.run, asked.pictures)
    print("| backend | Keras | pictures: logits differ by | tensor entry | loss, one epoch further |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        right, _ = write(model, pictures, targets, folder)
        for backend in BACKENDS:
            python = interpreter_with(backend, [sys.executable, *asked.python])
            if python is None:
                print(f"| {backend} | not installed | | | |", flush=True)
                continue
            said = ask(python, backend, folder)
            gaps = [np.abs(np.array(said[key]) - right).max() for key in ("by_picture", "by_tensor")]
            loss = " → ".join(f"{value:.4f}" for value in said["loss"])
            print(f"| {backend} | {said['keras']} | {gaps[0]:.1e} | {gaps[1]:.1e} | {loss} |", flush=True)
    print(f"\n{len(pictures)} pictures; PyTorch's logits go from {right.min():.2f} to {right.max():.2f}")


if __name__ == "__main__":
    main()
