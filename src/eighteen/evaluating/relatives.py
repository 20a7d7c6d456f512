"""Several networks side by side: how accurate each is on pictures that it never saw, and what it costs.

In come a study and a recipe for each network, which differ in nothing else; out comes a row for each. All are
trained with the same seeds on the same folds, either for as many epochs each or for as much time each. Each
is compared with the first one on the same pictures, with intervals so wide that all verdicts together err no
more often than one does. What cannot be had both cheaper and better lies on the front (Pareto).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from eighteen.core.dataset import Dataset
from eighteen.core.measures import Measure
from eighteen.core.predictions import Predictions
from eighteen.core.progress import Progress, silent
from eighteen.core.recipe import Recipe
from eighteen.core.run import Run
from eighteen.core.study import Study
from eighteen.evaluating.cost import measure_cost
from eighteen.evaluating.heldout import Side, outside_test, side_by_side
from eighteen.inference.devices import open_placed
from eighteen.measuring.paired import compare
from eighteen.tasks import make


@dataclass(frozen=True)
class ModelRow:
    """One network of the comparison.

    Attributes:
        model: its name.
        accuracy: on held-out pictures, over all seeds.
        parameters: trainable and frozen ones.
        macs: multiply-accumulates of one answer, a mirrored second pass included.
        peak_memory_mb: of a fresh process that answers for one picture on the CPU, 10^6 bytes.
        latency_ms: median time of one answer, one thread.
        train_minutes: of one training, mean.
        difference: in accuracy to the first network, with an interval of 95 % for all differences together;
            None for the first.
        verdict: on that difference; "" for the first.
        on_front: whether no other network is both faster and more accurate.
    """

    model: str
    accuracy: Measure
    parameters: int
    macs: int
    peak_memory_mb: float
    latency_ms: float
    train_minutes: float
    difference: Mapping[str, float] | None
    verdict: str
    on_front: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"accuracy": self.accuracy.to_json()}


def compare_networks(
    study: Study,
    dataset: Dataset,
    recipes: Mapping[str, Recipe],
    seeds: int,
    k: int,
    margin: float,
    progress: Progress = silent,
) -> tuple[ModelRow, ...]:
    """Trains and measures every network, and stores the rows in the study.

    Args:
        study: as `Study.creating` made it, or interrupted since.
        dataset: audited, with splits; its test split is left out.
        recipes: by the name of the network.
        seeds: trainings of each, from the recipe's own seed on.
        k: folds; 1 holds the validation split out.
        margin: a difference in accuracy below it does not matter.
    """
    known = outside_test(dataset)
    sides = [Side(name, f"{name}-", recipe) for name, recipe in recipes.items()]
    said = dict(zip(recipes, side_by_side(study, known, sides, seeds, k, progress), strict=True))
    rows = _rows(study, known, recipes, said, margin, progress)
    study.save_comparison({"verdict": sentence(rows), "models": [row.to_json() for row in rows]})
    study.set_state("complete")
    return rows


def sentence(rows: Sequence[ModelRow]) -> str:
    """What the comparison comes to, in words."""
    first = rows[0]
    better = [row.model for row in rows if row.verdict == "helps"]
    worse = [row.model for row in rows if row.verdict == "hurts"]
    same = [row.model for row in rows[1:] if row.model not in (*better, *worse)]
    words = [f"more accurate than {first.model}: {', '.join(better)}"] if better else []
    words += [f"less accurate: {', '.join(worse)}"] if worse else []
    words += [f"not told apart from {first.model}: {', '.join(same)}"] if same else []
    return "; ".join(words)


def front(costs: Sequence[float], values: Sequence[float]) -> list[bool]:
    """Which points no other one beats, being at most as costly and at least as good, and not the same.

    >>> front([1, 2, 3], [0.8, 0.7, 0.9])
    [True, False, True]
    """
    points = list(zip(costs, values, strict=True))
    return [
        not any(c <= cost and v >= value and (c, v) != (cost, value) for c, v in points)
        for cost, value in points
    ]


def _rows(
    study: Study,
    known: Dataset,
    recipes: Mapping[str, Recipe],
    said: Mapping[str, Predictions],
    margin: float,
    progress: Progress,
) -> tuple[ModelRow, ...]:
    first = next(iter(recipes))
    compared = partial(compare, said[first], margin=margin, verdicts=max(1, len(recipes) - 1))
    made: list[dict[str, Any]] = []
    for name, recipe in recipes.items():
        progress("note", len(made), len(recipes), f"what {name} costs")
        against = None if name == first else compared(said[name])
        difference = None if against is None else against.difference
        made.append(
            {
                "model": name,
                "accuracy": _accuracy(said[name], known, recipe),
                **_costs([run for run in study.runs if run.path.name.startswith(f"{name}-seed-")]),
                "difference": None
                if difference is None
                else {"value": difference.value, "low": difference.low, "high": difference.high},
                "verdict": "" if against is None else against.verdict,
            }
        )
    best = front([row["latency_ms"] for row in made], [row["accuracy"].value or 0.0 for row in made])
    return tuple(ModelRow(**row, on_front=flag) for row, flag in zip(made, best, strict=True))


def _accuracy(predictions: Predictions, known: Dataset, recipe: Recipe) -> Measure:
    task = make(known.task, known.class_names, recipe.loss, known.class_counts("train"))
    settings = recipe.evaluation
    measures, _ = task.measures(predictions, "held out", settings.confidence, settings.resamples)
    return measures["accuracy"]


def _costs(runs: Sequence[Run]) -> dict[str, Any]:
    """Size and time of an answer by the first run, and the mean time of a training."""
    run = runs[0]
    cost = measure_cost(open_placed(run)[0], run.inputs, batch_sizes=(1,), threads=(1,), run=run.path)
    seconds = [each.history[-1]["seconds"] for each in runs]
    return {
        "parameters": cost.parameters,
        "macs": cost.macs,
        "peak_memory_mb": round((cost.memory[0].process_bytes or cost.memory[0].tensor_bytes) / 1e6, 1),
        "latency_ms": round(cost.timings[0].p50_ms, 3),
        "train_minutes": round(sum(seconds) / len(seconds) / 60, 4),
    }
