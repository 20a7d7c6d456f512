"""Decisions that are taken by a model's probabilities: from which one on a class is named, and which answer
is the cheapest where some mistakes are dearer than others.

In come what a model says about some pictures, and about validation; out come measures and sentences. A
threshold is chosen on validation and measured on the pictures asked for. Costs need no choice: the cheapest
answer follows from calibrated probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from eighteen.core.errors import DatasetError, EighteenError
from eighteen.core.findings import name_some
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.core.run import Run
from eighteen.evaluating.cost_table import CostTable
from eighteen.evaluating.evaluate import Evaluation
from eighteen.measuring.costs import ABSTAINED, cheapest_answer, measured_cost
from eighteen.measuring.thresholds import OperatingPoint, PointMeasures, operating_point


@dataclass(frozen=True)
class Wanted:
    """What is to be decided.

    Attributes:
        recalls: required recall by class, above 0, at most 1.
        costs: of each answer; None where none were given.
    """

    recalls: Mapping[str, float]
    costs: CostTable | None

    def check(self, run: Run, split: str) -> None:
        """Refuses what cannot be decided, before the pictures are looked at.

        Raises:
            DatasetError: a class is none of the model's, or there is no validation to choose on.
            EighteenError: a recall is out of range.
        """
        strange = [name for name in self.recalls if name not in run.class_names]
        if strange:
            raise DatasetError(
                f"a recall was required of {name_some(strange)}, which is no class of the model; it knows "
                f"{name_some(list(run.class_names))}"
            )
        for name, required in self.recalls.items():
            if not 0 < required <= 1:
                raise EighteenError(f"a recall of {required:g} for '{name}'; expected above 0, at most 1")
        if self.recalls and split != "val" and "val" not in run.predicted_splits:
            raise DatasetError(
                f"{run.path} holds no predictions for validation, which thresholds are chosen on; make them: "
                f"eighteen evaluate {run.path}"
            )


def with_decisions(run: Run, result: Evaluation, wanted: Wanted) -> Evaluation:
    """The same evaluation with what was decided, stored in the run too.

    Args:
        run: trained; holds what the model says about validation.
        result: of the pictures to decide about.
        wanted: checked.

    Returns:
        With measures `point_recall:CLASS`, `point_precision:CLASS` and `point_named:CLASS` for each required
        recall, `mean_cost` and `mean_cost_most_probable` for costs; sentences are in the
        details `operating_points` and `mistake_costs`.
    """
    confidence = run.recipe.evaluation.confidence
    measures, details = dict(result.measures), dict(result.details)
    if wanted.recalls:
        validation = result.predictions if result.name == "val" else run.predictions("val")
        rows = []
        for name, recall in wanted.recalls.items():
            row, found = _at_recall(name, recall, validation, result, confidence)
            rows.append(row)
            measures |= {f"point_{kind}:{name}": measure for kind, measure in vars(found).items()}
        details["operating_points"] = rows
    if wanted.costs is not None:
        found_costs, details["mistake_costs"] = _costs(wanted.costs, result, confidence)
        measures |= found_costs
    run.save_measures(result.name, measures, details)
    return replace(result, measures=measures, details=details)


def _at_recall(
    name: str, recall: float, validation: Predictions, result: Evaluation, confidence: float
) -> tuple[dict[str, Any], PointMeasures]:
    k = validation.class_names.index(name)

    def of(predictions: Predictions) -> tuple[Any, Any, list[str]]:
        # A picture whose class is not known can neither be found nor be missed.
        known = predictions.targets >= 0
        groups = predictions.rows.filter(known)["group"].to_list()
        return predictions.probabilities[known, k], predictions.targets[known] == k, groups

    scores, positives, groups = of(validation)
    point = operating_point(
        scores, positives, recall=recall, groups=groups, confidence=confidence, split="val"
    )
    same = result.name == "val"
    found = point.chosen_on if same else point.apply(*of(result.predictions), confidence, result.name)
    row = {
        "class": name,
        **point.to_json(),
        "measured": found.to_json(),
        "sentence": _point_sentence(name, point, found, len(scores), same),
    }
    return row, found


def _point_sentence(name: str, point: OperatingPoint, found: PointMeasures, n: int, same: bool) -> str:
    if point.threshold is None:
        return f"{name}: {point.reason}"
    where = (
        f"chosen on these very {n:,} pictures, so a little too good"
        if same
        else f"chosen for {point.required:g} on {n:,} validation pictures"
    )
    return (
        f"calling a picture {name} from a probability of {point.threshold:.3g} on finds "
        f"{_in_words(found.recall)} of its pictures; {_in_words(found.precision)} of those called so are "
        f"right ({where})"
    )


def _costs(
    table: CostTable, result: Evaluation, confidence: float
) -> tuple[dict[str, Measure], dict[str, Any]]:
    predictions, split = result.predictions, result.name
    groups, targets = predictions.rows["group"].to_list(), predictions.targets
    plain = predictions.probabilities.argmax(axis=1)
    cheapest = cheapest_answer(predictions.probabilities, table.costs, table.abstain_cost)
    cost, cost_plain = (
        measured_cost(targets, answers, table.costs, table.abstain_cost, groups, confidence, split)
        for answers in (cheapest, plain)
    )
    measures = {"mean_cost": cost, "mean_cost_most_probable": cost_plain}
    answered = cheapest != ABSTAINED
    changed = int((answered & (cheapest != plain)).sum())
    sentence = (
        f"the cheapest answers cost {_amount(cost)} a picture, the most probable ones "
        f"{_amount(cost_plain)}; {changed:,} of {len(plain):,} answers change"
    )
    if table.abstain_cost is not None:
        sentence += f", and {int((~answered).sum()):,} pictures get none"
    details = {
        "classes": list(predictions.class_names),
        "table": table.costs.tolist(),
        "abstain_cost": table.abstain_cost,
        "changed": changed,
        "unanswered": int((~answered).sum()),
        "sentence": sentence,
    }
    return measures, details


def _in_words(measure: Measure) -> str:
    if measure.value is None or measure.low is None or measure.high is None:
        return "an unknown share"
    return f"{100 * measure.value:.1f} % [{100 * measure.low:.1f}, {100 * measure.high:.1f}]"


def _amount(measure: Measure) -> str:
    if measure.value is None:
        return "an unknown amount"
    return f"{measure.value:.3g} [{measure.low:.3g}, {measure.high:.3g}]"
