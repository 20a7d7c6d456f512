"""Archives of exported programs that would run code when PyTorch opens them: refused, and nothing runs."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from eighteen.cli.main import app
from eighteen.core.artifact import Artifact, Exportable
from eighteen.core.calibration import Calibration
from eighteen.core.errors import RunError
from eighteen.core.inputs import InputSpec
from eighteen.formats import _torch_archive
from eighteen.formats import torch as torch_format

CLASSES = ("a", "b")
INPUTS = InputSpec(size=16, fit="squash")
PROGRAM, WEIGHTS = "archive/models/model.json", "archive/data/weights/model_weights_config.json"
SAMPLES = "archive/data/sample_inputs/model.pt"
PICTURE = np.full((9, 7, 3), 100, np.uint8)


class Makes:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.mkdir, (str(self.folder),)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two files of a small model."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 2)).eval()
    model = Exportable(
        network, INPUTS, Calibration(), CLASSES, {}, lambda: np.zeros((1, 3, 16, 16), np.float32)
    )
    folder = tmp_path_factory.mktemp("own")
    torch_format.write(model, folder, "fp32")
    return folder


def records(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed(own: Path, folder: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    found = records(own / "model.pt2")
    change(found)
    with zipfile.ZipFile(folder / "model.pt2", "w") as archive:
        for name, content in found.items():
            archive.writestr(name, content)
    return folder / "model.pt2"


def in_json(found: dict[str, bytes], name: str, change: Callable[[Any], None]) -> None:
    document = json.loads(found[name])
    change(document)
    found[name] = json.dumps(document).encode()


def pickled_weight(found: dict[str, bytes], marker: Path) -> None:
    def flag(document: Any) -> None:
        first = next(iter(document["config"].values()))
        first["use_pickle"] = True
        found[f"archive/data/weights/{first['path_name']}"] = _saved(marker)

    in_json(found, WEIGHTS, flag)


def pickled_constant(found: dict[str, bytes], marker: Path) -> None:
    entry = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    found["archive/data/constants/model_constants_config.json"] = json.dumps(
        {"config": {"c": entry}}
    ).encode()
    found["archive/data/constants/opaque_obj_0"] = pickle.dumps(Makes(marker))


def old_weights(found: dict[str, bytes], marker: Path) -> None:
    found["archive/data/weights/model.pt"] = _saved(marker)


def a_call(found: dict[str, bytes], marker: Path) -> None:
    """An operation of PyTorch that makes a file."""

    def change(document: Any) -> None:
        graph = document["graph_module"]["graph"]
        values = (
            ("filename", {"as_string": str(marker)}),
            ("shared", {"as_bool": True}),
            ("size", {"as_int": 8}),
        )
        inputs = [{"name": name, "arg": value, "kind": 1} for name, value in values]
        outputs = [{"as_tensor": {"name": "made"}}]
        call = {
            "target": "torch.ops.aten.from_file.default",
            "inputs": inputs,
            "outputs": outputs,
            "name": "made",
        }
        graph["nodes"].append({**graph["nodes"][-1], **call})
        graph["tensor_values"]["made"] = next(iter(graph["tensor_values"].values()))

    in_json(found, PROGRAM, change)


def in_a_size(found: dict[str, bytes], marker: Path) -> None:
    def change(document: Any) -> None:
        sizes = (
            size
            for value in document["graph_module"]["graph"]["tensor_values"].values()
            for size in value["sizes"]
        )
        size = next(size for size in sizes if "as_expr" in size)
        size["as_expr"]["expr_str"] = f"__import__('os').mkdir({str(marker)!r}) or Integer(2)"

    in_json(found, PROGRAM, change)


def in_a_name(found: dict[str, bytes], marker: Path) -> None:
    """The name of an input goes into source code."""
    name = f"input=__import__('os').mkdir({str(marker)!r})"
    quoted = json.dumps(name).encode()
    for before, after in ((b'"as_tensor": {"name": ', b"}"), (b"", b": {")):
        found[PROGRAM] = found[PROGRAM].replace(before + b'"input"' + after, before + quoted + after)


def machine_code(found: dict[str, bytes], marker: Path) -> None:
    found["archive/data/aotinductor/model/code.so"] = b"\x7fELF"


def _saved(marker: Path) -> bytes:
    content = BytesIO()
    torch.save((Makes(marker),), content)
    return content.getvalue()


ATTACKS = (pickled_weight, pickled_constant, old_weights, a_call, in_a_size, in_a_name, machine_code)


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_could_run_code_is_not_opened(
    own: Path, tmp_path: Path, attack: Callable[[dict[str, bytes], Path], None]
) -> None:
    marker = tmp_path / "was-run"
    path = changed(own, tmp_path, lambda found: attack(found, marker))
    with pytest.raises(RunError, match=r"holds what exported programs are not made of .* it was not opened"):
        torch_format.open_files(path, own / "bare.pt2")
    assert not marker.exists()


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack is not machine_code])
def test_the_attacks_are_real(
    own: Path, tmp_path: Path, attack: Callable[[dict[str, bytes], Path], None]
) -> None:
    marker = tmp_path / "was-run"
    path = changed(own, tmp_path, lambda found: attack(found, marker))
    with suppress(Exception):  # whatever it ends in, the payload runs before
        torch.export.load(path).module()(torch.from_numpy(PICTURE[None]))
    assert marker.exists()


def test_samples_are_neither_written_nor_read(own: Path, tmp_path: Path) -> None:
    assert records(own / "model.pt2")[SAMPLES] == b""
    marker = tmp_path / "was-run"
    path = changed(own, tmp_path, lambda found: found.update({SAMPLES: _saved(marker)}))
    opened = torch_format.open_files(path, own / "bare.pt2")
    right = torch_format.open_files(own / "model.pt2", own / "bare.pt2").answer([PICTURE])
    np.testing.assert_array_equal(opened.answer([PICTURE]), right)
    assert not marker.exists()


def test_words_are_looked_up_and_not_split_anew_for_each_entry() -> None:
    words = (_torch_archive._IN_ATEN, _torch_archive._IN_PYTHON, _torch_archive._KINDS)
    assert {type(each) for each in words} == {frozenset}
    assert "conv2d" in words[0] and "mul" in words[1] and "as_tensor" in words[2]


def test_the_command_refuses_such_a_folder(own: Path, tmp_path: Path) -> None:
    marker, folder = tmp_path / "was-run", tmp_path / "exports"
    folder.mkdir()
    changed(own, folder, lambda found: pickled_weight(found, marker))
    shutil.copy(own / "bare.pt2", folder)
    artifact = Artifact(folder)
    artifact.save_inputs(INPUTS)
    artifact.save_info(
        {
            "kind": "torch",
            "precision": "fp32",
            "files": {"model": "model.pt2", "bare": "bare.pt2"},
            "class_names": list(CLASSES),
            "calibration": Calibration().to_json(),
        }
    )
    Image.fromarray(PICTURE).save(tmp_path / "picture.png")
    told = CliRunner().invoke(app, ["predict", str(folder), str(tmp_path / "picture.png")])
    assert (told.exit_code, isinstance(told.exception, RunError | SystemExit)) == (1, True)
    assert not marker.exists()
