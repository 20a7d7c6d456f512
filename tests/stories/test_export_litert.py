"""Shipping to phones and small boards: a run leaves as .tflite files, with code for what stays outside, and
with a table of boards. Skipped where LiteRT's converter or run time is absent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eighteen import Predictor, Recipe, Run, export, train
from eighteen.core.artifact import Exportable, Files
from eighteen.core.inputs import InputSpec
from eighteen.exporting.arena import arena_bytes, lives
from eighteen.exporting.export import exportable
from eighteen.exporting.flatgraph import read_graph
from eighteen.exporting.narrower import draw_resnet18
from eighteen.formats import litert

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ai_edge_litert") is None, reason="ai-edge-litert is not installed"),
    pytest.mark.skipif(
        not os.environ.get(litert.CONVERTER),
        reason=f"LiteRT's converter is not at hand: {litert.CONVERTER} is not set",
    ),
]

SIZE_PX = 48


@pytest.fixture(scope="module")
def run(small: Callable[..., Recipe], pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("mobile")
    settings = {"training.epochs": 30, "model.name": "resnet18", "model.width": 0.125, "inputs.size": SIZE_PX}
    settings["inputs.mirror_average"] = False  # as small boards want it
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        return train(pictures, home / "run", small(**settings))


@pytest.fixture(scope="module")
def exported(run: Run) -> Path:
    return export(run, "litert").artifact.path


def test_it_agrees_and_every_way_to_ask_gives_the_runs_answers(
    run: Run, exported: Path, pictures: Path
) -> None:
    parity = json.loads((exported / "parity.json").read_text(encoding="utf-8"))
    assert parity["top1_agreement"] == 1
    assert parity["max_probability_difference"] < 1e-4
    files = sorted((pictures / "val" / "red").iterdir())[:3]
    expected = Predictor.open(run.path).predict(files)
    for model in (exported, exported / "model.tflite"):
        found = Predictor.open(model).predict(files)
        assert [each.label for each in found] == [each.label for each in expected]
        np.testing.assert_allclose(
            [each.score for each in found], [each.score for each in expected], atol=1e-4
        )
    said = subprocess.run(
        [sys.executable, "-I", str(exported / "predict.py"), *map(str, files)],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in said.stdout.splitlines()]
    assert [row[1] for row in rows] == [each.label for each in expected]
    np.testing.assert_allclose([float(row[2]) for row in rows], [each.score for each in expected], atol=1e-3)


def test_what_stays_outside_is_said(exported: Path) -> None:
    info = json.loads((exported / "artifact.json").read_text(encoding="utf-8"))
    assert f"`[1, {SIZE_PX}, {SIZE_PX}, 3]`" in info["outside"]
    assert "antialias" in info["outside"] and "not rounded" in info["outside"]


def test_another_fit_outside_of_the_file_is_refused(
    run: Run, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eighteen: Callable[..., Any]
) -> None:
    """The file is right; the code before it fits otherwise."""

    class Otherwise:
        @staticmethod
        def from_json(row: dict[str, Any]) -> InputSpec:
            told = InputSpec.from_json(row)
            return told.model_copy(update={"fit": "squash", "kernel": "bicubic"})

    def copied(model: Exportable, folder: Path, precision: str) -> Files:
        for name in (litert.MODEL, litert.BARE):
            (folder / name).write_bytes((exported / name).read_bytes())
        return Files(litert.MODEL, litert.BARE)

    monkeypatch.setattr(litert, "write", copied)
    monkeypatch.setattr(litert, "InputSpec", Otherwise)
    said = eighteen("export", run.path, "--to", "litert", "--out", tmp_path / "wrong")
    assert said.code == 3
    assert "does not answer like" in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def integers(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 8-bit files, converted once."""
    folder = tmp_path_factory.mktemp("integers")
    litert.write(exportable(run), folder, "int8")
    return folder


def test_a_converted_file_is_what_the_arithmetic_draws(run: Run, integers: Path) -> None:
    path = integers / litert.MODEL
    graph = read_graph(path)
    drawn, drawn_bytes = draw_resnet18(8, SIZE_PX, len(run.class_names))
    names = [step.name.replace("MEAN", "SUM") for step in graph.steps]  # the converter takes either
    assert names == [step.name for step in drawn.steps]
    assert graph.macs == drawn.macs
    assert arena_bytes(lives(graph)) == arena_bytes(lives(drawn))
    assert drawn_bytes == pytest.approx(path.stat().st_size, rel=0.15)


def test_the_8_bit_model_comes_with_a_table_of_boards(
    run: Run, integers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eighteen: Callable[..., Any]
) -> None:
    def copied(model: Exportable, folder: Path, precision: str) -> Files:
        for name in (litert.MODEL, litert.BARE):
            (folder / name).write_bytes((integers / name).read_bytes())
        return Files(litert.MODEL, litert.BARE, "fitted outside")

    monkeypatch.setattr(litert, "write", copied)
    folder = tmp_path / "int8"
    said = eighteen("export", run.path, "--to", "litert", "--precision", "int8", "--out", folder, "--json")
    assert said.code == 0, said.err
    table = said.json["embedded"]
    assert json.loads((folder / "embedded.json").read_text(encoding="utf-8")) == table
    assert table["needs"]["file_bytes"] == (folder / litert.MODEL).stat().st_size
    assert [row["verdict"] for row in table["boards"]] == ["fits"] * 8
