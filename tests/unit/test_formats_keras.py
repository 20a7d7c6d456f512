"""Keras models made from PyTorch networks: the same logits on every backend, for every network that can be
expressed, without a class of this package, and they train further."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from eighteen.core.artifact import Exportable
from eighteen.core.calibration import Calibration
from eighteen.core.errors import EighteenError, RunError
from eighteen.core.inputs import InputSpec
from eighteen.exporting.awkward import awkward_pictures
from eighteen.formats import keras as keras_format
from eighteen.formats._keras_files import load, load_keras
from eighteen.formats._keras_network import as_keras
from eighteen.formats._keras_preparing import preparation
from eighteen.models.family import build

if not find_spec("keras"):
    pytest.skip("keras is not installed", allow_module_level=True)

keras = load_keras()

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "keras_backends.py"
PYTHONS = [sys.executable, *filter(None, [os.environ.get("EIGHTEEN_TENSORFLOW_PYTHON")])]
SIZE = 32


def randomised(network: nn.Module) -> nn.Module:
    """BatchNorm as after a training: at its start it may hide whole branches."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.weight, 0.5, 1.5),
                (module.bias, -0.3, 0.3),
                (module.running_mean, -0.3, 0.3),
                (module.running_var, 0.5, 2.0),
            ):
                assert tensor is not None
                with torch.no_grad():
                    tensor.uniform_(low, high, generator=generator)
    return network.eval()


def network(name: str, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return randomised(build(name, num_classes=4, **options))


def exportable(trained: nn.Module, **inputs: Any) -> Exportable:
    spec = InputSpec(size=SIZE, mean=(0.5, 0.4, 0.6), std=(0.2, 0.3, 0.25), **inputs)
    calibration = Calibration("temperature", (0.7,) * 4, (0.0,) * 4)
    notes = {"model": "resnet18"}
    return Exportable(
        trained, spec, calibration, ("a", "b", "c", "d"), notes, lambda: np.empty(0, np.float32)
    )


def answers(model: Any, tensor: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Of a Keras network, from `[N, C, H, W]`."""
    return keras_format.as_array(model(np.moveaxis(tensor, 1, -1), training=False))


def expected(trained: nn.Module, tensor: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    with torch.no_grad():
        return trained(torch.from_numpy(tensor)).numpy()


def tensor(channels: int = 3, size_px: int = SIZE) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 1, (3, channels, size_px, size_px)).astype(np.float32)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "large stem": lambda: network("resnet18", width=0.25, dropout=0.2, drop_path=0.1),
    "small stem": lambda: network("resnet18", width=0.25, stem="small"),
    "pooled small stem": lambda: network("resnet18", width=0.25, stem="small_pooled"),
    "plain": lambda: network("resnet18", width=0.25, shortcut=False),
    "other blocks": lambda: network("resnet18", width=0.25, blocks=(1, 2, 1, 3)),
    "ResNet-D": lambda: network("test_resnet"),
    "squeeze and excitation": lambda: network("test_efficientnet"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_the_family_give_pytorchs_logits(name: str) -> None:
    trained = NETWORKS[name]()
    right = expected(trained, tensor())
    assert right.std() > 1e-2, "a network that answers alike to everything proves nothing"
    with torch.no_grad():
        got = answers(as_keras(trained, 3, SIZE, name), tensor())
    np.testing.assert_allclose(got, right, atol=1e-5)


def test_odd_sides_are_padded_and_averaged_as_in_pytorch() -> None:
    """At 42 px maps have sides of 21 and 11, where ResNet-D's average hangs over the edge."""
    trained = network("test_resnet", in_channels=1)
    given = tensor(1, 42)
    with torch.no_grad():
        got = answers(as_keras(trained, 1, 42, "resnet"), given)
    np.testing.assert_allclose(got, expected(trained, given), atol=1e-5)


def test_keras_own_epsilon_would_be_caught() -> None:
    """The planted fault: BatchNorm as Keras makes it by default."""
    trained = network("resnet18", width=0.25)
    model = as_keras(trained, 3, SIZE, "resnet18")
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            assert layer.epsilon == 1e-5
            layer.epsilon = 1e-3
    with torch.no_grad():
        gap = np.abs(answers(model, tensor()) - expected(trained, tensor())).max()
    assert gap > 1e-4


def test_layers_have_the_names_of_the_modules() -> None:
    model = as_keras(network("resnet18", width=0.25), 3, SIZE, "resnet18")
    names = [layer.name for layer in model.layers]
    assert {"conv1", "bn1", "layer1_0_conv1", "layer2_0_downsample_0", "layer4_1_bn2", "fc"} <= set(names)


def test_a_network_that_cannot_be_expressed_is_refused_with_those_that_can() -> None:
    with pytest.raises(
        EighteenError, match=r"convnext cannot become a Keras model: aten\.\S+ in its part '.+'"
    ):
        as_keras(build("test_convnext", num_classes=4).eval(), 3, SIZE, "convnext")
    with pytest.raises(EighteenError, match="resnet18 with all its options can"):
        as_keras(build("test_vit", num_classes=4).eval(), 3, 160, "vit")


@pytest.mark.parametrize(
    ("fit", "kernel", "channels", "size_px"),
    [
        ("crop", "bilinear", 1, 32),
        ("crop", "bicubic", 3, 37),
        ("squash", "bilinear", 3, 32),
        ("letterbox", "bicubic", 3, 50),
    ],
)
def test_the_preparation_is_that_of_the_run(fit: Any, kernel: Any, channels: Any, size_px: int) -> None:
    """37 / 0.875 rounds to 42; of 84x85 pixels the long side would be 42.5."""
    inputs = InputSpec(
        size=size_px,
        fit=fit,
        kernel=kernel,
        channels=channels,
        background=(10, 200, 30),
        mean=(0.5, 0.4, 0.6)[:channels],
        std=(0.2, 0.3, 0.25)[:channels],
    )
    model = preparation(inputs)
    halves = [
        np.random.default_rng(1).integers(0, 256, side, np.uint8) for side in ((84, 85, 3), (100, 63, 3))
    ]
    for picture in [*awkward_pictures(size_px)[:9], *halves]:
        right = inputs.normalised(inputs.fitted(inputs.to_channels_of(picture))[None])
        got = np.moveaxis(keras_format.as_array(model(picture[None])), -1, 1)
        np.testing.assert_allclose(got, right, atol=1e-5, err_msg=str(picture.shape))


# The file


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Exportable, Path]:
    folder = tmp_path_factory.mktemp("keras")
    model = exportable(network("resnet18", width=0.25), fit="crop", kernel="bicubic")
    keras_format.write(model, folder, "fp32")
    return model, folder / "model.keras"


def test_the_file_holds_built_in_layers_alone_and_says_what_it_is(written: tuple[Exportable, Path]) -> None:
    model, path = written
    with zipfile.ZipFile(path) as archive:
        config, notes = archive.read("config.json").decode(), json.loads(archive.read("metadata.json"))
    assert "Lambda" not in config
    assert "eighteen." not in config
    assert notes["eighteen"] == model.metadata
    assert json.loads(notes["eighteen"]["classes"]) == ["a", "b", "c", "d"]
    assert "keras_version" in notes
    opened, _ = load(path)
    assert [one.name for one in opened.inputs] == ["image"]
    assert sorted(opened.output) == ["logits", "probabilities"]


def lists_a_lambda(config: dict[str, Any]) -> None:
    code = {"class_name": "__lambda__", "config": {"value": "gASV", "defaults": None, "closure": None}}
    layer = {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "evil", "function": code}}
    config["config"]["layers"].append({**layer, "registered_name": None, "name": "evil", "inbound_nodes": []})


