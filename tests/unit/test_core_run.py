"""The run folder: what is written comes back, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from eighteen.core.artifact import Artifact
from eighteen.core.dataset import Dataset, empty_table
from eighteen.core.errors import RunError
from eighteen.core.findings import Finding
from eighteen.core.measures import Measure
from eighteen.core.migrations import VERSION, upgraded
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run, require_absent


@pytest.fixture
def run(tmp_path: Path) -> Run:
    with Run.creating(tmp_path / "run", "classification"):
        pass
    return Run.open(tmp_path / "run")


def test_a_new_run_is_running(run: Run) -> None:
    assert run.info["state"] == "running"
    assert run.info["version"] == VERSION == 1
    assert run.history == []
    assert run.measures == {}
    assert run.predicted_splits == ()


def test_a_block_that_fails_leaves_no_run(tmp_path: Path) -> None:
    with pytest.raises(KeyError), Run.creating(tmp_path / "run", "classification"):
        raise KeyError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["file", "folder", "run"])
def test_what_exists_is_never_overwritten(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "run"
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    else:
        with Run.creating(path, "classification"):
            pass
    with pytest.raises(RunError, match="never overwritten; choose another --out"):
        require_absent(path)
    with pytest.raises(RunError, match="exists already"), Run.creating(path, "classification"):
        raise AssertionError("never reached")


def test_a_place_below_a_file_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="file is no folder; choose another --copy-to"):
        require_absent(tmp_path / "file" / "deep" / "out", "--copy-to")
    require_absent(tmp_path / "new" / "deep" / "out")


def test_state_events_and_stages_add_up(run: Run) -> None:
    run.add_event("one")
    run.set_state("interrupted")
    run.add_event("two")
    with run.stage("train"):
        pass
    with pytest.raises(ValueError), run.stage("fails"):
        raise ValueError
    info = run.info
    assert info["events"] == ["one", "two"]
    assert info["state"] == "interrupted"
    assert [stage["name"] for stage in info["stages"]] == ["train", "fails"], "what was stopped took time too"


def test_history_is_cut_and_a_half_line_goes(run: Run) -> None:
    for epoch in (1, 2, 3):
        run.add_history({"epoch": epoch})
    with (run.path / "history.jsonl").open("a") as file:
        file.write('{"epoch": 4, "tr')
    run.cut_history(3)
    run.add_history({"epoch": 4})
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4]
    run.cut_history(2)
    assert [row["epoch"] for row in run.history] == [1, 2]


def test_measures_of_splits_stand_beside_each_other(run: Run) -> None:
    val = {"accuracy": Measure(0.5, 0.4, 0.6, 10, "wilson 95 %", "val")}
    test = {"auroc": Measure(None, None, None, 3, "not defined", "test")}
    run.save_measures("val", val, {"counts": 1})
    run.save_measures("test", test, {"counts": 2})
    assert run.measures == {"val": val, "test": test}
    assert run.details == {"val": {"counts": 1}, "test": {"counts": 2}}


def test_recipe_dataset_and_findings_come_back(run: Run, tmp_path: Path) -> None:
    recipe = Recipe().changed(training={"epochs": 7}, augment={"crop": "pad"})
    run.save_recipe(recipe, {"training.epochs": "because"})
    assert run.recipe == recipe
    assert run.reasons == {"training.epochs": "because"}
    row = {"id": "ä.png", "path": "ä.png", "index": -1, "target": "a", "split": "train", "group": "g"}
    row |= {"sha256": "0", "width": 3, "height": 4, "mode": "L"}
    table = pl.concat([empty_table(), pl.DataFrame([row], schema=empty_table().schema)])
    dataset = Dataset(table, ("a", "b"), tmp_path).without({})
    run.save_dataset(dataset)
    assert run.dataset.table.equals(table)
    assert run.class_names == ("a", "b")
    assert run.dataset.fingerprint == dataset.fingerprint
    finding = Finding("leakage", "warning", "words", ("a",), "advice", (("a", "b"),))
    run.save_findings([finding])
    assert run.findings == (finding,)


def test_opening_something_else(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no such folder"):
        Run.open(tmp_path / "none")
    with pytest.raises(RunError, match=r"holds no run\.json"):
        Run.open(tmp_path)


@pytest.mark.parametrize(
    "info", [None, [], {}, {"format": "other", "version": 1}, {"format": "eighteen-run"}]
)
def test_what_is_no_run_is_refused(info: object) -> None:
    with pytest.raises(RunError, match="is no run folder"):
        upgraded(info, Path("x"))


def test_newer_versions_are_refused() -> None:
    with pytest.raises(RunError, match="newer eighteen"):
        upgraded({"format": "eighteen-run", "version": VERSION + 1}, Path("x"))


@pytest.mark.parametrize("name", ["recipe", "inputs", "dataset", "audit", "environment", "measures"])
@pytest.mark.parametrize("text", ["null", '"x"', "[1]", "7"])
def test_a_file_with_something_else_in_it_is_damage_not_a_crash(name: str, text: str, run: Run) -> None:
    (run.path / f"{name}.json").write_text(text)
    attribute = {"audit": "findings"}.get(name, name)
    with pytest.raises(RunError, match=f"{name}.json is damaged"):
        getattr(run, attribute)


def test_inputs_with_other_values_are_damage_not_a_crash(run: Run) -> None:
    (run.path / "inputs.json").write_text('{"size": "x", "fit": "stretch", "colour": 1}')
    for folder in (run, Artifact(run.path)):
        with pytest.raises(RunError) as refused:
            _ = folder.inputs
        said = str(refused.value)
        assert said.startswith(f"{run.path / 'inputs.json'} does not say how a picture becomes")
        assert "size is 'x'" in said and "fit is 'stretch'" in said and "colour is 1" in said
        assert said.endswith("restore it or make it anew") and "\n" not in said


def test_a_run_without_its_state_is_damaged() -> None:
    with pytest.raises(RunError, match=r"run\.json is damaged \(without state, stages, events\)"):
        upgraded({"format": "eighteen-run", "version": VERSION}, Path("x"))


def test_resuming_is_advised_only_for_runs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="--resume"):
        require_absent(run.path)
    with pytest.raises(RunError) as refused:
        require_absent(tmp_path / "file")
    assert "--resume" not in str(refused.value)
    with pytest.raises(RunError, match="not valid UTF-8"):
        require_absent(tmp_path / "caf\udce9")


def test_a_history_row_without_its_epoch_is_damage(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text('{"epoch": 1}\n{"train_loss": 0.5}\n')
    with pytest.raises(RunError, match="row without epoch"):
        _ = Run(tmp_path).history
