"""Shortcuts: whether a model still knows the answer when what should matter is taken away.

In go a model as a function, pictures and their classes, out comes its accuracy on three kinds of what is left
of them, each beside the accuracy on whole pictures and that of always giving the most frequent class.

| view     | what is left                                           | known from it means             |
|----------|--------------------------------------------------------|---------------------------------|
| `border` | a band along the border; the middle has one colour     | background or frame give it     |
| `blur`   | the picture heavily blurred                            | no detail is needed             |
| `colour` | the mean colours of 4 x 4 parts                        | colour alone gives it           |

A shortcut is suspected where more than half of what the model knows beyond the most frequent class is left,
even at the low end of the interval. It need not be wrong: ripe fruit is told by its colour. A view that is
not suspected proves nothing: the model has never seen such pictures, and may stumble over their looks.

Source: Geirhos et al., Shortcut Learning in Deep Neural Networks, Nature Machine Intelligence 2 (2020); Xiao
et al., Noise or Signal: The Role of Image Backgrounds in Object Recognition, ICLR 2021, for the border.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eighteen.core.measures import Measure
from eighteen.explaining._altering import blurred, coarse_colours, middle_covered
from eighteen.explaining._as_predictions import as_predictions, content_ids
from eighteen.explaining._asking import (
    BATCH_SIZE,
    Classes,
    Pixels,
    as_pictures,
    check_classes,
    check_groups,
    logits_of,
    refuse_other_classes,
)
from eighteen.inference.scoring import Forward
from eighteen.measuring.measure import measure

BAND_FRACTION = 0.1
"""Width of the border: 36 % of the picture's area."""

BLUR_FRACTION = 0.1
"""Standard deviation of the blur: 22 px at 224."""

CELLS = 4
SUSPICIOUS = 0.5
"""Share of what the model knows beyond the most frequent class."""

_WORDS = {
    "border": (
        f"the outer {100 * BAND_FRACTION:g} % on each side",
        "the background or the frame gives the class away; look whether the classes were photographed in "
        "different places or with different cameras",
    ),
    "blur": (
        "heavily blurred pictures",
        "no detail is needed; look whether coarse shape or colour is what the classes should be told by",
    ),
    "colour": (
        f"the mean colours of {CELLS} x {CELLS} parts",
        "colour alone gives the class away; look whether colour is what the classes should be told by, and "
        "not light or background",
    ),
}


@dataclass(frozen=True)
class View:
    """What the model knows from one kind of what is left of the pictures.

    Attributes:
        name: `border`, `blur` or `colour`.
        shown: what is left, in words.
        accuracy: on it.
        kept_fraction: share of what the model knows beyond the most frequent class that is left, 0 … ; None
            where it knows nothing beyond it.
        suspected: whether that is more than half, even at the low end of the accuracy's interval.
        sentence: what is suspected and where to look; "" where nothing is.
    """

    name: str
    shown: str
    accuracy: Measure
    kept_fraction: float | None
    suspected: bool
    sentence: str

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "accuracy": self.accuracy.to_json()}


@dataclass(frozen=True)
class Shortcuts:
    """What the model knows from whole pictures and from what is left of them.

    Attributes:
        whole: accuracy on whole pictures.
        baseline: accuracy of always giving the most frequent class.
        views: `border`, `blur` and `colour`.
        sentence: the answer in words.
    """

    whole: Measure
    baseline: Measure
    views: tuple[View, ...]
    sentence: str

    def to_json(self) -> dict[str, Any]:
        return {
            "whole": self.whole.to_json(),
            "baseline": self.baseline.to_json(),
            "views": [view.to_json() for view in self.views],
            "sentence": self.sentence,
        }


