"""What a stored calibration may say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from eighteen.core.calibration import Calibration
from eighteen.core.errors import RunError

BENT = Calibration("bent", (0.5, 0.5), (0.0, 0.0), "why", 60, 0.2)


def test_what_was_written_is_read_back() -> None:
    for each in (Calibration(), BENT, Calibration("vector", (1.0, -0.1), (0.2, 0.3), "why", 9)):
        assert Calibration.from_json(each.to_json()) == each


def test_runs_of_before_there_were_bends_have_none() -> None:
    row = BENT.to_json()
    del row["bend"]
    assert Calibration.from_json(row).bend == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "platt"}, "'platt'"),
        ({"scale": [1.0]}, "1 scales and 2 biases"),
        ({"scale": [], "bias": []}, "0 scales"),
        ({"scale": [1.0, float("nan")]}, "finite"),
        ({"scale": [1.0, 0.0]}, "above 0"),
        ({"bend": -0.1}, "0 or more"),
        ({"bend": float("nan")}, "0 or more"),
        ({"bend": "much"}, "cannot be read"),
        ({"scale": None}, "cannot be read"),
    ],
)
def test_what_no_fit_gives_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(RunError, match=words):
        Calibration.from_json(BENT.to_json() | change)
    row = BENT.to_json()
    del row["n"]
    with pytest.raises(RunError, match="cannot be read"):
        Calibration.from_json(row)


def test_a_bend_keeps_the_order_of_classes() -> None:
    logits = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32) * 5
    np.testing.assert_array_equal(BENT.apply(logits).argsort(1), logits.argsort(1))
