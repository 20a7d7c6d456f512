"""What other programs rely on: the JSON of each command, its exit codes, the tables it writes."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eighteen import Predictor, Recipe, Run, audit, evaluate, predict, read, report, resume, split, train

MEASURES = {"accuracy", "balanced_accuracy", "macro_f1", "auroc", "nll", "brier", "ece"}
PARTS = {"value", "low", "high", "n", "method"}


def assert_run_json(answer: dict[str, Any]) -> None:
    """The shape that `train`, `evaluate` and `demo` promise."""
    assert {"run", "report", "counts", "measures", "seconds", "images_per_second", "peak_memory_mb"} <= set(
        answer
    )
    assert Path(answer["run"]).is_dir()
    assert Path(answer["report"]).is_file()
    assert answer["counts"].keys() >= {"found", "used", "skipped", "splits"}
    assert answer["seconds"] > 0
    assert answer["images_per_second"] > 0
    assert answer["peak_memory_mb"] > 50
    for measures in answer["measures"].values():
        assert set(measures) >= MEASURES
        for measure in measures.values():
            assert set(measure) == PARTS
            if measure["value"] is not None:
                assert measure["low"] <= measure["value"] <= measure["high"]
            assert measure["n"] > 0
            assert measure["method"]


# audit


def test_audit_json(pictures: Path, eighteen: Any) -> None:
    said = eighteen("audit", pictures, "--json")
    assert said.code == 0
    answer = said.json
    assert set(answer) == {"task", "classes", "counts", "images", "skipped", "findings"}
    assert answer["task"] == "classification"
    assert answer["classes"] == ["blue", "green", "red"]
    splits = {"train": 24, "val": 12, "test": 12}
    assert answer["counts"] == {"found": 48, "used": 48, "skipped": 0, "splits": splits}
    assert len(answer["images"]) == 48
    for row in answer["images"]:
        assert set(row) == {"id", "path", "label", "split", "group"}
        assert (pictures / row["path"]).is_file()
        assert row["path"].split("/")[:2] == [row["split"], row["label"]]
    for finding in answer["findings"]:
        assert set(finding) >= {"check", "severity", "message", "images", "advice"}
        assert finding["severity"] in ("info", "warning", "blocking")
    assert said.err, "people are told on standard error"
    plain = eighteen("audit", pictures)
    assert plain.out == ""


def test_audit_names_what_is_left_out(paint: Any, eighteen: Any, tmp_path: Path) -> None:
    data = paint(tmp_path / "data", {"x": 8, "y": 8})
    (data / "x" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    answer = eighteen("audit", data, "--json").json
    assert [row["path"] for row in answer["skipped"]] == ["x/broken.jpg"]
    assert answer["skipped"][0]["reason"]
    assert answer["counts"]["found"] == answer["counts"]["used"] + 1 == 17


def test_audit_exit_codes(paint: Any, eighteen: Any, tmp_path: Path) -> None:
    only = paint(tmp_path / "only", {"train/a": 5, "train/b": 5, "val/a": 2, "val/c": 2})
    blocked = eighteen("audit", only, "--json")
    assert blocked.code == 3
    (finding,) = [row for row in blocked.json["findings"] if row["severity"] == "blocking"]
    assert finding["check"] == "class_without_training"
    assert eighteen("audit", only, "--json", "--accept", "class_without_training").code == 0
    missing = eighteen("audit", tmp_path / "nowhere", "--json")
    assert (missing.code, missing.out) == (1, "")
    assert missing.err.startswith("eighteen: ")
    assert eighteen("audit").code == 2
    assert eighteen("audit", only, "--no-such-option").code == 2
    assert eighteen("no-such-command").code == 2
    few = paint(tmp_path / "few", {"x": 8, "y": 8})
    assert eighteen("audit", few).code == 0
    assert eighteen("audit", few, "--strict").code == 3
    accepted = eighteen("audit", few, "--strict", "--accept", "few_images", "--json")
    assert accepted.code == 0, accepted.err


def test_table_paths_are_relative_to_the_table(pictures: Path, eighteen: Any, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(pictures / "train", tmp_path / "deep" / "images"))
    files = sorted(path.relative_to(tmp_path / "deep").as_posix() for path in copy.rglob("*.png"))
    table = pl.DataFrame({"image": files, "label": [file.split("/")[1] for file in files]})
    table.write_csv(tmp_path / "deep" / "labels.csv")
    answer = eighteen("audit", tmp_path / "deep" / "labels.csv", "--json").json
    assert sorted(row["path"] for row in answer["images"]) == files


# train


def test_train_json_and_its_run(pictures: Path, eighteen: Any, small_flags: Any, tmp_path: Path) -> None:
    said = eighteen("train", pictures, "--out", tmp_path / "run", "--json", *small_flags({}))
    assert said.code == 0, said.err
    assert_run_json(said.json)
    assert set(said.json["measures"]) == {"val"}
    assert said.json["measures"]["val"]["accuracy"]["n"] == 12
    assert Path(said.json["run"]) == tmp_path / "run"
    for name in (
        "run.json",
        "recipe.json",
        "environment.json",
        "dataset.parquet",
        "dataset.json",
        "audit.json",
    ):
        assert (tmp_path / "run" / name).is_file()
    for name in (
        "history.jsonl",
        "weights.safetensors",
        "inputs.json",
        "measures.json",
        "README.md",
        "report.html",
    ):
        assert (tmp_path / "run" / name).is_file()


def test_nothing_is_overwritten(
    pictures: Path, trained: Run, eighteen: Any, small_flags: Any, tmp_path: Path
) -> None:
    full, empty, file = tmp_path / "full", tmp_path / "empty", tmp_path / "file"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    empty.mkdir()
    file.write_text("mine")
    for out in (full, empty, file):
        said = eighteen("train", pictures, "--out", out, *small_flags({}))
        assert said.code == 1
        assert "never overwritten" in said.err
    assert [path.name for path in full.iterdir()] == ["mine.txt"]
    assert file.read_text() == "mine"
    table = tmp_path / "predictions.csv"
    table.write_text("mine")
    said = eighteen("predict", trained.path, pictures / "test", "--out", table)
    assert said.code == 1
    assert "never overwritten" in said.err
    assert table.read_text() == "mine"


def test_train_usage(pictures: Path, eighteen: Any, tmp_path: Path) -> None:
    assert eighteen("train", pictures).code == 2
    assert eighteen("train", "--out", tmp_path / "run").code == 2
    for budget in ("soon", "-3m", "0", "1d"):
        said = eighteen("train", pictures, "--out", tmp_path / "run", "--budget", budget)
        assert said.code == 2
        assert "is no time" in said.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["train", "crossval", "compare", "clean", "climb", "tune"])
def test_resume_takes_nothing_that_would_change_what_was_begun(
    command: str, eighteen: Any, tmp_path: Path
) -> None:
    said = eighteen(
        command, "--resume", tmp_path / "begun", "--seed", 0, "--set", "training.epochs=3", "--json"
    )
    assert said.code == 2
    assert all(word in said.err for word in ("leave", "out", "--seed", "--set"))
    assert "--json" not in said.err


def test_all_problems_of_a_recipe_at_once(pictures: Path, eighteen: Any, tmp_path: Path) -> None:
    settings = ["training.epoch=3", "optimizer.lr=-1", "augment.crop=zoomed", "nonsense"]
    flags = [part for text in settings for part in ("--set", text)]
    said = eighteen("train", pictures, "--out", tmp_path / "run", *flags)
    assert said.code == 1
    assert "4 problems" in said.err
    assert "did you mean training.epochs?" in said.err
    assert "optimizer.lr = -1" in said.err
    assert "augment.crop" in said.err
    assert "--set nonsense: expected section.key=value" in said.err
    assert said.err.count("\n") == 1, "one line"


def test_a_recipe_from_a_file(pictures: Path, eighteen: Any, small_flags: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('seed = 5\n[training]\nepochs = 1\n[loss]\nclass_weights = "balanced"\n')
    flags = [flag for flag in small_flags({}) if True]
    without_epochs = small_flags({"training.epochs": 1})
    said = eighteen(
        "train", pictures, "--out", tmp_path / "run", "--recipe", path, *without_epochs, "--seed", 6
    )
    assert said.code == 0, said.err
    recipe = Run.open(tmp_path / "run").recipe
    assert (recipe.seed, recipe.training.epochs, recipe.loss.class_weights) == (6, 1, "balanced")
    assert len(flags) == len(without_epochs)
    wrong = eighteen("train", pictures, "--out", tmp_path / "other", "--recipe", "demoo")
    assert wrong.code == 1
    assert "did you mean 'demo'?" in wrong.err


def test_budget(pictures: Path, eighteen: Any, small_flags: Any, tmp_path: Path) -> None:
    flags = small_flags({"training.epochs": 5000})
    said = eighteen("train", pictures, "--out", tmp_path / "run", "--budget", "3s", *flags)
    assert said.code == 0, said.err
    run = Run.open(tmp_path / "run")
    assert run.recipe.training.budget_minutes == pytest.approx(0.05)
    assert 1 <= len(run.history) < 5000
    assert "0.05 minutes in all" in run.reasons["training.epochs"]
    assert run.history[-1]["seconds"] < 6


def test_test_split_stays_closed_unless_asked_for(
    pictures: Path, trained: Run, eighteen: Any, small_flags: Any, tmp_path: Path
) -> None:
    assert set(trained.measures) == {"val"}
    assert trained.test_openings == []
    said = eighteen("train", pictures, "--out", tmp_path / "run", "--test", "--json", *small_flags({}))
    assert set(said.json["measures"]) == {"val", "test"}
    assert len(Run.open(tmp_path / "run").test_openings) == 1


def test_blocked_training_leaves_nothing(paint: Any, eighteen: Any, small_flags: Any, tmp_path: Path) -> None:
    data = paint(tmp_path / "data", {"train/a": 5, "train/b": 5, "val/a": 2, "val/c": 2})
    said = eighteen("train", data, "--out", tmp_path / "run", "--json", *small_flags({}))
    assert (said.code, said.out) == (3, "")
    assert "--accept class_without_training" in said.err
    assert not (tmp_path / "run").exists()
    fine = eighteen(
        "train", data, "--out", tmp_path / "run", "--accept", "class_without_training", *small_flags({})
    )
    assert fine.code == 0, fine.err
    assert Run.open(tmp_path / "run").class_names == ("a", "b")


# evaluate


@pytest.fixture
def copies(trained: Run, tmp_path: Path) -> tuple[Run, Run]:
    """Two runs on the same data."""
    one, two = (Path(shutil.copytree(trained.path, tmp_path / name)) for name in ("one", "two"))
    return Run(one), Run(two)


def test_each_opening_of_the_test_split_counts_across_runs(copies: tuple[Run, Run], eighteen: Any) -> None:
    for count, run in enumerate((copies[0], copies[1], copies[0]), start=1):
        said = eighteen("evaluate", run.path, "--split", "test", "--json")
        assert said.code == 0, said.err
        assert_run_json(said.json)
        assert set(said.json["measures"]) == {"test"}
        assert len(run.test_openings) == count
        assert {"time", "run", "purpose", "images"} <= set(run.test_openings[-1])
        page = (run.path / "report.html").read_text("utf-8")
        words = "opened once" if count == 1 else f"opened {count} times"
        assert words in page
    assert "no longer unseen" in page
    assert [Path(row["run"]).name for row in copies[0].test_openings] == ["one", "two", "one"]


def test_evaluate_val_by_default_repeats_the_numbers(
    copies: tuple[Run, Run], trained: Run, eighteen: Any
) -> None:
    said = eighteen("evaluate", copies[0].path, "--json")
    assert set(said.json["measures"]) == {"val"}
    assert copies[0].measures["val"] == trained.measures["val"]
    assert copies[0].test_openings == []


def test_evaluate_other_data(copies: tuple[Run, Run], paint: Any, eighteen: Any, tmp_path: Path) -> None:
    other = paint(tmp_path / "other", {"red": 3, "blue": 5}, seed=9)
    (other / "red" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    said = eighteen("evaluate", copies[0].path, "--data", other, "--json")
    assert said.code == 0, said.err
    assert said.json["measures"]["data"]["accuracy"]["n"] == 8
    counts = said.json["counts"]["evaluated"]["data"]
    assert counts == {"expected": 9, "scored": 8, "unreadable": 1}
    unknown = paint(tmp_path / "unknown", {"red": 3, "violet": 3})
    refused = eighteen("evaluate", copies[0].path, "--data", unknown, "--json")
    assert (refused.code, refused.out) == (1, "")
    assert "violet" in refused.err
    assert "blue, green, red" in refused.err


def test_evaluate_names_pictures_that_it_was_trained_on(
    copies: tuple[Run, Run], trained: Run, eighteen: Any
) -> None:
    said = eighteen("evaluate", copies[0].path, "--data", trained.dataset.root)
    counts = trained.dataset.split_counts
    assert f"{counts['train'] + counts['val']} of these {sum(counts.values())} pictures" in said.err


def test_evaluate_refuses(copies: tuple[Run, Run], eighteen: Any, tmp_path: Path) -> None:
    for arguments, words in (
        ((copies[0].path, "--split", "exam"), "is no split"),
        ((tmp_path / "nowhere",), "no run folder"),
        ((tmp_path,), "no run.json"),
    ):
        said = eighteen("evaluate", *arguments)
        assert said.code == 1
        assert words in said.err


def test_vanished_pictures_are_counted_not_forgotten(
    pictures: Path, small: Any, eighteen: Any, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(pictures, tmp_path / "data"))
    run = train(data, tmp_path / "run", small())
    (data / "val" / "red" / "000.png").unlink()
    (data / "val" / "red" / "001.png").write_bytes(b"")
    said = eighteen("evaluate", run.path, "--json")
    assert said.code == 0, said.err
    assert said.json["counts"]["evaluated"]["val"] == {"expected": 12, "scored": 10, "unreadable": 2}
    assert "2 unreadable" in said.err


# predict


@pytest.fixture
def mixed(pictures: Path, tmp_path: Path) -> Path:
    """A folder with three good pictures and two broken ones."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name in ("red", "green", "blue"):
        shutil.copy(pictures / "test" / name / "000.png", folder / f"{name}, 1.png")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "broken.png").write_bytes((folder / "red, 1.png").read_bytes()[:300])
    return folder