def find_shortcuts(
    forward: Forward,
    pixels: Pixels,
    targets: Classes,
    *,
    majority: int | None = None,
    groups: Sequence[str] = (),
    split: str = "",
    confidence: float = 0.95,
) -> Shortcuts:
    """Measures the model on what is left of pictures.

    Args:
        forward: fitted pictures `[B, C, H, W]`, 0..255, to logits `[B, K]`.
        pixels: `[N, C, H, W]`, 0..255, N of 1 or more, that the model was not trained on.
        targets: their classes, `[N]`, 0 … K - 1.
        majority: class that the baseline always gives, such as the most frequent one in training; by default
            the most frequent one among these targets.
        groups: group of each picture, "" where it has none; intervals are then by group.
        split: name that is written into the measures.
        confidence: of the intervals, 0 … 1.

    Raises:
        EighteenError: there is no picture, or targets or groups do not fit.
    """
    pixels = as_pictures(pixels)
    check_classes(targets, len(pixels))
    check_groups(groups, len(pixels))
    logits = logits_of(forward, pixels)
    refuse_other_classes(targets, logits.shape[1])
    if majority is not None:
        refuse_other_classes(np.array([majority]), logits.shape[1])
    ids = content_ids(pixels)

    def measured(scores: npt.NDArray[np.float32]) -> dict[str, Measure]:
        name = None if majority is None else str(majority)
        return measure(as_predictions(scores, ids, targets, groups), split, confidence, majority=name)

    whole = measured(logits)
    baseline = whole["majority_baseline"]
    views = tuple(
        _view(
            name,
            measured(_logits_of_altered(forward, pixels, alter))["accuracy"],
            whole["accuracy"],
            baseline,
        )
        for name, alter in _alterations(pixels).items()
    )
    return Shortcuts(whole["accuracy"], baseline, views, _summary(views, whole["accuracy"], baseline))


def _alterations(pixels: Pixels) -> dict[str, Callable[[Pixels], Pixels]]:
    colour = pixels.mean(axis=(0, 2, 3))  # of all pictures together: it says nothing about one of them
    return {
        "border": lambda part: middle_covered(part, BAND_FRACTION, colour),
        "blur": lambda part: blurred(part, BLUR_FRACTION),
        "colour": lambda part: coarse_colours(part, CELLS),
    }


def _logits_of_altered(
    forward: Forward, pixels: Pixels, alter: Callable[[Pixels], Pixels]
) -> npt.NDArray[np.float32]:
    """Altered batch by batch, so that the altered pictures never lie in memory all at once."""
    starts = range(0, len(pixels), BATCH_SIZE)
    return np.concatenate([forward(alter(pixels[start : start + BATCH_SIZE])) for start in starts])


def _view(name: str, accuracy: Measure, whole: Measure, baseline: Measure) -> View:
    shown, advice = _WORDS[name]
    knowledge = _number(whole.value) - _number(baseline.value)
    if knowledge <= 0:
        return View(name, shown, accuracy, None, False, "")
    kept = max(0.0, (_number(accuracy.value) - _number(baseline.value)) / knowledge)
    suspected = _number(accuracy.low) - _number(baseline.value) > SUSPICIOUS * knowledge
    sentence = (
        f"From {shown} alone the model is right in {100 * _number(accuracy.value):.0f} % of {accuracy.n} "
        f"pictures (whole pictures {100 * _number(whole.value):.0f} %, most frequent class "
        f"{100 * _number(baseline.value):.0f} %): {advice}."
    )
    return View(name, shown, accuracy, kept, suspected, sentence if suspected else "")


def _summary(views: Sequence[View], whole: Measure, baseline: Measure) -> str:
    if _number(whole.value) <= _number(baseline.value):
        return (
            "The model is not better than always giving the most frequent class, so there is nothing that a "
            "shortcut could explain."
        )
    found = [view.sentence for view in views if view.suspected]
    if found:
        return " ".join(found)
    open_ones = [view.name for view in views if (view.kept_fraction or 0) > SUSPICIOUS]
    if open_ones:
        return f"No shortcut is certain; with more pictures one might be seen ({', '.join(open_ones)})."
    return (
        "No shortcut was seen: from border, blurred picture and colours the model knows less than half of it."
    )


def _number(value: float | None) -> float:
    """Measures of one picture or more are always defined."""
    assert value is not None
    return value
