"""What OpenVINO's runtime leaves behind in a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
