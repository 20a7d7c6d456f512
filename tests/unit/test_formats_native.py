"""Native exports: weights that describe themselves, and plain PyTorch that answers the same without this
package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from eighteen import Predictor
from eighteen.core.artifact import Exportable
from eighteen.core.calibration import Calibration
from eighteen.core.errors import RunError
from eighteen.core.inputs import InputSpec
from eighteen.exporting.awkward import awkward_pictures
from eighteen.exporting.bundle import examples
from eighteen.formats import native
from eighteen.models.family import build

CLASSES = ("a", "ü", "c")
CALIBRATION = Calibration("bent", (1.1, 0.9, 1.2), (0.1, -0.2, 0.3), bend=0.1)
NETWORKS: dict[str, dict[str, Any]] = {
    "page": {"name": "resnet18", "stem": "small", "blocks": [1, 1, 2, 1], "width": 0.125},
    "plain": {
        "name": "resnet18",
        "stem": "imagenet",
        "blocks": [1, 1, 1, 1],
        "shortcut": False,
        "width": 0.25,
    },
    "timm": {"name": "test_resnet", "stem": "small"},
    "pooled": {"name": "resnet18", "stem": "small_pooled", "blocks": [1, 1, 1, 1], "width": 0.125},
    "timm pooled": {"name": "test_resnet", "stem": "small_pooled"},
    "tagged": {"name": "resnet18.a1_in1k", "stem": "imagenet", "blocks": [1, 1, 1, 1], "width": 0.125},
}
INPUTS = {
    "page": InputSpec(
        size=32, fit="letterbox", kernel="bicubic", mirror_average=True, background=(9, 200, 30)
    ),
    "plain": InputSpec(size=32, fit="crop", crop_fraction=0.8, channels=1, mean=(0.4,), std=(0.2,)),
    "timm": InputSpec(size=24, fit="squash", mean=(0.5, 0.4, 0.6), std=(0.2, 0.3, 0.25)),
}
INPUTS |= {"pooled": INPUTS["page"], "timm pooled": INPUTS["timm"], "tagged": INPUTS["page"]}


def exportable(kind: str) -> Exportable:
    inputs = INPUTS[kind]
    options = {"blocks": [2, 2, 2, 2], "shortcut": True, "dropout": 0.1, "drop_path": 0.0, "width": 1.0}
    settings = {"num_classes": len(CLASSES), "in_channels": inputs.channels, **options, **NETWORKS[kind]}
    torch.manual_seed(0)
    network = build(**settings)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in ((module.weight, 0.5, 1.5), (module.running_var, 0.5, 2.0)):
                assert tensor is not None
                nn.init.uniform_(tensor, low, high)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    notes = {"model": settings["name"], native.NETWORK: json.dumps(settings)}
    return Exportable(network.eval(), inputs, CALIBRATION, CLASSES, notes, lambda: np.zeros((0,), np.float32))


@pytest.fixture(scope="module", params=NETWORKS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    native.write(exportable(request.param), folder, "fp32")
    for name, text in examples("native").items():
        (folder / name).write_text(text, "utf-8")
    return folder


def test_the_example_answers_the_same_without_this_package(written: Path, tmp_path: Path) -> None:
    paths = []
    for number, picture in enumerate(awkward_pictures(32)):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(picture).save(paths[-1])
    said = subprocess.run(
        [sys.executable, "-P", str(written / "predict.py"), *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(written), "PATH": ""},
    )
    rows = [line.split("\t") for line in said.stdout.splitlines()]
    expected = Predictor.open(written / "model.safetensors").predict(paths)
    assert [row[1] for row in rows] == [each.label for each in expected]
    np.testing.assert_allclose([float(row[2]) for row in rows], [each.score for each in expected], atol=1e-4)
    for name in ("predict.py", "network.py"):
        assert "eighteen" not in (written / name).read_text(encoding="utf-8")


def test_weights_that_do_not_fit_their_description_are_refused(tmp_path: Path) -> None:
    model = exportable("timm")
    settings = json.loads(model.notes[native.NETWORK])
    model.notes[native.NETWORK] = json.dumps({**settings, "num_classes": 5})  # type: ignore[index]
    native.write(model, tmp_path, "fp32")
    with pytest.raises(RunError, match=r"do not fit it; export it again"):
        Predictor.open(tmp_path / "model.safetensors")


def test_weights_without_a_description_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(RunError, match=r"does not say which network"):
        Predictor.open(tmp_path / "model.safetensors")
