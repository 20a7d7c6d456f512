"""Verdicts: the rule, the words, and the way through JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from eighteen.core.measures import Measure
from eighteen.measuring.verdicts import Comparison, Verdict, decide, points, say


def comparison_of(verdict: Verdict = "helps", value: float = 0.02, **changed: object) -> Comparison:
    difference = Measure(value, value - 0.015, value + 0.015, 2000, "paired bootstrap 95 %")
    made = Comparison(
        verdict=verdict,
        difference=difference,
        narrow=(value - 0.012, value + 0.012),
        margin=0.01,
        n=2000,
        n_units=2000,
        first_seeds=(0, 1, 2),
        second_seeds=(0, 1, 2),
        only_first=60,
        only_second=100,
        mcnemar_p=None,
        images_needed=None,
        seeds_needed=None,
        image_sd=0.006,
        seed_sd=0.002,
        measures={"nll": Measure(-0.1, -0.2, -0.05, 2000, "paired bootstrap 95 %")},
        left_out=(),
        method="paired bootstrap 95 %",
        sentence="",
    )
    return replace(made, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ((0.001, 0.05), (0.005, 0.045), "helps"),
        ((-0.05, -0.001), (-0.045, -0.005), "hurts"),
        ((-0.01, 0.03), (-0.006, 0.026), "cannot tell"),
        ((-0.011, 0.009), (-0.009, 0.007), "no difference that matters"),
        ((0.001, 0.009), (0.002, 0.008), "no difference that matters"),
        ((-0.009, -0.001), (-0.008, -0.002), "no difference that matters"),
        # The ends themselves: 0 is not excluded, and the margin is not kept
        ((0.0, 0.05), (0.004, 0.046), "cannot tell"),
        ((-0.012, 0.012), (-0.01, 0.01), "cannot tell"),
        ((-1.0, 1.0), (-1.0, 1.0), "cannot tell"),
    ],
)
def test_rule(wide: tuple[float, float], narrow: tuple[float, float], expected: str) -> None:
    assert decide(wide, narrow) == expected


def test_margin_decides() -> None:
    assert decide((0.01, 0.03), (0.012, 0.028), margin=0.03) == "no difference that matters"
    assert decide((0.01, 0.03), (0.012, 0.028), margin=0.02) == "helps"


def test_seeds_are_the_fewer() -> None:
    assert comparison_of().seeds == 3
    assert comparison_of(second_seeds=(5,)).seeds == 1


def test_json_holds_what_was_promised_and_comes_back() -> None:
    made = comparison_of("cannot tell", images_needed=9000, left_out=(("a.png", "not scored"),))
    row = made.to_json()
    assert {"verdict", "difference", "n", "images_needed", "seeds", "method", "sentence"} < set(row)
    assert {"value", "low", "high"} < set(row["difference"])
    assert (row["seeds"], row["first_seeds"]) == (3, [0, 1, 2])
    read = json.loads(json.dumps(row, allow_nan=False))
    assert read == row
    assert Comparison.from_json(read) == made


def test_a_comparison_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        comparison_of().verdict = "hurts"  # type: ignore[misc]


def test_sentence_says_verdict_difference_and_pictures() -> None:
    assert say(comparison_of(), ("runs/a", "runs/b")) == (
        "Helps: runs/b makes +2.0 points [+0.5, +3.5] in accuracy against runs/a on the same 2,000 pictures."
    )
    assert say(comparison_of("hurts", -0.02, n_units=50)).startswith(
        "Hurts: the second makes -2.0 points [-3.5, -0.5] in accuracy against the first on the same 2,000 "
        "pictures in 50 groups."
    )
    none = comparison_of("no difference that matters", 0.0, margin=0.013)
    assert "its 90 % interval [-1.2, +1.2] lies within ±1.3." in say(none)


def test_sentence_says_how_many_pictures_could_tell() -> None:
    unsure = comparison_of("cannot tell", 0.004, images_needed=9012)
    assert say(unsure).endswith("About 9,100 pictures could tell, if things are as they look.")
    more = replace(unsure, seeds_needed=8)
    assert "About 9,100 pictures with 8 seeds each could tell" in say(more)
    assert "These pictures with 8 seeds each could tell" in say(replace(more, images_needed=2000))
    assert "could tell" not in say(comparison_of())


def test_sentence_says_where_seeds_are_missing() -> None:
    names = ("a", "b")
    once = comparison_of(first_seeds=(0,), second_seeds=(0,), seed_sd=None)
    assert "not about their recipes" in say(once, names) and "seed" in say(once, names)
    assert "With one seed of b, this is about that model" in say(comparison_of(second_seeds=(4,)), names)
    assert "seed" not in say(comparison_of(), names)


def test_sentence_names_what_was_not_compared() -> None:
    one = comparison_of(left_out=(("a.png", "not scored"),))
    assert say(one).endswith("1 picture was not compared: a.png.")
    many = comparison_of(left_out=tuple((f"{k}.png", "not scored") for k in range(12)))
    assert "12 pictures were not compared: 0.png" in say(many) and say(many).endswith("and 2 more.")


def test_points() -> None:
    assert [points(each) for each in (0.1, -0.0123, 0.0, -1e-7, 0.0004)] == [
        "+10.0",
        "-1.2",
        "0.0",
        "0.0",
        "+0.04",
    ]
