"""Shipping: a run leaves as an ONNX file that answers alike, and nothing is left behind when it does not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from eighteen import Predictor, Recipe, Run, export, train
from eighteen.core.artifact import Artifact, Exportable, Files, Opened
from eighteen.core.dataset import Dataset
from eighteen.core.errors import GateError
from eighteen.core.scored import Scored
from eighteen.evaluating.artifacts import Shipped
from eighteen.exporting import export as export_module
from eighteen.exporting import halves
from eighteen.exporting.footprint import measure_memory
from eighteen.formats import onnx as onnx_format


@pytest.fixture(scope="module")
def run(small: Callable[..., Recipe], pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("shipped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        return train(pictures, home / "run", small(**{"training.epochs": 3}))


@pytest.fixture(scope="module")
def exported(run: Run) -> Path:
    return export(run, "onnx").artifact.path


def test_the_command_says_where_the_model_lies_and_how_well_it_agrees(
    run: Run, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    said = eighteen("export", run.path, "--to", "torch", "--out", tmp_path / "model", "--json")
    assert said.code == 0, said.err
    assert Path(said.json["path"]) == tmp_path / "model"
    parity = said.json["parity"]
    assert parity["top1_agreement"] == 1
    assert parity["max_probability_difference"] < 1e-4
    assert parity["n"] == len(run.dataset.subset("train")) + len(run.dataset.subset("val"))
    difference = parity["accuracy_difference"]
    assert difference["low"] <= difference["value"] == 0 <= difference["high"]
    assert said.json["size_mb"] > 0
    assert set(said.json["latency_ms"]) == {"1", "32"}
    stored = json.loads((tmp_path / "model" / "parity.json").read_text(encoding="utf-8"))
    assert stored == parity


def test_predicting_with_the_exported_model_gives_the_runs_answers(
    run: Run, exported: Path, pictures: Path, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    tables = []
    for number, model in enumerate((run.path, exported, exported / "model.onnx")):
        out = tmp_path / f"{number}.csv"
        said = eighteen("predict", model, pictures / "val", "--out", out)
        assert said.code == 0, said.err
        tables.append(pl.read_csv(out).to_dicts())
    for row, *others in zip(*tables, strict=True):
        for other in others:
            assert other["path"] == row["path"]
            assert other["label"] == row["label"]
            assert float(other["score"]) == pytest.approx(float(row["score"]), abs=1e-4)


def test_the_example_in_the_folder_runs_without_this_package(
    exported: Path, run: Run, pictures: Path
) -> None:
    files = sorted((pictures / "val" / "red").iterdir())[:3]
    said = subprocess.run(
        [sys.executable, "-I", str(exported / "predict.py"), *map(str, files)],
        capture_output=True,
        text=True,
        check=True,
    )
    expected = Predictor.open(run.path).predict(files)
    rows = [line.split("\t") for line in said.stdout.splitlines()]
    assert [row[1] for row in rows] == [each.label for each in expected]
    np.testing.assert_allclose([float(row[2]) for row in rows], [each.score for each in expected], atol=1e-3)
    source = (exported / "predict.py").read_text(encoding="utf-8")
    assert "eighteen" not in source
    assert "torch" not in source


def test_a_second_export_does_not_overwrite_the_first(
    run: Run, exported: Path, eighteen: Callable[..., Any]
) -> None:
    assert exported == run.path / "exports" / "onnx"
    said = eighteen("export", run.path)
    assert said.code == 1
    assert "exists already" in said.err


def test_a_model_that_disagrees_is_refused_and_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eighteen: Callable[..., Any]
) -> None:
    right = onnx_format.write

    def with_other_classes(model: Exportable, folder: Path, precision: str) -> Files:
        state = model.network.state_dict()
        name = next(
            name for name in state if name.endswith("bias") and state[name].shape == (len(model.class_names),)
        )
        state[name].copy_(state[name].flip(0) + 1.0 * (state[name] > 0))
        state[name][0] += 5
        return right(model, folder, precision)

    monkeypatch.setattr(onnx_format, "write", with_other_classes)
    said = eighteen("export", run.path, "--out", tmp_path / "wrong")
    assert said.code == 3
    assert "does not answer like" in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_answers_no_numbers_is_refused_and_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eighteen: Callable[..., Any]
) -> None:
    right = onnx_format.write

    def with_nan(model: Exportable, folder: Path, precision: str) -> Files:
        weights = next(iter(model.network.state_dict().values()))
        weights.view(-1)[0] = float("nan")
        return right(model, folder, precision)

    monkeypatch.setattr(onnx_format, "write", with_nan)
    said = eighteen("export", run.path, "--out", tmp_path / "wrong")
    assert said.code == 3
    assert "the exported model answers with NaN or infinity about" in said.err
    assert list(tmp_path.iterdir()) == []


def test_integers_are_judged_on_all_of_validation_whatever_is_compared(
    run: Run, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    out = tmp_path / "integers"
    said = eighteen("export", run.path, "--precision", "int8", "--pictures", 2, "--out", out, "--json")
    assert said.code == 0, said.err
    parity = said.json["parity"]
    for entry in ("accuracy_difference", "bare_accuracy_difference"):
        assert parity[entry]["n"] == len(run.dataset.subset("val")) == 12
    facts = Artifact.open(out).info["facts"]
    assert parity["attempts"] == len(facts["attempts"])
    assert ("the last of" in parity["note"]) == (parity["attempts"] > 1)
    assert "| Accuracy on validation, exported minus trained, through the tensor entry |" in (
        out / "README.md"
    ).read_text("utf-8")


def test_of_several_ways_to_integers_one_half_of_validation_chooses_and_the_other_tells(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eighteen: Callable[..., Any]
) -> None:
    monkeypatch.setattr(halves, "LEAST_IN_HALF", 6)
    right, asked = onnx_format.open_files, [0]

    def first_without_numbers(model: Path, bare: Path) -> Opened:
        opened, spoil = right(model, bare), np.float32(0 if asked[0] else np.nan)
        asked[0] += 1
        return replace(opened, answer=lambda pictures: opened.answer(pictures) + spoil)

    monkeypatch.setattr(onnx_format, "open_files", first_without_numbers)
    out = tmp_path / "integers"
    said = eighteen("export", run.path, "--precision", "int8", "--out", out, "--json")
    assert said.code == 0, said.err
    parity, facts = said.json["parity"], Artifact.open(out).info["facts"]
    assert parity["attempts"] == len(facts["attempts"]) > 1
    assert parity["judged_apart"] is facts["judged_apart"] is True
    for entry in ("accuracy_difference", "bare_accuracy_difference"):
        assert parity[entry]["n"] == 6
    assert "told by the half of validation that chose among none but the first" in (
        out / "README.md"
    ).read_text("utf-8")


def test_integers_without_validation_are_refused_before_anything_is_done(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eighteen: Callable[..., Any]
) -> None:
    monkeypatch.setattr(Dataset, "subset", lambda self, name: self.with_table(self.table.head(0)))
    said = eighteen("export", run.path, "--precision", "int8", "--out", tmp_path / "integers")
    assert said.code == 3
    assert "integers are judged by accuracy on validation pictures, and there are none" in said.err
    assert "--precision fp16" in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--to", "onyx"), "no format 'onyx' to export to; there are: "),
        (("--precision", "int4"), "no precision 'int4'; it has: fp32, fp16, int8"),
    ],
)
def test_what_there_is_not_is_said(
    flags: tuple[str, str], message: str, run: Run, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    said = eighteen("export", run.path, *flags, "--out", tmp_path / "model")
    assert said.code == 1
    assert message in said.err


def test_an_exported_model_is_evaluated_like_its_run(
    run: Run, exported: Path, eighteen: Callable[..., Any]
) -> None:
    said = eighteen("evaluate", exported, "--json")
    assert said.code == 0, said.err
    assert said.json["measures"]["val"]["accuracy"]["value"] == run.measures["val"]["accuracy"].value
    assert said.json["measures"]["val"]["accuracy"]["n"] == len(run.dataset.subset("val"))
    assert set(said.json["measures"]["val"]) == set(run.measures["val"])
    kept = Artifact.open(exported)
    assert kept.measures["val"]["nll"].value == pytest.approx(run.measures["val"]["nll"].value, abs=1e-4)
    assert kept.predicted_splits == ("val",)
    assert "report.html" not in {path.name for path in exported.iterdir()}


def test_the_test_split_is_opened_by_name_and_written_down(
    run: Run, exported: Path, eighteen: Callable[..., Any]
) -> None:
    before = len(run.test_openings)
    said = eighteen("evaluate", exported / "model.onnx", "--split", "test", "--json")
    assert said.code == 0, said.err
    assert set(said.json["measures"]) == {"test"}
    assert len(run.test_openings) == before + 1
    assert run.test_openings[-1]["run"].endswith("exports/onnx/model.onnx")
    assert Artifact.open(exported).test_openings == run.test_openings


def test_a_model_far_from_its_run_is_told_what_it_needs(
    run: Run, exported: Path, pictures: Path, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    alone = tmp_path / "alone.onnx"
    shutil.copy(exported / "model.onnx", alone)
    said = eighteen("evaluate", alone, "--data", pictures / "val")
    assert said.code == 1
    assert "--out FOLDER" in said.err
    said = eighteen("evaluate", alone, "--out", tmp_path / "results")
    assert said.code == 1
    assert "--source RUN" in said.err
    said = eighteen("evaluate", alone, "--out", tmp_path / "results", "--source", run.path, "--json")
    assert said.code == 0, said.err
    said = eighteen("evaluate", alone, "--out", tmp_path / "results", "--data", pictures / "val", "--json")
    assert said.code == 0, said.err
    assert set(Scored(tmp_path / "results").measures) == {"val", "data"}
    said = eighteen("evaluate", exported, "--unknown", pictures)
    assert said.code == 2
    assert "goes with a run" in said.err


def test_results_of_something_else_are_not_replaced(
    run: Run, exported: Path, eighteen: Callable[..., Any], tmp_path: Path
) -> None:
    kept = {path: path.read_bytes() for path in (run.path / "predictions").iterdir()}
    kept[run.path / "measures.json"] = (run.path / "measures.json").read_bytes()
    moved = shutil.copytree(exported, tmp_path / "moved")
    for model in (moved, moved / "model.onnx"):
        for out, kind in ((run.path, "a run"), (exported, "another export")):
            said = eighteen("evaluate", model, "--source", run.path, "--out", out)
            assert said.code == 1
            assert f"{out} is {kind}, whose own results would be replaced" in said.err
    assert {path: path.read_bytes() for path in kept} == kept
    said = eighteen("evaluate", moved, "--source", run.path, "--out", moved)
    assert said.code == 0, said.err


def test_a_model_that_cannot_be_opened_costs_no_opening_of_the_test_split(
    run: Run, exported: Path, eighteen: Callable[..., Any], tmp_path: Path
) -> None:
    broken = shutil.copytree(exported, tmp_path / "broken")
    content = (broken / "model.onnx").read_bytes()
    (broken / "model.onnx").write_bytes(content[: len(content) // 2])
    before = run.test_openings, Artifact.open(broken).test_openings
    said = eighteen("evaluate", broken, "--source", run.path, "--split", "test")
    assert said.code == 1 and "Traceback" not in said.err
    assert (run.test_openings, Artifact.open(broken).test_openings) == before


def test_modules_that_lie_about_are_not_imported_to_measure_memory(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "random.py").write_text("open('imported', 'w')\nraise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)
    assert measure_memory(Artifact.open(exported)).peak_bytes > 0
    assert not (tmp_path / "imported").exists()


def test_what_a_format_remembers_outside_of_the_folder_is_forgotten_with_a_refusal(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[Path] = []
    monkeypatch.setattr(onnx_format, "forget", forgotten.append, raising=False)
    export_module.export(run, "onnx", out=tmp_path / "right")
    assert forgotten == []
    monkeypatch.setattr(onnx_format, "open_files", lambda *given: (_ for _ in ()).throw(GateError("refused")))
    with pytest.raises(GateError):
        export_module.export(run, "onnx", out=tmp_path / "wrong")
    assert len(forgotten) == 1 and not (tmp_path / "wrong").exists()


def test_a_file_by_itself_is_evaluated_with_its_own_run_alone(
    run: Run, exported: Path, trained: Run, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    alone = tmp_path / "alone.onnx"
    shutil.copy(exported / "model.onnx", alone)
    said = eighteen("evaluate", alone, "--out", tmp_path / "results", "--source", trained.path)
    assert said.code == 1
    assert f"{alone} was not made from the weights of {trained.path}" in said.err


def test_a_file_that_takes_tensors_is_refused_with_a_sentence(
    exported: Path, pictures: Path, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    renamed = tmp_path / "mine.onnx"
    shutil.copy(exported / "bare.onnx", renamed)
    for model in (exported / "bare.onnx", renamed):
        said = eighteen("predict", model, pictures / "val")
        assert said.code == 1
        assert f"{model} takes 'tensor', and a file that takes pictures ('image') is expected" in said.err
        assert "model.onnx" in said.err


def test_a_device_that_an_exported_model_does_not_run_on_is_refused(
    exported: Path, pictures: Path, eighteen: Callable[..., Any]
) -> None:
    said = eighteen("predict", exported, pictures / "val", "--device", "cuda")
    assert said.code == 1
    assert "device 'cuda' was asked for, and exported models run on the CPU" in said.err


def test_a_folder_below_the_root_lies_in_no_run(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "resolve", lambda self, strict=False: Path("/model"))
    assert Shipped.found(exported, out=tmp_path).run is None


def test_the_file_says_what_the_weights_are_licensed_under(run: Run, exported: Path) -> None:
    import onnx

    notes = {each.key: each.value for each in onnx.load(exported / "bare.onnx").metadata_props}
    assert (notes["license"], notes["weights_source"]) == ("not stated", "trained from scratch")
    page = (exported / "README.md").read_text("utf-8")
    assert "| Training started from | trained from scratch, licence not stated |" in page


@pytest.mark.skipif(sys.platform == "darwin", reason="Core ML runs here, and is compared")
def test_what_cannot_be_compared_here_is_said_everywhere(
    run: Run, pictures: Path, tmp_path: Path, eighteen: Callable[..., Any]
) -> None:
    pytest.importorskip("coremltools", reason="coremltools is not installed")
    made = run.path / "exports" / "coreml"
    said = eighteen("export", run.path, "--to", "coreml")
    assert said.code == 0, said.err
    assert "its answers were not compared here: Core ML runs on Apple's machines alone" in " ".join(
        said.err.split()
    )
    assert "same answer" not in said.err
    assert set(Artifact.open(made).parity) == {"compared", "reason", "checked", "problems", "size_bytes"}
    assert Artifact.open(made).parity["compared"] is False
    page = (made / "README.md").read_text("utf-8")
    assert "**That was not compared.**" in page
    assert "It was opened in its own runtime" not in page
    assert "Not compared: Core ML runs on Apple" in (run.path / "report.html").read_text("utf-8")
    said = eighteen("predict", made, pictures / "val")
    assert said.code == 1
    assert "ask it on macOS, or export a format that runs here" in said.err
    shutil.rmtree(made)


@pytest.mark.slow
def test_compiled_code_is_opened_where_it_was_compiled_and_nowhere_else(
    run: Run, pictures: Path, tmp_path: Path, eighteen: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("g++") is None:
        pytest.skip("no g++")
    made = tmp_path / "compiled"
    said = eighteen("export", run.path, "--to", "aotinductor", "--out", made, "--json")
    assert said.code == 0, said.err
    assert said.json["parity"]["top1_agreement"] == 1
    assert said.json["parity"]["max_probability_difference"] < 1e-4
    moved = shutil.copytree(made, tmp_path / "moved")
    said = eighteen("predict", moved, pictures / "val", "--json")
    assert said.code == 0, said.err
    assert "model.pt2" in (moved / "README.md").read_text("utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    said = eighteen("predict", moved, pictures / "val")
    assert said.code == 1
    assert "no export on this machine recorded its SHA-256" in said.err
    assert Artifact.open(moved).info["facts"]["sha256"]["model.pt2"] in said.err
    assert "Traceback" not in said.err


def test_the_report_lists_the_exports(run: Run, exported: Path) -> None:
    page = (run.path / "report.html").read_text("utf-8")
    section = page.partition('<section id="exports">')[2].partition("</section>")[0]
    parity = Artifact.open(exported).parity
    assert ">onnx<" in section
    assert f"of {parity['n']}" in section
    assert f"{parity['memory']['peak_bytes'] / 1e6:.0f}" in section
    assert parity["memory"]["peak_bytes"] > parity["memory"]["before_bytes"] > 10e6
    # The process that was measured did not have to load PyTorch.
    assert parity["memory"]["peak_bytes"] < 400e6
