"""Debiased calibration error against simulated truth, and the bins of the reliability diagram."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.isotonic import IsotonicRegression

from eighteen.core.predictions import softmax
from eighteen.measuring.calibration import debiased_ece, reliability
from eighteen.measuring.intervals import wilson
from eighteen.measuring.metrics import ece

Ints = npt.NDArray[np.int64]
Logits = npt.NDArray[np.float32]


def _honest(n: int, seed: int) -> tuple[Logits, Ints]:
    """Logits whose softmax is the true distribution of the targets."""
    generator = np.random.default_rng(seed)
    logits = (generator.normal(size=(n, 4)) * 2).astype(np.float32)
    drawn = (softmax(logits).cumsum(axis=1) < generator.random((n, 1))).sum(axis=1)
    return logits, np.minimum(drawn, 3).astype(np.int64)


def _mean_errors(n: int, temperature: float, repeats: int = 60) -> tuple[float, float]:
    """Means over simulated sets of the plain and of the debiased ECE."""
    found = []
    for seed in range(repeats):
        logits, targets = _honest(n, 1000 + seed)
        table = softmax(logits * np.float32(temperature))
        found.append((ece(targets, table), debiased_ece(targets, table)))
    plain, debiased = np.array(found, dtype=np.float64).mean(axis=0)
    return float(plain), float(debiased)


def _true_error(temperature: float) -> float:
    """ECE of a very large set: confidence against an isotonic fit of how often it is right."""
    logits, targets = _honest(200_000, 99)
    table = softmax(logits * np.float32(temperature))
    confidence, right = table.max(axis=1), table.argmax(axis=1) == targets
    return float(np.abs(IsotonicRegression().fit_transform(confidence, right) - confidence).mean())


@pytest.mark.parametrize("n", [200, 500, 2000])
def test_debiased_error_of_a_calibrated_model_is_much_nearer_to_zero(n: int) -> None:
    plain, debiased = _mean_errors(n, 1.0)
    assert plain > 0.6 / np.sqrt(n)
    assert 0 <= debiased < 0.4 * plain


@pytest.mark.parametrize("temperature", [0.5, 1.6, 3.0])
def test_debiased_error_of_a_miscalibrated_model_is_near_the_truth(temperature: float) -> None:
    truth = _true_error(temperature)
    assert truth > 0.04
    for n in (200, 500, 2000):
        plain, debiased = _mean_errors(n, temperature)
        assert debiased == pytest.approx(truth, abs=0.35 / np.sqrt(n))
        assert debiased <= plain


@pytest.mark.parametrize("n", [1, 2, 40])
def test_debiased_error_is_between_zero_and_the_plain_one(n: int) -> None:
    for seed in range(30):
        logits, targets = _honest(n, seed)
        for scale in (0.0, 1.0, 5.0, 1000.0):
            table = softmax(logits * np.float32(scale))
            plain, debiased = ece(targets, table), debiased_ece(targets, table)
            assert plain is not None and debiased is not None and 0 <= debiased <= plain


def test_reliability_bins_hold_equal_numbers_and_their_means() -> None:
    logits, targets = _honest(503, seed=16)
    table = softmax(logits)
    diagram = reliability(targets, table)
    assert len(diagram) == 10 and {bin_.n for bin_ in diagram} == {50, 51}
    order = table.max(axis=1).argsort()
    right = (table.argmax(axis=1) == targets)[order]
    confidence, start = table.max(axis=1)[order], 0
    for bin_ in diagram:
        part = slice(start, start := start + bin_.n)
        assert bin_.confidence == pytest.approx(confidence[part].mean(), abs=1e-12)
        assert bin_.accuracy == pytest.approx(right[part].mean(), abs=1e-12)
        assert (bin_.low, bin_.high) == tuple(map(float, wilson(right[part].sum(), bin_.n)))
    assert start == 503


def test_reliability_of_a_calibrated_model_is_on_the_diagonal_as_often_as_it_says() -> None:
    held = []
    for seed in range(40):
        logits, targets = _honest(400, 2000 + seed)
        held += [bin_.low <= bin_.confidence <= bin_.high for bin_ in reliability(targets, softmax(logits))]
    assert 0.91 <= np.mean(held) <= 0.985


def test_equal_confidences_share_a_bin() -> None:
    confidence = np.array([0.6] * 7 + [0.3 + 0.6] * 2 + [0.9])
    table = np.stack([confidence, 1 - confidence], axis=1)
    diagram = reliability(np.zeros(10, np.int64), table)
    assert [(bin_.n, round(bin_.confidence, 9)) for bin_ in diagram] == [(7, 0.6), (3, 0.9)]
    assert len(reliability(np.zeros(10, np.int64), table, bins=1)) == 1
