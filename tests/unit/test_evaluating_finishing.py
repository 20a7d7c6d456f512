"""What happens between the last step and the first measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eighteen.core.calibration import Calibration
from eighteen.core.dataset import Dataset
from eighteen.core.progress import silent
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.evaluating import finishing
from eighteen.training.frozen import as_predictions
from tabular import dataset_of


@pytest.mark.parametrize(
    "asked",
    [{}, {"loss": {"class_weights": "balanced"}}, {"training": {"sampling": "balanced"}}],
    ids=["natural", "weights", "sampling"],
)
def test_a_run_that_balances_classes_is_calibrated_without_changing_answers(
    asked: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(5)
    index = generator.choice(3, 1500, p=[0.7, 0.2, 0.1])
    logits = (1.5 * generator.normal(1.5 * np.eye(3)[index])).astype(np.float32)
    dataset = dataset_of(np.array(["a", "b", "c"])[index].tolist(), "val")
    said = as_predictions(dataset, logits, np.full(len(logits), -1))
    monkeypatch.setattr(finishing, "score_dataset", lambda *args: said)
    found = _calibrated(Recipe().changed(**asked), dataset, tmp_path / "run")
    assert (found.method == "vector") == (not asked)
    if asked:
        np.testing.assert_array_equal(found.apply(logits).argmax(axis=1), logits.argmax(axis=1))
        assert "rare classes" in found.reason


def _calibrated(recipe: Recipe, dataset: Dataset, path: Path) -> Calibration:
    """What `finish` makes of a run that is trained already."""
    with Run.creating(path, dataset.task) as staging:
        staging.save_recipe(recipe, {})
        staging.save_dataset(dataset)
        staging.set_state("trained")
    run = Run.open(path)
    finishing.finish(run, dataset, (), silent)
    return run.calibration
