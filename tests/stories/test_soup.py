"""Soups: the mean of weights, what is left out, which runs do not go together, and the run that is made."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from eighteen import Run, train
from eighteen.api import soup
from eighteen.core import store
from eighteen.core.errors import RunError
from eighteen.training.soup import Kitchen, _chosen, _norms_alike, mean_of


@pytest.fixture(scope="module")
def other(pictures: Path, small: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(pictures, tmp_path_factory.mktemp("other") / "run", small(seed=1))


def test_a_soup_of_one_run_is_that_run(trained: Run, tmp_path: Path) -> None:
    made = soup([trained.path], tmp_path / "soup")
    mine, theirs = load_file(made.weights_path), load_file(trained.weights_path)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in mine.items())
    assert made.measures["val"] == trained.measures["val"]


def test_the_command_averages_all_and_measures_norms_anew(
    trained: Run, other: Run, eighteen: Any, tmp_path: Path
) -> None:
    out = tmp_path / "soup"
    said = eighteen("soup", trained.path, other.path, "--uniform", "--out", out, "--json")
    assert said.code == 0, said.err
    run = Run.open(out)
    assert run.info["state"] == "complete"
    assert (out / "report.html").exists()
    mine, states = load_file(run.weights_path), [load_file(r.weights_path) for r in (trained, other)]
    for name, value in mine.items():
        mean = sum(state[name].double() for state in states) / 2
        if "running" in name:
            assert not torch.allclose(value.double(), mean, atol=1e-7), name
        elif value.is_floating_point():
            torch.testing.assert_close(value.double(), mean, rtol=1e-5, atol=1e-7)
    assert "the mean of" in run.info["events"][0]


def test_greedy_takes_in_only_what_helps(trained: Run) -> None:
    """The loss is the distance from 1; the states are 0.6, 3 and 1.2."""
    network = torch.nn.Linear(1, 1, bias=False)
    states = [{"weight": torch.tensor([[value]])} for value in (0.6, 3.0, 1.2)]
    kitchen = Kitchen(network, None, lambda net: abs(float(net.weight.detach()) - 1))  # type: ignore[arg-type]
    taken, weights, note = _chosen(kitchen, states, [trained] * 3)
    assert taken == [2, 0]
    assert float(weights["weight"]) == pytest.approx(0.9)
    assert "log loss on validation 0.100, the best run alone 0.200; left out" in note


@pytest.mark.parametrize(
    ("starts", "freeze", "alike"),
    [
        (("a" * 64, "a" * 64), True, True),
        (("a" * 64, "a" * 64), False, False),
        (("a" * 64, "b" * 64), True, False),
        (("", ""), True, False),
        ((None, None), True, False),
    ],
)
def test_norms_are_kept_where_all_runs_kept_those_of_one_file(
    starts: tuple[str | None, ...], freeze: bool, alike: bool, trained: Run, tmp_path: Path
) -> None:
    """From scratch, and in runs that do not name their weights, nobody can tell."""
    runs = []
    for number, start in enumerate(starts):
        run = Run.open(shutil.copytree(trained.path, tmp_path / str(number)))
        run.save_recipe(run.recipe.changed(training={"freeze_norms": freeze}), run.reasons)
        facts = {name: value for name, value in run.environment.items() if name != "weights_sha256"}
        store.write_json(
            run.path / "environment.json", facts if start is None else {**facts, "weights_sha256": start}
        )
        runs.append(run)
    assert _norms_alike(runs) is alike


def test_whole_numbers_are_those_of_the_first() -> None:
    mean = mean_of([{"n": torch.tensor(3)}, {"n": torch.tensor(8)}])
    assert mean["n"] == 3


def test_runs_that_do_not_go_together_are_refused(
    trained: Run, pictures: Path, paint: Any, small: Any, tmp_path: Path
) -> None:
    wide = train(pictures, tmp_path / "wide", small(**{"model.name": "test_resnet", "inputs.size": 20}))
    with pytest.raises(RunError, match=r"have other inputs; .*--splits-from"):
        soup([trained.path, wide.path], tmp_path / "soup")
    assert not (tmp_path / "soup").exists()


def test_the_test_split_stays_closed_whatever_the_first_run_did(trained: Run, tmp_path: Path) -> None:
    opened = Run.open(shutil.copytree(trained.path, tmp_path / "opened"))
    opened.save_recipe(opened.recipe.changed(evaluation={"open_test": True}), opened.reasons)
    made = soup([opened.path, trained.path], tmp_path / "soup", greedy=False)
    assert made.recipe.evaluation.open_test is False
    assert made.predicted_splits == ("val",)
