"""OpenVINO: what its runtime leaves behind in a process, and what half precision rounds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from eighteen.core.artifact import Exportable
from eighteen.core.calibration import Calibration
from eighteen.core.inputs import InputSpec
from eighteen.formats import openvino
from eighteen.models.family import build

ENDED_ELSEWHERE = """
import signal, sys, threading
from pathlib import Path

import torch

from eighteen.core.artifact import Exportable
from eighteen.core.calibration import Calibration
from eighteen.core.inputs import InputSpec
from eighteen.formats import openvino
from eighteen.models.family import build

folder = Path(sys.argv[1])
network = build("test_resnet", num_classes=2, in_channels=3, stem="imagenet").eval()
model = Exportable(network, InputSpec(size=32), Calibration(), ("a", "b"), {}, list)
files = openvino.write(model, folder, "fp32")
opened = [openvino.open_files(folder / files.model, folder / files.bare)]
other = threading.Thread(target=opened.clear)
other.start()
other.join()
signal.signal(signal.SIGTERM, lambda number, frame: sys.stdout.write("asked to stop"))
signal.raise_signal(signal.SIGTERM)
"""
"""In a process of its own, since it crashed: the last user of the runtime was gone in another thread."""


def test_a_signal_is_heard_after_a_model_was_let_go_in_another_thread(tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    done = subprocess.run(
        [sys.executable, "-c", ENDED_ELSEWHERE, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, "asked to stop"), done.stderr


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_weights_in_half_precision_leave_the_preparation_exact(tmp_path: Path, precision: str) -> None:
    """Rounded with the network, it changed every pixel, and half precision was refused for it."""
    pytest.importorskip("openvino", reason="openvino is not installed")
    torch.manual_seed(0)
    network = build("test_resnet", num_classes=3, in_channels=3, stem="imagenet").eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    inputs = InputSpec(size=32, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    model = Exportable(network, inputs, Calibration(), ("a", "b", "c"), {}, list)
    files = openvino.write(model, tmp_path, precision)
    opened = openvino.open_files(tmp_path / files.model, tmp_path / files.bare)
    picture = np.random.default_rng(0).integers(0, 256, (97, 61, 3), dtype=np.uint8)
    tensor = inputs.normalised(inputs.fitted(picture)[None])
    bare = opened.bare(tensor)
    assert opened.plain, "without calibration, so that its measures say so"
    assert np.abs(opened.answer([picture]) - bare).max() < 1e-4
    exact = network(torch.from_numpy(tensor)).detach().numpy()
    assert np.abs(bare - exact).max() < {"fp32": 1e-4, "fp16": 0.05}[precision]