def names_a_foreign_class(config: dict[str, Any]) -> None:
    config["config"]["layers"][1]["module"] = "subprocess"
    config["config"]["layers"][1]["class_name"] = "Popen"


def reads_a_file(config: dict[str, Any]) -> None:
    layer = {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}
    config["config"]["layers"].append({**layer, "registered_name": None, "name": "evil", "inbound_nodes": []})


@pytest.mark.parametrize("attack", [lists_a_lambda, names_a_foreign_class, reads_a_file])
def test_a_file_that_could_run_code_is_not_opened(
    attack: Callable[[dict[str, Any]], None],
    written: tuple[Exportable, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changed = tmp_path / "model.keras"
    with zipfile.ZipFile(written[1]) as old, zipfile.ZipFile(changed, "w") as new:
        for entry in old.namelist():
            data = old.read(entry)
            if entry == "config.json":
                config = json.loads(data)
                attack(config)
                data = json.dumps(config).encode()
            new.writestr(entry, data)
    monkeypatch.setattr(keras.saving, "load_model", lambda *args, **more: pytest.fail("Keras saw the file"))
    with pytest.raises(RunError, match=r"opening it might run code; it was not opened"):
        keras_format.open_files(changed, changed)


def test_another_backend_than_the_one_in_use_is_said() -> None:
    other = "jax" if keras.config.backend() != "jax" else "torch"
    with pytest.raises(EighteenError, match=rf"is needed; start anew with KERAS_BACKEND={other}"):
        load_keras(other)


def test_a_backend_that_is_not_installed_is_said() -> None:
    code = "from eighteen.formats._keras_files import load_keras; load_keras()"
    environment = {**os.environ, "KERAS_BACKEND": "mxnet"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert "Keras cannot run on mxnet" in done.stderr
    assert "KERAS_BACKEND=torch" in done.stderr


# The backends


def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("keras_backends", BENCHMARK)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("backend", ["torch", "tensorflow", "jax"])
def test_each_backend_gives_the_same_logits_and_trains_further(backend: str, tmp_path: Path) -> None:
    program = benchmark()
    python = program.interpreter_with(backend, PYTHONS)
    if python is None:
        pytest.skip(
            f"{backend} is not installed (EIGHTEEN_TENSORFLOW_PYTHON may name an interpreter that has it)"
        )
    model = exportable(
        network("resnet18", width=0.25), fit="letterbox", kernel="bicubic", mirror_average=True
    )
    random = np.random.default_rng(3)
    sides = ((1, 333), (333, 1), (31, 33), (65, 64))  # few: JAX compiles for each
    pictures = [random.integers(0, 256, (*side, 3), np.uint8) for side in sides for _ in range(4)]
    targets = np.arange(16) % 4
    right, _ = program.write(model, pictures, targets, tmp_path)
    said = program.ask(python, backend, tmp_path)
    assert said["backend"] == backend
    np.testing.assert_allclose(said["by_picture"], right, atol=1e-5)
    np.testing.assert_allclose(said["by_tensor"], right, atol=1e-5)
    before, after = said["loss"]
    assert after < before
