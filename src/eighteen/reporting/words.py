"""How numbers and names are written in a report: one rule for the page, the card and the tests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from eighteen.core.measures import Measure
from eighteen.measuring.verdicts import NO_TIME, NOT_TRIED

SPLIT_NAMES = {"train": "training", "val": "validation", "test": "test", "data": "further"}
"""What the pictures of a split are called in a sentence."""

MEASURE_NAMES = {
    "accuracy": ("Accuracy", "share of the pictures that were named right"),
    "balanced_accuracy": ("Balanced accuracy", "mean over the classes, so that rare ones count as much"),
    "top5_accuracy": ("Top-5 accuracy", "the right class is among the five most probable"),
    "macro_f1": ("Macro F1", "mean over the classes of F1, the balance of precision and recall"),
    "auroc": ("AUROC", "how well scores rank a class above the others; 0.5 is a coin, 1 is perfect"),
    "nll": ("Log loss", "surprise at the truth, in nats; lower is better, 0 is perfect"),
    "brier": ("Brier score", "squared error of the probabilities; lower is better, 0 is perfect"),
    "ece": ("Calibration error", "how far scores are from how often they are right; lower is better"),
    "ece_uncalibrated": ("Before calibration", "the same of the network's own scores"),
    "coverage_90": ("Coverage at 90 %", "how often sets that were asked for 90 % hold the right class"),
    "set_size_90": ("Set size at 90 %", "classes in such a set, on average; 1 is best"),
    "coverage_95": ("Coverage at 95 %", "how often sets that were asked for 95 % hold the right class"),
    "set_size_95": ("Set size at 95 %", "classes in such a set, on average; 1 is best"),
    "aurc": (
        "Mistakes left when abstaining",
        "mean over all shares answered, the surest first; 0 is perfect",
    ),
    "excess_aurc": ("Of these, by a wrong order", "what a perfect order of the same answers would not leave"),
    "mean_cost": ("Cost of the cheapest answers", "mean a picture, by the costs that were given"),
    "mean_cost_most_probable": ("Cost of the most probable answers", "the same without minding costs"),
    "auroc_unknown": (
        "Noticing unknown things",
        "AUROC by energy: pictures of none of the classes against these",
    ),
    "auroc_unknown_distance": ("The same by distance", "to the nearest training pictures in feature space"),
    "majority_baseline": ("Always the same answer", "what saying the most frequent training class would get"),
}
"""Name and meaning of each measure, in the order in which they are shown."""

PERCENT = (
    "accuracy",
    "balanced_accuracy",
    "top5_accuracy",
    "macro_f1",
    "majority_baseline",
    "coverage_90",
    "coverage_95",
)
"""Measures that are written in percent; the others as plain numbers."""


def percent(fraction: float) -> str:
    r"""One decimal, and never 100 % for what is not all.

    >>> [percent(value).replace("\u00a0", " ") for value in (148 / 150, 1.0, 0.9999)]
    ['98.7 %', '100 %', '99.9 %']
    """
    return f"{_tenths(fraction)}\u00a0%"


def percent_range(low: float, high: float) -> str:
    r"""Both ends of an interval, in percent.

    >>> percent_range(0.953, 1.0).replace("\u00a0", " ")
    '[95.3, 100]'
    """
    return f"[{_tenths(low)},\u00a0{_tenths(high)}]"


def value_text(name: str, measure: Measure) -> str:
    """A measure's value, as its kind is written; "–" where it is not defined."""
    if measure.value is None:
        return "–"
    return percent(measure.value) if name in PERCENT else _thousandths(measure.value)


def range_text(name: str, measure: Measure) -> str:
    """A measure's interval; "" where it is not defined."""
    if measure.low is None or measure.high is None:
        return ""
    if name in PERCENT:
        return percent_range(measure.low, measure.high)
    return f"[{_thousandths(measure.low)},\u00a0{_thousandths(measure.high)}]"


def number(count: int) -> str:
    r"""A count with thin spaces between thousands.

    >>> number(12345).split("\u202f"), number(999)
    (['12', '345'], '999')
    """
    return f"{count:,}".replace(",", "\u202f")


def counted(count: int, one: str, many: str) -> str:
    """A count with its noun.

    >>> counted(1, "picture", "pictures"), counted(2, "picture", "pictures")
    ('1 picture', '2 pictures')
    """
    return f"{number(count)} {one if count == 1 else many}"


def pictures(count: int) -> str:
    return counted(count, "picture", "pictures")


def duration(seconds: float) -> str:
    r"""Seconds for a person.

    >>> [duration(seconds).replace("\u00a0", " ") for seconds in (4.24, 75, 7380)]
    ['4.2 s', '1 min 15 s', '2 h 3 min']
    """
    if seconds < 59.95:
        return f"{seconds:.1f}\u00a0s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}\u00a0min {rest}\u00a0s"
    return f"{minutes // 60}\u00a0h {minutes % 60}\u00a0min"


def _tenths(fraction: float) -> str:
    """Hundredths with one decimal; 0 and 100 are kept for exactly that."""
    shown = round(100 * fraction, 1)
    if shown >= 100 and fraction < 1:
        shown = math.floor(1000 * fraction) / 10
    if shown <= 0 and fraction > 0:
        shown = math.ceil(1000 * fraction) / 10
    return "100" if shown == 100 else "0" if shown == 0 else f"{shown:.1f}"


def _thousandths(value: float) -> str:
    """Three decimals; 1.000 is kept for exactly that."""
    return "0.999" if 0.9985 <= value < 1 else f"{value:.3f}"


def tried_and_untried(
    rungs: Iterable[Mapping[str, Any]],
) -> tuple[list[Mapping[str, Any]], dict[str, list[Mapping[str, Any]]]]:
    """Rungs of a climb's result that it tried, and the others by the reason.

    >>> tried_and_untried([{"verdict": "kept"}, {"verdict": "not tried: it is there already"}])
    ([{'verdict': 'kept'}], {'It is there already': [{'verdict': 'not tried: it is there already'}]})
    """
    tried: list[Mapping[str, Any]] = []
    untried: dict[str, list[Mapping[str, Any]]] = {}
    for row in rungs:
        reason = row["verdict"].removeprefix(NOT_TRIED)
        if row["verdict"] == NO_TIME or reason != row["verdict"]:
            untried.setdefault(reason[0].upper() + reason[1:], []).append(row)
        else:
            tried.append(row)
    return tried, untried
