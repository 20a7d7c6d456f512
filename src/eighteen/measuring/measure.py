"""The measures of a set of predictions, each with its interval.

In come `Predictions`, out goes one `Measure` per name. The value comes from plain sums over the images, the
bootstrap from sums over resampled ones; with groups whole groups are resampled.

| measure                                    | interval, images independent    | with groups          |
|--------------------------------------------|---------------------------------|----------------------|
| accuracy, top5_accuracy, majority_baseline | Wilson                          | bootstrap by group ¹ |
| balanced_accuracy                          | bootstrap ¹                     | bootstrap by group ¹ |
| macro_f1, auroc                            | bootstrap ²                     | bootstrap by group ² |
| nll, brier                                 | bootstrap ³                     | bootstrap by group ³ |
| ece                                        | bootstrap ⁴                     | bootstrap by group ⁴ |

¹ never narrower than Wilson's (combined over classes), with as many images as the groups are worth. ² the
same where fewer than five images (or groups) speak for or against the model: a bootstrap cannot draw a
mistake that has not happened yet. ³ and auroc: the wider of the percentiles and the bootstrap-t. ⁴ ECE is
biased upwards: the wider of its percentiles and those of resamples that are debiased each by itself. Every
bootstrap takes its mean bias out of each resample.
"""

from __future__ import annotations

import numpy as np

from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.measuring.baseline import majority_index
from eighteen.measuring.closed_forms import PROPORTIONS, closed_form
from eighteen.measuring.columns import columns_of, debiased_ece, standard_errors
from eighteen.measuring.evidence import Evidence, gather
from eighteen.measuring.intervals import (
    Interval,
    bootstrap_interval,
    percentile_levels,
    studentised_interval,
    wider,
)
from eighteen.measuring.methods import bootstrap_method, wilson_method
from eighteen.measuring.metrics import SMALLEST_PROBABILITY
from eighteen.measuring.scored import score

_NAMES = ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "nll", "brier", "ece")
_LIMITS: dict[str, Interval] = {"nll": (0.0, -float(np.log(SMALLEST_PROBABILITY))), "brier": (0.0, 2.0)}


def measure(
    predictions: Predictions,
    split: str = "",
    confidence: float = 0.95,
    resamples: int = 2000,
    majority: str | None = None,
) -> dict[str, Measure]:
    """Measures predictions.

    Args:
        predictions: rows in any order; those of unknown class are left out and not counted in n.
        split: name that is written into the measures.
        confidence: of the intervals, 0 … 1.
        resamples: of the bootstrap; fewer are made above 100,000 images, see `affordable_resamples`.
        majority: class that the baseline always answers, such as the most frequent one in training. Where it
            is not given, it is the most frequent one among these targets, which flatters the baseline a
            little when many classes are about as frequent.

    Returns:
        `accuracy balanced_accuracy macro_f1 auroc nll brier ece majority_baseline`, and `top5_accuracy` with
        more than five classes. `low <= value <= high` always holds; a measure that is not defined (AUROC of
        one class, anything of no images) has the value None.

    Raises:
        EighteenError: logits are missing, do not fit the classes, or are not finite; or `majority` is none of
            the classes.
    """
    scored = score(predictions)
    chosen = majority_index(scored, majority)
    if scored.n_images == 0:
        names = (*_NAMES, "majority_baseline", *(["top5_accuracy"] if len(scored.class_names) > 5 else []))
        return {name: _undefined("no image with a known class", 0, split) for name in names}
    evidence = gather(scored, columns_of(scored, chosen), confidence, resamples)
    found = {}
    for name, value in evidence.values.items():
        (low, high), method = _interval(evidence, name, value)
        found[name] = Measure(value, min(low, value), max(high, value), scored.n_images, method, split)
    if "auroc" not in found:
        found["auroc"] = _undefined("fewer than two classes among the targets", scored.n_images, split)
    order = (*_NAMES, "majority_baseline", "top5_accuracy")
    return {name: found[name] for name in order if name in found}


def _interval(evidence: Evidence, name: str, value: float) -> tuple[Interval, str]:
    clustered, confidence = evidence.scored.clustered, evidence.confidence
    closed = closed_form(evidence, name, value)
    if name in PROPORTIONS and closed is not None and not clustered:
        return closed, wilson_method(confidence)
    drawn = _bootstrap(evidence, name, value)
    method = bootstrap_method(evidence.scored, evidence.resamples, confidence, _debiasing(evidence, name))
    if closed is None:
        return drawn, method
    if name in ("macro_f1", "auroc"):
        return wider(drawn, closed), f"{method}, widened for mistakes not yet seen"
    what = "wilson per class, combined" if name == "balanced_accuracy" else "wilson"
    return wider(drawn, closed), f"{method}, never narrower than {what}"


def _debiasing(evidence: Evidence, name: str) -> str:
    if name == "ece":
        return "wider of percentiles and percentiles debiased inside each resample"
    if name in evidence.columns.linear:
        return "wider of percentiles and bootstrap-t, bias removed"
    return "bias removed from each resample"


def _bootstrap(evidence: Evidence, name: str, value: float) -> Interval:
    columns, n_units, confidence = evidence.columns, evidence.scored.n_units, evidence.confidence
    limits = _LIMITS.get(name, (0.0, 1.0))
    if n_units < 2:
        return limits
    percentiles = bootstrap_interval(value, evidence.resampled[name], n_units, limits, confidence)
    if name == "ece":
        levels = percentile_levels(n_units, confidence)
        low, high = np.quantile(debiased_ece(columns, evidence.drawn), levels)
        return wider(percentiles, (max(0.0, float(low)), min(1.0, float(high))))
    if name not in columns.linear:
        return percentiles
    error = float(standard_errors(columns, name, evidence.sums))
    shifts, errors = evidence.resampled[name] - value, standard_errors(columns, name, evidence.drawn)
    student = studentised_interval(value, error, shifts, errors, limits=limits, confidence=confidence)
    return wider(percentiles, student)


def _undefined(reason: str, n: int, split: str) -> Measure:
    return Measure(None, None, None, n, f"not defined: {reason}", split)