COLUMNS = ["path", "label", "score", "error", "p:blue", "p:green", "p:red"]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_predict_tables(ending: str, mixed: Path, trained: Run, eighteen: Any, tmp_path: Path) -> None:
    out = tmp_path / f"deep/predictions.{ending}"
    said = eighteen("predict", trained.path, mixed, "--out", out)
    assert said.code == 0, said.err
    assert "5 pictures" in said.err
    assert "2 could not be read" in said.err
    reader: Callable[..., pl.DataFrame] = {
        "csv": pl.read_csv,
        "parquet": pl.read_parquet,
        "jsonl": pl.read_ndjson,
    }[ending]
    rows = reader(out).to_dicts()
    assert sorted(rows[0]) == sorted(COLUMNS)
    if ending != "jsonl":
        assert list(rows[0]) == COLUMNS
    assert [Path(row["path"]).name for row in rows] == sorted(path.name for path in mixed.iterdir())
    for row in rows:
        chances = [row[name] for name in COLUMNS[4:]]
        if Path(row["path"]).name in ("empty.jpg", "broken.png"):
            assert row["error"]
            assert not row["label"]
            assert row["score"] is None
            assert chances == [None] * 3
        else:
            assert not row["error"]
            assert row["label"] in trained.class_names
            assert sum(chances) == pytest.approx(1)
            assert row["score"] == pytest.approx(max(chances))
            assert row[f"p:{row['label']}"] == row["score"]


