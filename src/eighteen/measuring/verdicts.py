"""What a comparison of two models comes to.

In come a difference in accuracy, or in another metric, with its 95 % and 90 % intervals, and the margin below
which a difference does not matter; out goes one of four verdicts, and all of a comparison as one value with a
sentence for people. Differences of metrics where less is better are turned round for the verdict alone.

| verdict                    | when                                         | wrongly, at most          |
|----------------------------|----------------------------------------------|---------------------------|
| no difference that matters | the 90 % interval lies inside ±margin        | 5 % (two one-sided tests) |
| helps, hurts               | otherwise, the 95 % interval does not hold 0 | 5 %                       |
| cannot tell                | otherwise                                    |                           |

For "helps" and "hurts", the limit of 5 % is exact for accuracy where each model was trained once and pictures
are independent, and approximate with groups, several trainings or another metric: see `paired`.

A difference that is certain and yet smaller than the margin is called "no difference that matters": with
enough pictures every difference becomes certain. This only takes verdicts away from "helps" and "hurts".

Source: Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987), for two one-sided tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from eighteen.core.errors import EighteenError
from eighteen.core.findings import name_some
from eighteen.core.measures import Measure
from eighteen.measuring.intervals import Interval

Verdict = Literal["helps", "hurts", "no difference that matters", "cannot tell"]

MARGIN = 0.01
"""One picture in a hundred. Another seed alone moves accuracy by some tenths of a point (standard deviation
0.3 points in the benchmarks' three trainings on sign-digits), so a gain below one point may not survive the
next training. Where equal models disagree on 8 pictures in 100, about 7,000 pictures show that they differ by
less 8 times out of 10.

In log loss it is 0.01 nats: the probability of the true class, as a geometric mean, differs by a percent."""

METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "nll": "log loss (less is better)",
}
"""What a verdict may be about, and its name in a sentence."""

LESS_IS_BETTER = ("nll",)

NO_TIME, NOT_TRIED = "no time was left", "not tried: "
"""What a climb says of a practice that it did not try; the reason follows the second."""


def check_margin(margin: float, metric: str = "accuracy") -> None:
    """Raises EighteenError for a margin that is none, such as one in points."""
    if not 0 < margin < 1:
        meaning = "one percent of a probability" if metric == "nll" else "one picture in a hundred"
        raise EighteenError(
            f"the margin is {margin:g}; expected a difference in {METRICS[metric]} above 0 and below 1. "
            f"Give {MARGIN:g} for {meaning}."
        )


@dataclass(frozen=True)
class Comparison:
    """Two models on the same pictures; all differences are second minus first.

    Attributes:
        verdict: on the second model.
        difference: in the metric, with its 95 % interval.
        narrow: the 90 % interval, by which "no difference that matters" is decided.
        margin: a difference below it does not matter, above 0; a share, in nll nats.
        n: pictures in common.
        n_units: groups among them; n where pictures are independent.
        first_seeds, second_seeds: seeds of the trainings of each model.
        only_first, only_second: pictures that only one of them gets right, mean over pairs of trainings,
            rounded.
        mcnemar_p: of the exact McNemar test; None with several trainings, or pictures in groups, to which it
            does not apply.
        images_needed: number of pictures with which a verdict would come 8 times out of 10 if things are as
            they look; None unless the verdict is "cannot tell".
        seeds_needed: trainings of each model that this takes; None where those at hand will do.
        image_sd: standard deviation of the difference by the choice of pictures; None for a single group.
        seed_sd: the same by the luck of training; None where no model was trained more than once.
        measures: differences in the other metrics, by the same resamples; in nll, less is better.
        left_out: id and reason of every picture that could not be compared.
        method: the statistics in words.
        sentence: the answer in words.
        metric: one of `METRICS`, which the verdict is about; comparisons were once all about accuracy, and
            those that are stored do not say it.
    """

    verdict: Verdict
    difference: Measure
    narrow: Interval
    margin: float
    n: int
    n_units: int
    first_seeds: tuple[int, ...]
    second_seeds: tuple[int, ...]
    only_first: int
    only_second: int
    mcnemar_p: float | None
    images_needed: int | None
    seeds_needed: int | None
    image_sd: float | None
    seed_sd: float | None
    measures: Mapping[str, Measure]
    left_out: tuple[tuple[str, str], ...]
    method: str
    sentence: str
    metric: str = "accuracy"

    @property
    def seeds(self) -> int:
        """Trainings of each model; the fewer, where they differ."""
        return min(len(self.first_seeds), len(self.second_seeds))

    def to_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "difference": self.difference.to_json(),
            "narrow": list(self.narrow),
            "seeds": self.seeds,
            "first_seeds": list(self.first_seeds),
            "second_seeds": list(self.second_seeds),
            "measures": {name: measure.to_json() for name, measure in self.measures.items()},
            "left_out": [list(each) for each in self.left_out],
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        fields = {name: value for name, value in row.items() if name != "seeds"}
        read = {
            "difference": Measure.from_json(row["difference"]),
            "narrow": tuple(row["narrow"]),
            "first_seeds": tuple(row["first_seeds"]),
            "second_seeds": tuple(row["second_seeds"]),
            "measures": {name: Measure.from_json(each) for name, each in row["measures"].items()},
            "left_out": tuple((name, why) for name, why in row["left_out"]),
        }
        return cls(**fields | read)


def decide(wide: Interval, narrow: Interval, margin: float = MARGIN) -> Verdict:
    """Gives the verdict on the second model.

    Args:
        wide: 95 % interval of how much better the second is, as `gained` gives it.
        narrow: its 90 % interval.
        margin: a difference below it does not matter.

    >>> decide((0.002, 0.031), (0.005, 0.028)), decide((-0.004, 0.006), (-0.003, 0.005))
    ('helps', 'no difference that matters')
    """
    if -margin < narrow[0] and narrow[1] < margin:
        return "no difference that matters"
    if wide[0] > 0:
        return "helps"
    return "hurts" if wide[1] < 0 else "cannot tell"


def gained(difference: Interval, metric: str) -> Interval:
    """How much better the second model is: the difference, turned round where less is better.

    >>> gained((-0.03, -0.01), "nll"), gained((-0.03, -0.01), "accuracy")
    ((0.01, 0.03), (-0.03, -0.01))
    """
    low, high = difference
    return (-high, -low) if metric in LESS_IS_BETTER else (low, high)


def say(comparison: Comparison, names: tuple[str, str] = ("the first", "the second")) -> str:
    """Gives the answer for people, in two to four plain sentences.

    Args:
        comparison: its own sentence is not looked at.
        names: what to call the two models.
    """
    parts = [
        _answer(comparison, names),
        _could_tell(comparison),
        _holds_for(comparison, names),
        _left_out(comparison),
    ]
    return " ".join(part for part in parts if part)


def points(fraction: float) -> str:
    """A difference of shares in percentage points, with its sign.

    >>> points(0.0213), points(-0.25), points(-0.0003), points(0.0)
    ('+2.1', '-25.0', '-0.03', '0.0')
    """
    rounded = f"{100 * fraction:+.{1 if abs(fraction) >= 0.0005 else 2}f}"
    return rounded if float(rounded) else "0.0"


def figure(difference: float, metric: str) -> str:
    """A difference in points or, of the log loss, in nats, with its sign.

    >>> figure(0.0213, "macro_f1"), figure(-0.0213, "nll"), figure(-0.00001, "nll")
    ('+2.1', '-0.021', '0.000')
    """
    if metric != "nll":
        return points(difference)
    rounded = f"{difference:+.{3 if abs(difference) >= 0.0005 else 4}f}"
    return rounded if float(rounded) else "0.000"


def unit(metric: str) -> str:
    """What `figure` counts."""
    return "nats" if metric == "nll" else "points"


def _answer(comparison: Comparison, names: tuple[str, str]) -> str:
    found, metric, (first, second) = comparison.difference, comparison.metric, names
    value, low, high = (figure(each or 0, metric) for each in (found.value, found.low, found.high))
    groups = f" in {_counted(comparison.n_units, 'group')}" if comparison.n_units < comparison.n else ""
    answer = (
        f"{comparison.verdict.capitalize()}: {second} makes {value} {unit(metric)} [{low}, {high}] in "
        f"{METRICS[metric]} against {first} on the same {_counted(comparison.n, 'picture')}{groups}"
    )
    if comparison.verdict != "no difference that matters":
        return f"{answer}."
    low, high = (figure(each, metric) for each in comparison.narrow)
    margin = comparison.margin if metric == "nll" else 100 * comparison.margin
    return f"{answer}; its 90 % interval [{low}, {high}] lies within ±{margin:g}."


def _could_tell(comparison: Comparison) -> str:
    if comparison.images_needed is None:
        return ""
    if comparison.n_units == 1 < comparison.n:
        return "All pictures belong to one group, which says nothing about others."
    pictures = f"About {_counted(_two_digits(comparison.images_needed), 'picture')}"
    if comparison.seeds_needed is not None:
        enough = pictures if comparison.images_needed > comparison.n else "These pictures"
        pictures = f"{enough} with {comparison.seeds_needed} seeds each"
    return f"{pictures} could tell, if things are as they look."


def _holds_for(comparison: Comparison, names: tuple[str, str]) -> str:
    both = zip(names, (comparison.first_seeds, comparison.second_seeds), strict=True)
    alone = [name for name, seeds in both if len(seeds) == 1]
    if not alone:
        return ""
    if len(alone) == 1:
        return f"With one seed of {alone[0]}, this is about that model, not about its recipe."
    return (
        "With one seed each, the luck of training is not known: this is about these two models, not about "
        "their recipes."
    )


def _left_out(comparison: Comparison) -> str:
    if not comparison.left_out:
        return ""
    named = name_some([name for name, _ in comparison.left_out])
    verb = "was" if len(comparison.left_out) == 1 else "were"
    return f"{_counted(len(comparison.left_out), 'picture')} {verb} not compared: {named}."


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _two_digits(count: int) -> int:
    # Rounded up: what is needed is known no better
    step: int = 10 ** max(0, len(str(count)) - 2)
    return -(-count // step) * step
