"""AOTInductor packages: opened only where they were compiled; what they say of themselves; the example."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from eighteen.core.artifact import Exportable, Files
from eighteen.core.calibration import Calibration
from eighteen.core.errors import EighteenError, RunError
from eighteen.core.inputs import InputSpec
from eighteen.exporting.awkward import awkward_pictures
from eighteen.exporting.bundle import examples
from eighteen.formats import _compiled_here, aotinductor
from eighteen.models.resnet18 import ResNet18
from synthetic import with_random_norms

INPUTS = InputSpec(size=32, fit="crop", crop_fraction=0.8, mean=(0.5, 0.4, 0.6), std=(0.2, 0.3, 0.25))
CLASSES = ("a", "ü", "c")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _opened_where_it_was_compiled(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has a cache of its own; what one compiled for all is known to the others."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))


@pytest.fixture(scope="module")
def model() -> Exportable:
    torch.manual_seed(0)
    network = ResNet18(len(CLASSES), blocks=(1, 1, 1, 1), stem="small", width=8)
    with_random_norms(network)
    nothing = np.zeros((0, 3, 32, 32), np.float32)
    calibration = Calibration("temperature", (1.5,) * 3, (0.0,) * 3)
    return Exportable(network.eval(), INPUTS, calibration, CLASSES, {"model": "resnet18"}, lambda: nothing)


@pytest.fixture(scope="module")
def written(model: Exportable, home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Files]:
    try:
        aotinductor.compiler()
    except EighteenError as absent:
        pytest.skip(str(absent))
    folder = tmp_path_factory.mktemp("aotinductor")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home))
        made = aotinductor.write(model, folder, "fp32")
    for name, text in examples("aotinductor").items():
        (folder / name).write_text(text, "utf-8")
    return folder, made


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that was recorded, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "model.pt2"
    path.write_bytes(b"machine code")
    _compiled_here.remember(b"machine code")
    return path


def test_the_bytes_that_were_recorded_are_given_back(recorded: Path, tmp_path: Path) -> None:
    assert _compiled_here.own(recorded) == b"machine code"
    (record,) = (tmp_path / "cache" / "eighteen" / "aotinductor").iterdir()
    assert json.loads(record.read_text())["torch"] == torch.__version__
    assert record.parent.stat().st_mode & 0o777 == 0o700


def test_what_was_refused_is_no_longer_opened(recorded: Path) -> None:
    aotinductor.forget(recorded.parent)
    with pytest.raises(RunError, match="no export on this machine recorded"):
        _compiled_here.own(recorded)
    aotinductor.forget(recorded.parent)


def test_a_file_that_was_not_compiled_here_is_not_even_tried(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is checked is the content: neither its name nor its place."""
    tried: list[Any] = []
    monkeypatch.setattr("torch._inductor.aoti_load_package", tried.append)
    recorded.write_bytes(b"machine code.")
    with pytest.raises(RunError) as refused:
        aotinductor.open_files(recorded, recorded)
    assert tried == []
    assert "no export on this machine recorded its SHA-256" in str(refused.value)
    assert "eighteen export RUN --to aotinductor" in str(refused.value)
    assert str(recorded) in str(refused.value)


def test_records_that_others_can_write_prove_nothing(recorded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "eighteen" / "aotinductor"
    folder.chmod(0o777)
    with pytest.raises(RunError, match=r"can be written by others \(owner \d+, mode 777; expected"):
        _compiled_here.own(recorded)
    folder.chmod(0o750)
    assert _compiled_here.own(recorded)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"processor": ["avx", "future_vectors"]}, "a processor with future_vectors, which this one lacks"),
        ({"torch": "1.0"}, r"for PyTorch 1\.0, and this is \d"),
        ({"system": "plan9 mips"}, "for the system plan9 mips, and this is "),
    ],
)
def test_code_for_another_machine_is_refused(
    change: dict[str, Any], message: str, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = {"processor": ["avx"], "torch": torch.__version__, "system": "here"}
    monkeypatch.setattr(_compiled_here, "this_machine", lambda: now | change)
    _compiled_here.remember(b"machine code")
    monkeypatch.setattr(_compiled_here, "this_machine", lambda: now)
    with pytest.raises(RunError, match=message):
        _compiled_here.own(recorded)


def test_without_a_compiler_it_is_named_before_anything_is_done() -> None:
    from torch._inductor import config

    with config.patch({"cpp.cxx": (None, "no-such-compiler")}):
        with pytest.raises(EighteenError, match=r"no C\+\+ compiler answers \(.*: no-such-compiler\)"):
            aotinductor.make_ready()
        with pytest.raises(EighteenError, match="environment variable CXX"):
            aotinductor.write(None, Path("nowhere"), "fp32")  # type: ignore[arg-type]


@pytest.mark.slow
def test_packages_take_any_number_of_pictures_and_tensors(
    written: tuple[Path, Files], model: Exportable
) -> None:
    folder, _ = written
    opened = aotinductor.open_files(folder / "model.pt2", folder / "bare.pt2")
    assert (opened.class_names, opened.inputs) == (CLASSES, INPUTS)
    pictures = [*np.random.default_rng(2).integers(0, 256, (33, 40, 56, 3), dtype=np.uint8)]
    pictures += awkward_pictures(32)
    tensors = INPUTS.normalised(INPUTS.fitted_batch(pictures))
    with torch.no_grad():
        right = model.calibration.apply(model.network(torch.from_numpy(tensors)).numpy())
    np.testing.assert_allclose(opened.answer(pictures), right, atol=1e-5)
    for rows in (slice(None), slice(1)):
        np.testing.assert_allclose(opened.bare(tensors[rows]), right[rows], atol=1e-5)


@pytest.mark.slow
def test_a_package_says_what_it_is_and_where_it_runs(
    written: tuple[Path, Files], model: Exportable, home: Path
) -> None:
    folder, made = written
    records = (home / "eighteen" / "aotinductor").iterdir()
    package = torch._inductor.aoti_load_package(str(folder / "bare.pt2"))
    assert dict(model.metadata).items() <= package.get_metadata().items()
    assert sorted(path.stem for path in records) == sorted(made.facts["sha256"].values())
    assert made.facts["compiled_for"] == _compiled_here.this_machine()
    assert torch.__version__ in made.outside
    assert "export again there" in made.outside


@pytest.mark.slow
def test_one_changed_byte_is_refused(written: tuple[Path, Files], tmp_path: Path) -> None:
    content = bytearray((written[0] / "model.pt2").read_bytes())
    content[len(content) // 2] ^= 1
    changed = tmp_path / "model.pt2"
    changed.write_bytes(content)
    with pytest.raises(RunError, match="no export on this machine recorded"):
        aotinductor.open_files(changed, changed)


@pytest.mark.slow
def test_the_example_answers_the_same_without_this_package(
    written: tuple[Path, Files], tmp_path: Path
) -> None:
    folder, _ = written
    paths = []
    for number, picture in enumerate(awkward_pictures(32)):
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
    opened = aotinductor.open_files(folder / "model.pt2", folder / "bare.pt2")
    right = torch.from_numpy(opened.answer(awkward_pictures(32))).softmax(-1).max(-1)
    assert [row[1] for row in rows] == [CLASSES[best] for best in right.indices.tolist()]
    np.testing.assert_allclose([float(row[2]) for row in rows], right.values.numpy(), atol=1e-4)
    assert "eighteen" not in (folder / "predict.py").read_text(encoding="utf-8")