def test_predict_json_and_lines(mixed: Path, trained: Run, eighteen: Any) -> None:
    answer = eighteen("predict", trained.path, mixed, "--json").json
    assert answer["classes"] == ["blue", "green", "red"]
    assert len(answer["predictions"]) == 5
    lines = eighteen("predict", trained.path, mixed / "red, 1.png", mixed / "gone.png").out.splitlines()
    assert len(lines) == 2
    assert lines[0].split("\t")[1] in trained.class_names
    assert lines[1].split("\t")[3]


def test_predict_refuses(mixed: Path, trained: Run, eighteen: Any, tmp_path: Path) -> None:
    xls = eighteen("predict", trained.path, mixed, "--out", tmp_path / "p.xls")
    assert xls.code == 1
    assert ".csv, .parquet, .jsonl" in xls.err
    assert eighteen("predict", tmp_path, mixed).code == 1
    assert eighteen("predict", trained.path).code == 2


def test_names_come_back_letter_for_letter(
    paint: Any, eighteen: Any, small_flags: Any, tmp_path: Path
) -> None:
    """In JSON, CSV, the report and the stored class list."""
    names = ["Straße", "cat 🐱", "猫, 科"]
    data = paint(tmp_path / "data 100%20", dict.fromkeys(names, 8))
    said = eighteen("train", data, "--out", tmp_path / "läuft", "--json", *small_flags({}))
    assert said.code == 0, said.err
    assert sorted(Run.open(tmp_path / "läuft").class_names) == sorted(names)
    table = tmp_path / "p.csv"
    assert eighteen("predict", tmp_path / "läuft", data, "--out", table).code == 0
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {f"p:{name}" for name in names} <= set(rows[0])
    assert len(rows) == 24
    assert all(name in (tmp_path / "läuft" / "report.html").read_text("utf-8") for name in names)


