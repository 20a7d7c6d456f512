"""The failure cases about evaluation: measures that say nothing, and answers that depend on their company."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from eighteen import Predictor, Run, evaluate, predict
from eighteen.core import store
from eighteen.inference.scoring import Scorer

COVERED = {"C61", "C63"}
TOLERANCE = 1e-4


@pytest.mark.shared
def test_no_case_is_forgotten(shared: Path) -> None:
    text = (shared / "cases" / "CASES.md").read_text("utf-8")
    section = text.partition("\n## evaluation\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^### (C\d+)", section, re.MULTILINE)) == COVERED


# C61: top-5 with few classes


@pytest.fixture(scope="module")
def of_classes(paint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Makes a data set of so many classes."""

    def made(count: int) -> Path:
        places = {f"{split}/c{k}": 6 for split in ("train", "val") for k in range(count)}
        return paint(tmp_path_factory.mktemp("classes") / "data", places)

    return made


@pytest.mark.parametrize("count", [2, 5])
def test_c61_up_to_five_classes_show_no_top_5(
    count: int, of_classes: Any, eighteen: Any, small_flags: Any, tmp_path: Path
) -> None:
    flags = small_flags({"training.epochs": 1})
    said = eighteen("train", of_classes(count), "--out", tmp_path / "run", "--json", *flags)
    assert said.code == 0, said.err
    again = eighteen("evaluate", tmp_path / "run", "--json")
    assert again.code == 0, again.err
    run = Run.open(tmp_path / "run")
    pages = [(run.path / name).read_text("utf-8") for name in ("report.html", "README.md", "measures.json")]
    for text in (said.text, again.text, json.dumps(run.history), *pages):
        assert "top5" not in text.lower().replace("-", "").replace("_", "").replace(" ", "")


def test_c61_six_classes_show_a_top_5_that_can_be_missed(
    of_classes: Any, eighteen: Any, small_flags: Any, tmp_path: Path
) -> None:
    flags = small_flags({"training.epochs": 1})
    said = eighteen("train", of_classes(6), "--out", tmp_path / "run", "--json", *flags)
    assert said.code == 0, said.err
    predictions = Run.open(tmp_path / "run").predictions("val")
    fifth = np.sort(predictions.logits, axis=1)[:, -5]
    own = predictions.logits[np.arange(len(predictions)), predictions.targets]
    found = said.json["measures"]["val"]["top5_accuracy"]["value"]
    assert found == pytest.approx((own >= fifth).mean())


# C63: answers that depend on what else is in the batch


def test_c63_scores_do_not_depend_on_the_company(trained: Run, pictures: Path) -> None:
    files = sorted((pictures / "test").rglob("*.png"))[:8]
    predictor = Predictor.open(trained.path)
    alone = [predictor.predict([file])[0].probabilities for file in files]
    for other in (
        [row.probabilities for row in predictor.predict(files)],
        [row.probabilities for row in predictor.predict(files)],
        [row.probabilities for row in predictor.predict(files, batch_size=3)],
        [predictor.predict([file.read_bytes()])[0].probabilities for file in files],
        [row.probabilities for row in predict(trained.path, files).rows],
    ):
        assert np.abs(np.array(other) - np.array(alone)).max() <= TOLERANCE


def test_c63_the_command_says_the_same_of_one_picture_and_of_many(
    trained: Run, pictures: Path, eighteen: Any
) -> None:
    files = sorted((pictures / "test").rglob("*.png"))[:4]

    def scores(*sources: Path) -> npt.NDArray[np.float64]:
        said = eighteen("predict", trained.path, *sources, "--json")
        assert said.code == 0, said.err
        names = [f"p:{name}" for name in said.json["classes"]]
        return np.array([[row[name] for name in names] for row in said.json["predictions"]])

    together = scores(*files)
    assert np.abs(np.concatenate([scores(file) for file in files]) - together).max() <= TOLERANCE
    assert (scores(*files) == together).all()


@pytest.mark.parametrize("batch_size", [1, 5])
def test_c63_an_evaluation_says_what_prediction_says(
    batch_size: int, trained: Run, pictures: Path, tmp_path: Path
) -> None:
    run = Run(Path(shutil.copytree(trained.path, tmp_path / "copy")))
    run.save_recipe(run.recipe.changed(evaluation={"batch_size": batch_size}), run.reasons)
    weights = run.weights_path.read_bytes()
    found = evaluate(run, "val").predictions
    files = [pictures / path for path in found.rows["path"]]
    answers = Predictor.open(run.path).predict(files)
    assert np.abs(np.array([row.probabilities for row in answers]) - found.probabilities).max() <= TOLERANCE
    assert run.weights_path.read_bytes() == weights


@pytest.mark.parametrize("training", [True, False])
def test_c63_the_mode_is_put_back(training: bool, trained: Run) -> None:
    predictor = Predictor.open(trained.path)
    scorer = predictor.forward
    assert isinstance(scorer, Scorer)
    scorer.network.train(training)
    before = {name: value.clone() for name, value in scorer.network.state_dict().items()}
    scorer(np.zeros((4, 3, 16, 16), np.float32))
    assert scorer.network.training is training
    assert all(bool((before[name] == value).all()) for name, value in scorer.network.state_dict().items())


def test_c63_evaluating_twice_gives_the_same_file(trained: Run, tmp_path: Path) -> None:
    run = Run(Path(shutil.copytree(trained.path, tmp_path / "copy")))
    hashes = []
    for _ in range(2):
        evaluate(run, "val")
        hashes.append(store.file_sha256(run.path / "measures.json"))
    assert hashes[0] == hashes[1]
