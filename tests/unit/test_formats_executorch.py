"""ExecuTorch files: what they say of themselves, pictures beyond their bound, and the example beside them."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from eighteen import Predictor
from eighteen.core.artifact import Exportable, Files
from eighteen.core.calibration import Calibration
from eighteen.core.inputs import InputSpec
from eighteen.exporting.awkward import awkward_pictures
from eighteen.exporting.bundle import examples
from eighteen.formats import executorch as executorch_format
from eighteen.models.resnet18 import ResNet18
from synthetic import with_random_norms

pytest.importorskip("executorch", reason="executorch is not installed")

INPUTS = InputSpec(size=32, fit="crop", crop_fraction=0.8, mean=(0.5, 0.4, 0.6), std=(0.2, 0.3, 0.25))
CLASSES = ("a", "ü", "c")
TOO_LONG = np.random.default_rng(5).integers(
    0, 256, (40, executorch_format.MOST_SIDE_PX + 1, 3), dtype=np.uint8
)


@pytest.fixture(scope="module")
def model() -> Exportable:
    torch.manual_seed(0)
    network = ResNet18(len(CLASSES), blocks=(1, 1, 1, 1), stem="small", width=8)
    with_random_norms(network)
    nothing = np.zeros((0, 3, 32, 32), np.float32)
    calibration = Calibration("temperature", (1.5,) * 3, (0.0,) * 3)
    return Exportable(network.eval(), INPUTS, calibration, CLASSES, {"model": "resnet18"}, lambda: nothing)


@pytest.fixture(scope="module")
def folder(model: Exportable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("executorch")
    files_made: Files = executorch_format.write(model, made, "fp32")
    assert files_made.model == files_made.bare == "model.pte"
    assert "2048 px" in files_made.outside
    assert files_made.facts["planned_memory_bytes"]["forward"] < 150e6
    for name, text in examples("executorch").items():
        (made / name).write_text(text, "utf-8")
    return made


@pytest.fixture(scope="module")
def predictor(folder: Path) -> Predictor:
    return Predictor.open(folder / "model.pte")


def test_the_file_alone_is_opened_and_knows_its_classes_and_inputs(predictor: Predictor) -> None:
    assert predictor.class_names == CLASSES
    assert predictor.inputs == INPUTS


def test_its_metadata_are_methods_that_any_runtime_can_ask(folder: Path, model: Exportable) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from executorch.runtime import Runtime
    program = Runtime.get().load_program(folder / "model.pte")
    assert program.method_names == {"forward", "bare", *model.metadata}
    said = {name: program.load_method(name).execute([])[0] for name in model.metadata}
    assert said == dict(model.metadata)
    image = program.metadata("forward").input_tensor_meta(0)
    assert image.sizes() == (1, 2048, 2048, 3)
    assert program.metadata("bare").input_tensor_meta(0).sizes() == (32, 3, 32, 32)


def test_a_picture_beyond_the_bound_and_many_tensors_get_the_networks_answers(
    predictor: Predictor, model: Exportable
) -> None:
    pictures = [TOO_LONG, *awkward_pictures(32)] * 3
    tensors = torch.from_numpy(INPUTS.normalised(INPUTS.fitted_batch(pictures)))
    with torch.no_grad():
        right = model.calibration.apply(model.network(tensors).numpy())
    assert len(tensors) > executorch_format.MOST_TENSORS
    assert predictor.ask is not None
    np.testing.assert_allclose(predictor.ask(pictures), right, atol=1e-5)
    np.testing.assert_allclose(predictor.forward(INPUTS.fitted_batch(pictures)), right, atol=1e-5)


def test_the_example_answers_the_same_without_this_package(
    folder: Path, predictor: Predictor, tmp_path: Path
) -> None:
    paths = []
    for number, picture in enumerate([TOO_LONG, *awkward_pictures(32)]):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(picture).save(paths[-1])
    said = subprocess.run(
        [sys.executable, "-I", str(folder / "predict.py"), *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        env={"OMP_NUM_THREADS": "1", "PATH": os.environ["PATH"]},
    )
    rows = [line.split("\t") for line in said.stdout.splitlines()]
    expected = predictor.predict(paths)
    assert [row[1] for row in rows] == [each.label for each in expected]
    np.testing.assert_allclose([float(row[2]) for row in rows], [each.score for each in expected], atol=1e-4)
    assert "eighteen" not in (folder / "predict.py").read_text(encoding="utf-8")


def test_the_examples_for_phones_ask_the_methods_that_the_file_has(folder: Path) -> None:
    for name in ("Classify.kt", "Classify.swift"):
        code = (folder / name).read_text(encoding="utf-8")
        assert 'execute("classes"' in code
        assert "module.forward(" in code
        assert str(executorch_format.MOST_SIDE_PX) in code


def test_layers_that_suffer_stay_in_float(model: Exportable) -> None:
    samples = np.random.default_rng(1).uniform(0, 255, (8, 3, 32, 32)).astype(np.float32)
    ready = replace(model, samples=lambda: samples)

    def integers(kept: tuple[str, ...]) -> int:
        network = executorch_format._quantised(replace(ready, kept=kept))
        return sum(tensor.dtype == torch.int8 for tensor in network.state_dict().values())

    all_layers = integers(())
    assert all_layers >= 12
    assert integers(("layer1.0.conv1", "fc")) == all_layers - 2


def test_what_relu6_cuts_off_costs_no_steps(tmp_path: Path) -> None:
    """Values before it reach a hundred times as far as those behind it."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 16, 3, padding=1)
    nn.init.normal_(convolution.weight, std=20)
    head = nn.Linear(16, len(CLASSES))
    network = nn.Sequential(convolution, nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()
    pixels = np.random.default_rng(1).uniform(0, 255, (32, 3, 32, 32)).astype(np.float32)
    calibration = Calibration("temperature", (1.0,) * 3, (0.0,) * 3)
    written = Exportable(network, INPUTS, calibration, CLASSES, {"model": "small"}, lambda: pixels)
    files = executorch_format.write(written, tmp_path, "int8")
    tensors = INPUTS.normalised(pixels)
    found = executorch_format.open_files(tmp_path / files.model, tmp_path / files.bare).bare(tensors)
    with torch.no_grad():
        right = network(torch.from_numpy(tensors)).numpy()
        assert np.abs(network[0](torch.from_numpy(tensors)).numpy()).max() > 300
    np.testing.assert_allclose(found, right, atol=0.02 * np.ptp(right))