# the rest


def test_report_and_models_json(copies: tuple[Run, Run], eighteen: Any) -> None:
    (copies[0].path / "report.html").unlink()
    answer = eighteen("report", copies[0].path, "--json").json
    assert set(answer) == {"run", "report"}
    assert Path(answer["report"]).is_file()
    models = eighteen("models", "--json").json["models"]
    assert len(models) > 5
    assert {"name", "parameters", "macs", "input_px", "top1", "weights_license"} <= set(models[0])


def test_a_real_process_says_the_same(pictures: Path, trained: Run, start: Any, eighteen: Any) -> None:
    """`python -m eighteen`: one JSON object on standard output, all else on standard error, no colours."""
    process = start("-m", "eighteen", "audit", pictures, "--json")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0
    assert json.loads(out) == eighteen("audit", pictures, "--json").json
    assert err
    assert "\x1b" not in out + err
    refused = start("-m", "eighteen", "evaluate", "nowhere")
    out, err = refused.communicate(timeout=300)
    assert (refused.returncode, out) == (1, "")
    assert err.startswith("eighteen: ")
    assert err.count("\n") == 1


def test_output_may_be_cut_short(pictures: Path, start: Any) -> None:
    """`eighteen audit --json | head -1` is no crash."""
    process = start("-m", "eighteen", "audit", pictures, "--json")
    assert process.stdout is not None
    os.close(os.dup(process.stdout.fileno()))
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.wait(timeout=300)
    assert "Traceback" not in err


def test_python_gives_the_same_names(pictures: Path, trained: Run, small: Any) -> None:
    dataset = read(pictures)
    assert split(dataset).split_counts == {"train": 24, "val": 12, "test": 12}
    assert audit(dataset).dataset.class_names == trained.class_names
    assert isinstance(Predictor.open(trained.path), Predictor)
    assert isinstance(Recipe(), Recipe)
    assert callable(report)
    assert callable(resume)
    assert callable(evaluate)
    assert callable(predict)


@pytest.mark.slow
def test_demo(start: Any, tmp_path: Path) -> None:
    process: subprocess.Popen[str] = start("-m", "eighteen", "demo", "--json")
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    answer = json.loads(out)
    run = tmp_path / "eighteen-demo" / "run"
    answer["run"], answer["report"] = str(tmp_path / answer["run"]), str(tmp_path / answer["report"])
    assert_run_json(answer)
    assert answer["measures"]["test"]["accuracy"]["value"] >= 0.97
    assert {"val", "test"} <= set(answer["measures"])
    for fault in ("cut-off.png", "copy.png", "also-a-nine.png"):
        assert fault in err
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert rows[-1]["error"]
