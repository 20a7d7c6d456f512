"""Verdicts on other metrics than accuracy: the right one, the right way round, in the right words."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from eighteen.core.errors import EighteenError
from eighteen.core.predictions import Predictions
from eighteen.measuring.paired import compare
from eighteen.measuring.verdicts import METRICS, Comparison, gained

CLASSES = ("common", "rare")


def predictions_of(targets: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]) -> Predictions:
    """What a model says, by the probability of the second class, `[N]`."""
    logits = np.log(np.stack([1 - probabilities, probabilities], axis=1)).astype(np.float32)
    ids = [f"{number:05d}.png" for number in range(len(targets))]
    names = np.array(CLASSES)
    rows = pl.DataFrame(
        {
            "id": ids,
            "path": ids,
            "target": names[targets].tolist(),
            "predicted": names[logits.argmax(axis=1)].tolist(),
            "score": np.maximum(probabilities, 1 - probabilities),
            "split": ["val"] * len(ids),
            "group": [""] * len(ids),
            "fold": [-1] * len(ids),
            "seed": [0] * len(ids),
        }
    )
    return Predictions(rows, {"logits": logits}, CLASSES, len(ids))


def answering(targets: npt.NDArray[np.int64], right: npt.NDArray[np.bool_], sure: float = 0.8) -> Predictions:
    """Gives these pictures to their class, each as surely."""
    said = np.where(right, targets, 1 - targets)
    return predictions_of(targets, np.where(said == 1, sure, 1 - sure))


def finding_rare_ones() -> tuple[Predictions, Predictions]:
    """The second finds more of the rare class, at the price of more common ones."""
    targets, random = np.repeat([0, 1], [900, 100]), np.random.default_rng(0).uniform(size=1000)
    first = random < np.where(targets == 0, 0.95, 0.4)
    second = random < np.where(targets == 0, 0.85, 0.8)
    return answering(targets, first), answering(targets, second)


def test_the_verdict_is_about_the_metric_that_was_asked_for() -> None:
    pair = finding_rare_ones()
    plain, balanced = compare(*pair), compare(*pair, metric="balanced_accuracy")
    assert (plain.verdict, balanced.verdict) == ("hurts", "helps")
    assert balanced.difference == plain.measures["balanced_accuracy"]
    assert balanced.measures == {
        "accuracy": plain.difference,
        "macro_f1": plain.measures["macro_f1"],
        "nll": plain.measures["nll"],
    }
    assert "points [" in balanced.sentence and "in balanced accuracy against the first" in balanced.sentence
    assert "in macro F1 against" in compare(*pair, metric="macro_f1").sentence


def test_in_log_loss_less_is_better() -> None:
    targets = np.arange(400) % 2
    right = np.random.default_rng(1).uniform(size=400) < 0.8
    overconfident, honest = answering(targets, right, 0.999), answering(targets, right, 0.8)
    assert compare(overconfident, honest).verdict == "no difference that matters"
    better = compare(overconfident, honest, metric="nll")
    assert better.difference.value is not None and better.difference.value < -0.5
    assert better.verdict == "helps"
    assert better.sentence.startswith(f"Helps: the second makes {better.difference.value:+.3f} nats [")
    assert "in log loss (less is better) against the first" in better.sentence
    assert compare(honest, overconfident, metric="nll").verdict == "hurts"


def test_a_hundredth_of_a_nat_does_not_matter() -> None:
    targets, random = np.arange(2000) % 2, np.random.default_rng(2)
    right = random.uniform(size=2000) < 0.8
    said = np.where(right == (targets == 1), 0.8, 0.2)
    first = predictions_of(targets, said)
    second = predictions_of(targets, said + random.normal(0, 0.002, 2000))
    found = compare(first, second, metric="nll")
    assert found.verdict == "no difference that matters"
    assert found.sentence.split("; ")[1].startswith("its 90 % interval [")
    assert "lies within ±0.01." in found.sentence
    assert compare(first, second, metric="nll", margin=1e-6).verdict != "no difference that matters"


def test_how_many_pictures_could_tell_is_that_of_accuracy_where_classes_are_of_one_size() -> None:
    targets, random = np.arange(400) % 2, np.random.default_rng(3).uniform(size=400)
    order = np.argsort(np.argsort(random))
    first, second = answering(targets, order < 300), answering(targets, (order < 294) | (order >= 388))
    plain, balanced = compare(first, second), compare(first, second, metric="balanced_accuracy")
    assert plain.verdict == balanced.verdict == "cannot tell"
    assert plain.images_needed is not None and balanced.images_needed is not None
    assert balanced.images_needed == pytest.approx(plain.images_needed, rel=0.15)


def test_a_comparison_that_was_stored_without_its_metric_is_about_accuracy() -> None:
    pair = finding_rare_ones()
    old = compare(*pair).to_json()
    assert old.pop("metric") == "accuracy"
    assert Comparison.from_json(old) == compare(*pair)
    new = compare(*pair, metric="nll")
    assert Comparison.from_json(json.loads(json.dumps(new.to_json()))) == new
    assert new.metric == "nll"


def test_what_is_not_known_is_refused() -> None:
    pair = finding_rare_ones()
    with pytest.raises(EighteenError, match=r"compared in 'auroc'; name one of accuracy, balanced_accuracy"):
        compare(*pair, metric="auroc")
    with pytest.raises(EighteenError, match=r"the margin is 0; expected a difference in macro F1 above 0"):
        compare(*pair, metric="macro_f1", margin=0)


@pytest.mark.parametrize("metric", METRICS)
def test_gains_are_turned_round_where_less_is_better(metric: str) -> None:
    assert gained((0.1, 0.2), metric) == ((-0.2, -0.1) if metric == "nll" else (0.1, 0.2))
