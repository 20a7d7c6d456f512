"""A shift is named where coverage is too low, or where validation is an easier exam; and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from eighteen.core.dataset import SCHEMA, Dataset
from eighteen.core.predictions import Predictions
from eighteen.evaluating.shift import name_shift
from eighteen.tasks._evidence import set_evidence
from synthetic import honest_logits

CLASSES = ("ant", "bee", "cow")
N = 400


def answers(seed: int, split: str, groups: list[str], confidence: float = 1.0) -> Predictions:
    """Of a model that is right as often as it says, or less often where its confidence is above 1."""
    logits, targets = honest_logits(N, 3, seed)
    rows = pl.DataFrame(
        {
            "id": [f"{split}/{row}" for row in range(N)],
            "path": "x",
            "target": [CLASSES[k] for k in targets],
            "predicted": "",
            "score": 0.0,
            "split": split,
            "group": groups,
            "fold": -1,
            "seed": 0,
        }
    )
    return Predictions(rows, {"logits": logits * np.float32(confidence)}, CLASSES, N)


def trained_on(groups: list[str]) -> Dataset:
    table = pl.DataFrame({name: pl.Series(dtype=kind) for name, kind in SCHEMA.items()})
    rows = pl.DataFrame({"id": groups, "group": groups}).with_columns(
        split=pl.lit("train"), target=pl.lit("ant")
    )
    return Dataset(pl.concat([table, rows], how="diagonal"), CLASSES, Path())


def named(test: Predictions, validation: Predictions, training: list[str]) -> dict[str, Any]:
    measures, details = set_evidence(test, validation, "test", 0.95)
    return name_shift(trained_on(training), validation, test, "test", measures, details["sets"])


NONE = [""] * N
OWN = [f"g{row // 4}" for row in range(N)]
OTHER = [f"h{row // 4}" for row in range(N)]


def test_pictures_of_the_same_kind_name_nothing() -> None:
    for groups in (NONE, OWN):
        assert named(answers(1, "test", groups), answers(2, "val", groups), ["g1"])["sentence"] == ""


def test_too_little_coverage_is_named_with_what_differs() -> None:
    found = named(answers(1, "test", OTHER, confidence=3), answers(2, "val", OWN), ["g1", "g2"])
    assert found["too_low"] == ["90", "95"]
    assert "test pictures are not like validation" in found["sentence"]
    assert "none of the 100 test groups occurs in validation" in found["sentence"]
    assert "2 of the 100 validation groups occur in training" in found["sentence"]


def test_too_little_coverage_without_a_known_difference_says_so() -> None:
    found = named(answers(1, "test", NONE, confidence=3), answers(2, "val", NONE), [])
    assert found["too_low"]
    assert "Neither groups nor shares of classes explain it" in found["sentence"]


@pytest.mark.parametrize(("training", "easier"), [(["g1"], True), (["t1"], False)])
def test_an_easier_validation_is_named_though_coverage_is_as_asked(training: list[str], easier: bool) -> None:
    found = named(answers(1, "test", OTHER), answers(2, "val", OWN), training)
    assert not found["too_low"]
    assert found["differences"]
    assert ("differ from validation by construction" in found["sentence"]) is easier
