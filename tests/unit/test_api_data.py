"""Splits as the recipe asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eighteen import api
from eighteen.core.config import recipe_from_json
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from tabular import dataset_of


@pytest.mark.parametrize("asked", [{"val_fraction": 0.4}, {"test_fraction": 0.4}, {"split_seed": 1}])
def test_pictures_that_the_run_did_not_know_are_split_as_asked(asked: dict[str, Any], tmp_path: Path) -> None:
    known = dataset_of(["cat", "dog"] * 10, ["train"] * 12 + ["val"] * 4 + ["test"] * 4)
    with Run.creating(tmp_path / "run", known.task) as staging:
        staging.save_dataset(known)
    grown = dataset_of(["cat", "dog"] * 200, "")
    plain = Recipe().changed(data={"splits_from": str(tmp_path / "run")})
    found = api.split(grown, plain.changed(data=asked))
    assert found.table["split"][:20].to_list() == known.table["split"].to_list()
    assert found.table["split"].to_list() != api.split(grown, plain).table["split"].to_list()
    for split in ("val", "test"):
        if share := asked.get(f"{split}_fraction"):
            new = found.table["split"][20:].to_list()
            assert new.count(split) / len(new) == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        (["train", "val", "test"], "data.val_fraction, data.test_fraction moves no picture"),
        (["train", "train", "test"], "stay as they are: data.test_fraction moves no picture"),
        (["", "", ""], ""),
    ],
)
def test_shares_that_given_splits_leave_nothing_to_do_are_named(splits: list[str], said: str) -> None:
    given = dataset_of(["cat", "dog", "cat"] * 10, splits * 10)
    asked = Recipe().changed(data={"val_fraction": 0.4, "test_fraction": 0.4})
    told = [note.message for note in api.split(given, asked).notes if note.check == "idle_shares"]
    assert len(told) == bool(said) and said in " ".join(told)
    listed = recipe_from_json(Recipe().model_dump())  # as in a report, where every value stands
    for recipe in (Recipe(), listed, asked.changed(data={"resplit": True})):
        assert "idle_shares" not in {note.check for note in api.split(given, recipe).notes}
