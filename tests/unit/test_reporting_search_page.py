"""The page of a search tells what was confirmed, in the metric that was asked for, and on which pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eighteen.core.progress import silent
from eighteen.core.recipe import Recipe
from eighteen.core.study import Study
from eighteen.reporting.search_page import write_search_report
from eighteen.tuning import confirming
from eighteen.tuning.confirming import Effort
from tables import FakeScorer, dataset_of


def page_of(folder: Path, metric: str, folds: int, older: bool = False) -> str:
    """Of a search whose best is less sure than the default, and answers alike."""
    dataset = dataset_of(["cat", "dog"] * 150, splits=["train", "train", "val"] * 100)
    recipes = {"default": Recipe(), "best": Recipe().changed(loss={"label_smoothing": 0.5})}
    scorer = FakeScorer(dataset, lambda recipe: 0.1 if recipe.loss.label_smoothing == 0.5 else 3.0)
    found = confirming.confirm(recipes, dataset, Effort(folds, 1), metric, scorer, silent)
    compared = found.compared("default", "best").to_json()
    if older:
        del compared["metric"]
    result: dict[str, Any] = {
        "kind": "tune",
        "metric": metric,
        "comparison": compared,
        "sentence": compared["sentence"],
        "confirmation": {"folds": folds, "seeds": 1},
        "changes": {"loss.label_smoothing": 0.5},
        "dashboard": "optuna-dashboard sqlite:///trials.db",
        "importance": {},
        "trials": [],
    }
    for name, recipe in recipes.items():
        result[name] = confirming.contender(recipe, None, found.measures[name], None)
    with Study.creating(folder, "tune", {}) as staging:
        staging.save_dataset(dataset)
        staging.save_result(result)
    return write_search_report(Study.open(folder)).read_text("utf-8")


def test_a_verdict_on_log_loss_is_drawn_in_nats(tmp_path: Path) -> None:
    page = page_of(tmp_path / "study", "nll", 3)
    assert "Better than the default" in page
    assert "The dot is the difference in log loss (less is better), best minus default" in page
    assert " nats</span>" in page and " points</span>" not in page
    assert "confirmed on 300 pictures outside the test split, 3 fresh folds, 1 fresh seed." in page


def test_shares_are_drawn_in_points(tmp_path: Path) -> None:
    page = page_of(tmp_path / "study", "balanced_accuracy", 3)
    assert "The dot is the difference in balanced accuracy" in page and " points</span>" in page


def test_a_study_of_an_older_version_is_about_accuracy(tmp_path: Path) -> None:
    page = page_of(tmp_path / "study", "accuracy", 3, older=True)
    assert "The dot is the difference in accuracy" in page and " points</span>" in page


def test_one_fold_is_said_to_hold_no_validation(tmp_path: Path) -> None:
    page = page_of(tmp_path / "study", "accuracy", 1)
    assert "one fresh fold of the pictures outside the test split, none of which is validation&#39;s" in page
