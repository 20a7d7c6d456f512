"""What is beyond the limits of a precision, and what is luck among few pictures."""

from __future__ import annotations

import pytest

from eighteen.core.measures import Measure
from eighteen.exporting.limits import LIMITS, problems_of


def told(precision: str, lost: int, n: int, agreement: float = 1.0) -> str:
    accuracy = Measure(-lost / n, -0.1, 0.1, n, "paired")
    return " ".join(problems_of(LIMITS[precision], agreement, 0.0, 0.0, accuracy, None))


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("n", [3, 40, 341])
def test_one_validation_picture_of_few_may_be_lost_in_floats(precision: str, n: int) -> None:
    assert told(precision, 1, n) == ""
    assert "accuracy on validation falls" in told(precision, 2, min(n, 300))


def test_many_pictures_are_judged_by_their_share() -> None:
    assert told("fp16", 10, 10_000) == ""
    assert "falls by 0.0011" in told("fp16", 11, 10_000)


def test_in_integers_the_share_decides_alone() -> None:
    assert "falls by 0.0250" in told("int8", 1, 40)
    assert told("int8", 1, 341) == ""
    assert told("int8", 1, 40, agreement=0.5).count("falls") == 1


def test_a_picture_that_may_be_lost_excuses_no_other_answer() -> None:
    assert "the same answer on 99.00% of the files" in told("fp16", 1, 341, agreement=0.99)
