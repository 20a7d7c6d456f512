"""The model against always giving the same answer.

A class with 95 % of the images gives 95 % accuracy for nothing. In come measures, out goes whether the model
is clearly better than that, and the sentence for people.
"""

from __future__ import annotations

import numpy as np

from eighteen.core.errors import EighteenError
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.measuring.scored import Scored, score


def majority_class(predictions: Predictions) -> str:
    """The most frequent class among the targets ("" if none is known); the first by image id on a tie."""
    scored = score(predictions)
    return scored.class_names[majority_index(scored)] if scored.n_images else ""


def not_better_than_majority(measures: dict[str, Measure], n_classes: int) -> bool:
    """Whether a model cannot be told from one that always gives the most frequent class.

    It cannot when neither interval excludes it: the low end of accuracy is not above the majority baseline,
    and that of balanced accuracy is not above `1 / n_classes`.

    Args:
        measures: with `accuracy`, `balanced_accuracy` and `majority_baseline`.
        n_classes: number of classes that have images, at least 1.

    >>> def made(value, low): return Measure(value, low, 1.0, 63, "wilson 95 %")
    >>> always_ok = {"accuracy": made(0.95, 0.87), "balanced_accuracy": made(0.5, 0.34)}
    >>> not_better_than_majority(always_ok | {"majority_baseline": made(0.95, 0.87)}, 2)
    True
    """
    accuracy, balanced = measures["accuracy"].low, measures["balanced_accuracy"].low
    baseline = measures["majority_baseline"].value
    if accuracy is None or balanced is None or baseline is None:
        return False
    return accuracy <= baseline and balanced <= 1 / n_classes


def majority_sentence(measures: dict[str, Measure], majority: str, n_classes: int) -> str:
    """Says 'not better than always "ok"' where that is so, and nothing ("") where it is not."""
    return f'not better than always "{majority}"' if not_better_than_majority(measures, n_classes) else ""


def majority_index(scored: Scored, majority: str | None = None) -> int:
    """Position of the named class, or of the most frequent one among the targets (0 if there are none).

    Raises:
        EighteenError: the named class is none of the classes.
    """
    if majority is None:
        support = np.bincount(scored.targets, minlength=1)
        most = support[scored.targets] == support.max()
        # On a tie the first image decides: an order of classes would change under other names.
        return int(scored.targets[most][0]) if len(scored.targets) else 0
    if majority not in scored.class_names:
        raise EighteenError(
            f"the majority class '{majority}' is none of the classes; expected one of "
            f"{', '.join(scored.class_names)}. Give the most frequent class of the training split."
        )
    return scored.class_names.index(majority)
