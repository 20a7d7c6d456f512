"""The failure cases about shipping: a model that answers otherwise where it is used."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eighteen import Predictor, Recipe, Run, export, train
from eighteen.core.inputs import load_image
from eighteen.formats import onnx as onnx_format

DECODING = "C01 C05 C06 C08 C10 C12 C14 C16 C18 C20 C21 C22 C24 C65 C67 C79"
"""Cases with pictures that programs decode otherwise."""

NOT_BY_PILLOW = {"no_end_marker.jpg", "IMG_0001.heic", "IMG_0002.HEIC"}

COVERED = {"C64", "C65", "C66", "C67", "C68"}
SIZE_PX = 16
LARGEST_DIFFERENCE = 1e-3


@pytest.mark.shared
def test_no_case_is_forgotten(shared: Path) -> None:
    text = (shared / "cases" / "CASES.md").read_text("utf-8")
    section = text.partition("\n## export parity\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^### (C\d+)", section, re.MULTILINE)) == COVERED


def files_below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.png"))


@pytest.fixture(scope="module")
def train_on(
    small: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path, int], Run]:
    """Trains a small run, and exports it to ONNX below `exports/`."""

    def trained(data: Path, epochs: int) -> Run:
        home = tmp_path_factory.mktemp("case")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
            # Black pictures spoil the integers of what this optimizer comes to, not of every network.
            changes = {"optimizer.name": "nesterov", "inputs.size": SIZE_PX, "data.val_fraction": 0.4}
            run = train(data, home / "run", small(**{"training.epochs": epochs, **changes}))
            export(run, "onnx")
        return run

    return trained


@pytest.fixture(scope="module")
def colours(case_dir: Callable[[str], Path], train_on: Callable[[Path, int], Run]) -> Run:
    return train_on(case_dir("C67") / "data", 20)


@pytest.fixture(scope="module")
def patterns(case_dir: Callable[[str], Path], train_on: Callable[[Path, int], Run]) -> Run:
    return train_on(case_dir("C65") / "data", 2)


def exported(run: Run) -> Predictor:
    return Predictor.open(run.path / "exports" / "onnx")


def scores(predictor: Predictor, sources: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([each.probabilities for each in predictor.predict(sources)])


@pytest.mark.shared
@pytest.mark.parametrize("size", [1, 2, 7, 32])
def test_c64_a_batch_of_any_size_is_answered(size: int, colours: Run) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(colours.path / "exports" / "onnx" / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    pictures = np.random.default_rng(size).integers(0, 256, (size, 20, 30, 3), dtype=np.uint8)
    (found,) = session.run(["probabilities"], {"image": pictures})
    wanted = scores(Predictor.open(colours.path), list(pictures))
    np.testing.assert_allclose(found, wanted, atol=LARGEST_DIFFERENCE)


@pytest.mark.shared
def test_c65_one_pixel_patterns_get_the_same_scores_from_the_file(
    patterns: Run, case_dir: Callable[[str], Path], eighteen: Any, tmp_path: Path
) -> None:
    files = files_below(case_dir("C65") / "data")
    assert len(files) == 12 == len(patterns.dataset)
    gap = np.abs(scores(Predictor.open(patterns.path), files) - scores(exported(patterns), files)).max()
    assert gap <= LARGEST_DIFFERENCE
    said = eighteen("export", patterns.path, "--to", "torch", "--out", tmp_path / "model")
    assert said.code == 0, said.err
    assert re.search(r"probability differs by at most +\d\.\de-\d\d", said.err)


@pytest.mark.shared
def test_c66_the_file_says_what_it_expects_and_refuses_what_it_does_not(colours: Run) -> None:
    import onnxruntime

    folder = colours.path / "exports" / "onnx"
    sessions = {
        name: onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), providers=["CPUExecutionProvider"])
        for name in ("model", "bare")
    }
    for session in sessions.values():
        stated = json.loads(session.get_modelmeta().custom_metadata_map["input_spec"])
        assert {"size", "mean", "std", "channels", "kernel", "fit"} <= set(stated)
    pixels = np.zeros((1, 20, 20, 3), np.float32)
    with pytest.raises(Exception, match="Unexpected input data type"):
        sessions["model"].run(None, {"image": pixels})
    (told,) = exported(colours).predict([pixels[0]])  # type: ignore[list-item]
    assert "give uint8 [H, W, 3] in RGB order" in told.error
    page = (folder / "README.md").read_text("utf-8")
    assert all(word in page for word in ("uint8", "RGB", str(SIZE_PX)))


@pytest.mark.shared
def test_c67_red_is_never_blue_whichever_way_it_comes_in(
    colours: Run, case_dir: Callable[[str], Path]
) -> None:
    files = files_below(case_dir("C67") / "data")
    assert colours.class_names == ("blue", "red")
    assert len(files) == 16
    truth = [path.parent.name for path in files]
    ways: dict[str, list[Any]] = {
        "files": list(files),
        "bytes": [path.read_bytes() for path in files],
        "arrays": [load_image(path) for path in files],
        "Pillow": [np.asarray(Image.open(path).convert("RGB")) for path in files],
    }
    wanted = scores(Predictor.open(colours.path), files)
    for predictor in (Predictor.open(colours.path), exported(colours)):
        for name, sources in ways.items():
            assert [each.label for each in predictor.predict(sources)] == truth, name
            np.testing.assert_allclose(scores(predictor, sources), wanted, atol=LARGEST_DIFFERENCE)


@pytest.mark.shared
def test_c68_integers_that_collapse_are_refused_with_the_figures(
    colours: Run, monkeypatch: pytest.MonkeyPatch, eighteen: Any, tmp_path: Path
) -> None:
    """Three black pictures set the ranges; keeping layers and training again are of no help."""
    black = np.zeros((3, 3, SIZE_PX, SIZE_PX), np.float32)
    monkeypatch.setattr("eighteen.exporting.export._samples", lambda run: black)
    monkeypatch.setattr("eighteen.exporting.export.train_aware", lambda run, network, *_: network)
    monkeypatch.setattr(onnx_format, "KEEPS_LAYERS", False)
    said = eighteen("export", colours.path, "--precision", "int8", "--out", tmp_path / "small")
    assert said.code == 3
    assert re.search(r"all layers: -0\.\d+ \(-\d\.\d+ to [-+]\d\.\d+, n = \d+\)", said.err)
    assert "--precision fp16" in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.shared
def test_awkward_files_get_the_same_answer_through_the_examples_own_decoder(
    colours: Run, case_dir: Callable[[str], Path]
) -> None:
    found = [
        path
        for case in DECODING.split()
        for path in sorted(case_dir(case).glob("data/**/*"))
        if path.is_file()
    ]
    answers = zip(found, Predictor.open(colours.path).predict(found), strict=True)
    known = {path: one for path, one in answers if not one.error and path.name not in NOT_BY_PILLOW}
    assert {path.suffix.lower() for path in known} >= {".png", ".jpg", ".gif", ".tif"}
    assert {"grey16.png", "int32.tif", "float01.tif", "card_cmyk.jpg"} <= {path.name for path in known}
    example = colours.path / "exports" / "onnx" / "predict.py"
    said = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", str(example), *map(str, known)],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in said.stdout.splitlines()]
    different = {one.score for one in known.values()}
    assert len(different) > 50, "a model that answers alike to everything proves nothing"
    for row, (path, wanted) in zip(rows, known.items(), strict=True):
        assert row[1] == wanted.label, path
        assert float(row[2]) == pytest.approx(wanted.score, abs=LARGEST_DIFFERENCE), path
