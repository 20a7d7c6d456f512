"""Metrics against scikit-learn and torchmetrics, on ties, missing classes, one class, and K = 2."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn import metrics as reference
from torchmetrics.functional.classification import multiclass_auroc, multiclass_calibration_error

from eighteen.measuring import metrics
from eighteen.measuring.auroc import macro_auroc
from eighteen.measuring.tallies import f1_scores, precisions, recalls, tally

Case = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]


def _cases() -> Iterator[Case]:
    generator = np.random.default_rng(5)
    for repeat in range(60):
        n, k = int(generator.integers(1, 80)), int(generator.choice([2, 3, 4, 7, 12]))
        logits = generator.normal(size=(n, k)) * 2
        if repeat % 3 == 0:
            logits = np.round(logits)  # ties
        targets = generator.integers(0, 1 if repeat % 10 == 0 else generator.integers(1, k + 1), n)
        exponent = np.exp(logits)
        yield targets, exponent / exponent.sum(axis=1, keepdims=True)


@pytest.fixture(params=list(_cases()), ids=lambda case: f"{case[1].shape}")
def case(request: pytest.FixtureRequest) -> Case:
    chosen: Case = request.param
    return chosen


def test_label_metrics_equal_scikit_learn(case: Case) -> None:
    targets, probabilities = case
    predicted = probabilities.argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of classes that are only predicted
        balanced = reference.balanced_accuracy_score(targets, predicted)
    assert metrics.accuracy(*case) == pytest.approx(reference.accuracy_score(targets, predicted), abs=1e-12)
    assert metrics.balanced_accuracy(*case) == pytest.approx(balanced, abs=1e-12)
    macro = reference.f1_score(targets, predicted, average="macro", zero_division=0)
    assert metrics.macro_f1(*case) == pytest.approx(macro, abs=1e-12)


def test_class_metrics_equal_scikit_learn(case: Case) -> None:
    targets, probabilities = case
    k, predicted = probabilities.shape[1], probabilities.argmax(axis=1)
    expected = reference.precision_recall_fscore_support(
        targets, predicted, labels=range(k), zero_division=np.nan
    )
    tallies = tally(targets, predicted, k)
    np.testing.assert_allclose(precisions(tallies), expected[0], atol=1e-12)
    np.testing.assert_allclose(recalls(tallies), expected[1], atol=1e-12)
    np.testing.assert_allclose(f1_scores(tallies), expected[2], atol=1e-12)
    np.testing.assert_array_equal(tallies.support, expected[3])
    matrix = reference.confusion_matrix(targets, predicted, labels=range(k))
    np.testing.assert_array_equal(metrics.confusion_matrix(targets, predicted, k), matrix)


def test_probability_metrics_equal_scikit_learn(case: Case) -> None:
    targets, probabilities = case
    labels = range(probabilities.shape[1])
    loss = reference.log_loss(targets, probabilities, labels=labels)
    assert metrics.nll(*case) == pytest.approx(loss, abs=1e-12)
    score = reference.brier_score_loss(targets, probabilities, labels=labels, scale_by_half=False)
    assert metrics.brier(*case) == pytest.approx(score, abs=1e-12)


def test_auroc_is_the_mean_over_classes_with_positives_and_negatives(case: Case) -> None:
    targets, probabilities = case
    defined = [k for k in range(probabilities.shape[1]) if 0 < (targets == k).sum() < len(targets)]
    # Equal up to the softmax's last bits is a tie here; scikit-learn is shown the same ties by rounding.
    shown = probabilities.round(13)
    expected = [reference.roc_auc_score(targets == k, shown[:, k]) for k in defined]
    if not defined:
        assert metrics.auroc(*case) is None
    else:
        assert metrics.auroc(*case) == pytest.approx(np.mean(expected), abs=1e-12)


def test_ece_equals_torchmetrics(case: Case) -> None:
    targets, probabilities = case
    theirs = multiclass_calibration_error(
        torch.from_numpy(probabilities),
        torch.from_numpy(targets),
        num_classes=probabilities.shape[1],
        n_bins=15,
    )
    assert metrics.ece(*case) == pytest.approx(float(theirs), abs=1e-6)


def test_auroc_equals_torchmetrics_when_every_class_is_there() -> None:
    generator = np.random.default_rng(1)
    targets, probabilities = np.arange(90) % 6, generator.dirichlet(np.ones(6), 90)
    theirs = multiclass_auroc(torch.from_numpy(probabilities), torch.from_numpy(targets), num_classes=6)
    assert metrics.auroc(targets, probabilities) == pytest.approx(float(theirs), abs=1e-6)


def test_top5_equals_scikit_learn_and_needs_more_than_five_classes() -> None:
    generator = np.random.default_rng(2)
    targets, probabilities = generator.integers(0, 9, 70), generator.dirichlet(np.ones(9), 70)
    expected = reference.top_k_accuracy_score(targets, probabilities, k=5, labels=range(9))
    assert metrics.top5_accuracy(targets, probabilities) == pytest.approx(expected, abs=1e-12)
    assert metrics.top5_accuracy(targets % 5, probabilities[:, :5]) is None


def test_top5_of_equal_probabilities_is_five_of_k() -> None:
    assert metrics.top5_accuracy(np.arange(8), np.full((8, 8), 1 / 8)) == pytest.approx(5 / 8)


NAMES = ["accuracy", "balanced_accuracy", "macro_f1", "auroc", "nll", "brier", "ece", "top5_accuracy"]


@pytest.mark.parametrize("name", NAMES)
def test_a_weight_is_that_many_copies(name: str) -> None:
    generator = np.random.default_rng(3)
    targets, table = generator.integers(0, 7, 50), generator.dirichlet(np.ones(7), 50).round(2)
    copies = generator.integers(0, 4, 50)
    metric = getattr(metrics, name)
    repeated = metric(np.repeat(targets, copies), np.repeat(table, copies, axis=0))
    assert metric(targets, table, copies) == pytest.approx(repeated, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_targets_are_left_out_and_nothing_gives_none(name: str) -> None:
    generator = np.random.default_rng(4)
    targets, table = generator.integers(0, 7, 40), generator.dirichlet(np.ones(7), 40)
    metric = getattr(metrics, name)
    some = np.where(np.arange(40) < 10, -1, targets)
    assert metric(some, table) == metric(targets[10:], table[10:])
    assert metric(np.full(40, -1), table) is None
    assert metric(targets[:0], table[:0]) is None


def test_zero_probability_costs_as_much_as_in_scikit_learn() -> None:
    targets, table = np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]])
    assert metrics.nll(targets, table) == pytest.approx(reference.log_loss(targets, table), abs=1e-12)
    assert metrics.nll(targets, table) == pytest.approx(-np.log(2.0**-52) / 2, abs=1e-9)


def test_last_bits_do_not_break_ties() -> None:
    scores = np.array([0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2])
    table = np.stack([scores, 1 - scores, np.zeros(4)], axis=1)
    area = macro_auroc(np.array([0, 2, 2, 0]), table)
    assert area.by_class[0][0] == 0.5
    ones_third = np.array([1 / 3, np.nextafter(1 / 3, 0)])
    bins, _ = metrics.calibration_gaps(np.zeros(2, np.int64), np.zeros(2, np.int64), ones_third[:, None])
    assert bins.tolist() == [5, 5]


def test_influence_predicts_auroc_of_a_resample() -> None:
    generator = np.random.default_rng(6)
    targets = generator.integers(0, 3, 3000)
    table = generator.dirichlet(np.ones(3), 3000)
    table[np.arange(3000), targets] += 0.3
    area = macro_auroc(targets, table)
    counts = np.bincount(generator.integers(0, 3000, 3000), minlength=3000).astype(np.float64)
    exact = metrics.auroc(targets, table, counts)
    assert area.value is not None and exact is not None
    assert area.value + counts @ area.influence == pytest.approx(exact, abs=2e-4)
    assert abs(exact - area.value) > 5e-4  # so that the line above says something
