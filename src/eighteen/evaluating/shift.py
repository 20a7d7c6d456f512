"""Are these pictures like validation? If not, it is said in words.

Prediction sets promise their coverage for pictures that come from where validation came from. Where they hold
the true class less often than that, beyond chance, the pictures come from elsewhere: this is named, with what
is known to differ. Where validation shares groups with training and these pictures do not, that is named as
well, whatever the coverage: validation is then an easier exam.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eighteen.core.dataset import Dataset
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.measuring.shift import class_difference, group_difference

SPLIT_WORDS = {"data": "these"}


def name_shift(
    known: Dataset,
    reference: Predictions,
    predictions: Predictions,
    split: str,
    measures: Mapping[str, Measure],
    sets: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """What differs between some pictures and validation, for the details of an evaluation.

    Args:
        known: the data set of the run.
        reference: what the model says about validation.
        predictions: what it says about the pictures.
        split: name of the pictures.
        measures: of the pictures, with `coverage_…`.
        sets: their details by level, with `too_low`.

    Returns:
        `sentence` ("" where there is nothing to name), `differences`, and the levels that are `too_low`.
    """
    name = SPLIT_WORDS.get(split, split)
    groups = [rows["group"].to_list() for rows in (predictions.rows, reference.rows)]
    labels = [rows["target"].to_list() for rows in (predictions.rows, reference.rows)]
    training = known.subset("train").table["group"].to_list()
    by_group = group_difference(groups[0], groups[1], training, name)
    easier = bool(set(groups[1]) & set(training) - {""})
    by_class = class_difference(labels[0], labels[1], name)
    differences = [told for told in (by_group, by_class) if told]
    low = [level for level, row in sets.items() if row["too_low"]]
    return {
        "sentence": _sentence(low, bool(by_group) and easier, differences, name, measures),
        "differences": differences,
        "too_low": low,
    }


def _sentence(
    low: list[str], easier: bool, differences: list[str], name: str, measures: Mapping[str, Measure]
) -> str:
    what = "; ".join(differences)
    if not low:
        told = f"{name} pictures differ from validation by construction: {what}"
        return f"{told}. Coverage is not below what was asked all the same" if easier else ""
    found = measures[f"coverage_{low[0]}"]
    share = f"{100 * (found.value or 0):.1f} % [{100 * (found.low or 0):.1f}, {100 * (found.high or 0):.1f}]"
    known = f"What differs: {what}" if what else "Neither groups nor shares of classes explain it"
    return (
        f"{name} pictures are not like validation: sets that were asked to hold the true class in {low[0]} % "
        f"hold it in {share}, less than chance explains. {known}. What was fitted on validation "
        f"(calibration, sets, thresholds) promises too much for such pictures"
    )
