"""The page of a study: the answer first, then each training.

In comes a finished study, out goes `report.html` in it, one file that needs nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eighteen.core.errors import RunError
from eighteen.core.measures import Measure
from eighteen.core.run import Run
from eighteen.core.study import Study
from eighteen.reporting.models_page import models_page
from eighteen.reporting.page import environment
from eighteen.reporting.results import in_order
from eighteen.reporting.search_page import write_search_report
from eighteen.reporting.words import counted, pictures


@dataclass(frozen=True)
class TrainingRow:
    """One training of a study.

    Attributes:
        name: of its run folder.
        trained, held_out: pictures.
        accuracy: share of the held-out pictures that were named right.
        seconds: that training took.
        events: what happened on the way.
    """

    name: str
    trained: int
    held_out: int
    accuracy: float
    seconds: float
    events: tuple[str, ...]


def write_study_report(study: Study) -> Path:
    """Writes `report.html`.

    Raises:
        RunError: the study is not finished.
    """
    info = study.info
    if info["state"] != "complete":
        raise RunError(
            f"{study.path} is {info['state']}, so there is no answer yet; go on with it: "
            f"eighteen {info['kind']} --resume {study.path}"
        )
    if "models" in info["asked"]:
        return study.save_text("report.html", models_page(study))
    if info["kind"] in ("tune", "climb"):
        return write_search_report(study)
    compared = info["kind"] in ("compare", "clean")
    template = environment().get_template("study.html.j2")
    page = template.render(
        name=study.path.resolve().name,
        info=info,
        answer=study.comparison if compared else None,
        measures=_differences(study.comparison) if compared else in_order(study.measures),
        sentence=_asked(study, info["asked"]),
        details={} if compared else study.details,
        rows=[_row(run) for run in study.runs],
        limits=_limits(study.comparison) if compared else (0.0, 1.0),
    )
    return study.save_text("report.html", page)


def _asked(study: Study, asked: dict[str, Any]) -> str:
    outside = sum(study.dataset.split_counts[split] for split in ("train", "val"))
    folds = counted(asked["folds"], "fold", "folds")
    if "corrections" in asked:
        return (
            f"Did {asked['corrections']['name']} help? The same recipe was trained on the labels as "
            f"they were and as corrected, with {counted(asked['seeds'], 'seed', 'seeds')} on "
            f"{pictures(outside)} outside the test split, {folds}; each is scored on pictures new to it."
        )
    if "seeds" in asked:
        first, second = asked["names"]
        how = folds if asked["folds"] > 1 else "the validation split held out"
        return (
            f"Is “{second}” better than “{first}”? Both were trained with "
            f"{counted(asked['seeds'], 'seed', 'seeds')} on {pictures(outside)} outside the test split, "
            f"{how}."
        )
    repeats = f", dealt {asked['repeats']} times" if asked["repeats"] > 1 else ""
    return (
        f"How good is this recipe? Every one of the {pictures(outside)} outside the test split was scored by "
        f"a training that never saw it: {folds}{repeats}."
    )


def _differences(comparison: dict[str, Any]) -> tuple[tuple[str, Measure], ...]:
    rows = {comparison.get("metric", "accuracy"): comparison["difference"], **comparison["measures"]}
    return tuple((name, Measure.from_json(row)) for name, row in rows.items())


def _limits(comparison: dict[str, Any]) -> tuple[float, float]:
    """A symmetric axis that holds the interval and the margin."""
    ends = (comparison["difference"]["low"], comparison["difference"]["high"], comparison["margin"])
    reach = min(1.0, 1.25 * max(abs(end) for end in ends))
    return -reach, reach


def _row(run: Run) -> TrainingRow:
    held = run.predictions("held_out")
    right = (held.rows["predicted"] == held.rows["target"]).to_numpy()
    history = run.history
    return TrainingRow(
        name=run.path.name,
        trained=run.dataset.split_counts["train"],
        held_out=len(held),
        accuracy=float(right.mean()) if len(right) else 0.0,
        seconds=history[-1]["seconds"] if history else 0.0,
        events=tuple(run.info["events"]),
    )
