"""Cross-validation: every picture outside the test split is scored by a training that never saw it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eighteen import Recipe, report
from eighteen.api import compare_recipes, crossval, resume_crossval
from eighteen.core.errors import DatasetError, Interrupted, RecipeError, RunError
from eighteen.core.study import Study
from eighteen.evaluating import crossval as crossval_module


def asked(small: Callable[..., Recipe]) -> Recipe:
    return small(**{"training.epochs": 1})


@pytest.fixture(scope="module")
def study(small: Callable[..., Recipe], pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    out = tmp_path_factory.mktemp("crossval") / "study"
    return crossval(pictures, out, asked(small), folds=3, repeats=2)


def test_every_picture_outside_the_test_split_is_scored_once_a_repeat(study: Study) -> None:
    dataset = study.dataset
    expected = set(dataset.table.filter(dataset.table["split"] != "test")["id"])
    for seed in (0, 1):
        rows = study.predictions.rows.filter(seed=seed)
        assert set(rows["id"]) == expected
        assert rows["id"].is_unique().all()
        assert set(rows["fold"]) == {0, 1, 2}


def test_no_training_saw_what_it_was_scored_on(study: Study) -> None:
    for run in study.runs:
        trained = set(run.dataset.table["id"])
        assert trained.isdisjoint(run.predictions("held_out").rows["id"])
        assert run.dataset.split_counts["test"] == 0
        assert run.dataset.split_counts["val"] > 0
        assert not run.test_openings


def test_each_training_has_its_share_of_validation_though_the_split_was_made_by_hash(
    paint: Callable[..., Path], small: Callable[..., Recipe], tmp_path: Path
) -> None:
    photos = paint(tmp_path / "photos", {"blue": 150, "red": 150})
    made = crossval(photos, tmp_path / "study", asked(small), folds=2)
    for run in made.runs:
        counts = run.dataset.split_counts
        assert counts["val"] / (counts["val"] + counts["train"]) == pytest.approx(0.15, abs=0.08)


def test_too_many_folds_leave_nothing_behind(
    pictures: Path, small: Callable[..., Recipe], tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match="9000 folds of"):
        crossval(pictures, tmp_path / "study", asked(small), folds=9000)
    assert not (tmp_path / "study").exists()


def test_repeats_have_other_folds_and_other_seeds(study: Study) -> None:
    folds = study.predictions.rows.select("id", "seed", "fold").pivot("seed", index="id", values="fold")
    assert (folds["0"] != folds["1"]).any()
    assert {run.recipe.seed for run in study.runs} == {0, 1}


def test_measures_count_pictures_and_not_their_repeats(study: Study) -> None:
    pictures = study.predictions.rows["id"].n_unique()
    assert study.measures["accuracy"].n == pictures
    assert study.info["state"] == "complete"
    page = (study.path / "report.html").read_text(encoding="utf-8")
    assert f"{100 * study.measures['accuracy'].value:.1f}" in page


def test_an_interrupted_study_goes_on_and_ends_the_same(
    study: Study,
    small: Callable[..., Recipe],
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = crossval_module.held_out_predictions
    calls = []

    def stopping(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 3:
            raise Interrupted("stopped", 130)
        return known(*given)

    monkeypatch.setattr(crossval_module, "held_out_predictions", stopping)
    out = tmp_path / "study"
    with pytest.raises(Interrupted, match="--resume"):
        crossval(pictures, out, asked(small), folds=3, repeats=2)
    assert Study.open(out).info["state"] == "interrupted"
    with pytest.raises(RunError, match="no answer yet"):
        report(out)
    first = (out / "runs" / "seed-0-repeat-0-fold-0" / "weights.safetensors").stat().st_mtime_ns
    resumed = resume_crossval(out)
    assert (out / "runs" / "seed-0-repeat-0-fold-0" / "weights.safetensors").stat().st_mtime_ns == first
    assert resumed.measures == study.measures
    assert resumed.predictions.rows.equals(study.predictions.rows)


def test_the_command_prints_what_other_programs_rely_on(
    eighteen: Callable[..., Any], small_flags: Callable[..., list[str]], pictures: Path, tmp_path: Path
) -> None:
    flags = small_flags({"training.epochs": 1})
    said = eighteen("crossval", pictures, "--out", tmp_path / "cv", "--folds", 2, "--json", *flags)
    assert said.code == 0
    assert said.json["folds"] == 2
    assert set(said.json["measures"]["accuracy"]) == {"value", "low", "high", "n", "method"}
    rows = pl.read_parquet(said.json["predictions"])
    assert {"fold", "seed"} <= set(rows.columns)


def test_what_cannot_be_cross_validated_is_refused(
    small: Callable[..., Recipe], pictures: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="2 folds or more"):
        crossval(pictures, tmp_path / "one", small(), folds=1)
    with pytest.raises(RunError, match="no study"):
        resume_crossval(tmp_path)


def test_the_audit_s_warnings_are_told_before_any_training(
    paint: Callable[..., Path],
    small: Callable[..., Recipe],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photos = paint(tmp_path / "photos", {"blue": 60, "red": 4})
    told: list[str] = []
    monkeypatch.setattr("eighteen.api.studies.resume_crossval", lambda out, progress: Study.open(out))
    monkeypatch.setattr("eighteen.api.studies.resume_compare", lambda out, progress: None)
    tell = lambda stage, done, total, note: told.append(f"{stage} {note}")  # noqa: E731
    crossval(photos, tmp_path / "cv", small(), progress=tell)
    of_crossval = [note for note in told if note.startswith("warning imbalance")]
    assert len(of_crossval) == 1
    other = small(**{"training.epochs": 1})
    compare_recipes(photos, tmp_path / "compared", small(), other, progress=tell)
    assert [note for note in told if note.startswith("warning imbalance")] == 2 * of_crossval


def test_studies_take_the_options_of_train() -> None:
    from typer.main import get_command

    from eighteen.cli.main import app

    options = {
        name: {parameter.name for parameter in command.params}
        for name, command in get_command(app).commands.items()  # type: ignore[attr-defined]
    }
    own = {"data", "out", "resume", "test"}
    for study in ("crossval", "compare"):
        assert options["train"] - own <= options[study], study


def test_few_pictures_are_told_to_be_cross_validated(
    pictures: Path, eighteen: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    findings = {row["check"]: row for row in eighteen("audit", pictures, "--json").json["findings"]}
    assert "with 12 pictures a class" in findings["small_data"]["message"]
    assert "eighteen crossval" in findings["small_data"]["advice"]

    def stop(*_: Any) -> None:
        raise RunError("no training here")

    monkeypatch.setattr("eighteen.training.planning.plan", stop)
    said = eighteen("train", pictures, "--out", tmp_path / "run")
    assert "with 12 pictures a class" in said.err
    assert "eighteen crossval" in said.err
