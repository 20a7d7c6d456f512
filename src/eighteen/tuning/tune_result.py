"""What a search came to, as it is stored with the study and printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from eighteen.core.measures import Measure
from eighteen.core.run import Run
from eighteen.core.study import Study
from eighteen.tuning import confirming, storage
from eighteen.tuning.asked import Asked
from eighteen.tuning.confirming import Confirmed
from eighteen.tuning.records import Record
from eighteen.tuning.search import Search, importances
from eighteen.tuning.trials import recipe_of


def as_result(
    study: Study,
    search: Search,
    asked: Asked,
    rows: list[Record],
    default: Record,
    chosen: Record | None,
    confirmed: Confirmed,
    failed: Sequence[str],
) -> dict[str, Any]:
    """Everything that a search came to; of the trials' weights only those of the two sides are kept.

    Args:
        study: takes it.
        search: with all trials.
        asked: what was searched.
        rows: the trials.
        default: the trial of the default recipe.
        chosen: the winner; None where no trial did better on validation.
        confirmed: what fresh trainings say.
        failed: sentences about winners that could not be trained anew.
    """
    best = chosen or default
    compared = None if chosen is None else confirmed.compared("default", "best")
    measures = confirmed.measures
    _keep_weights_of(study, rows, {default.name, best.name})
    return {
        "kind": "tune",
        "metric": asked.metric,
        "method": asked.method,
        "default": confirming.contender(
            recipe_of(default, asked),
            *_both(study, default, asked, measures["default"]),
            _where(study, default),
        ),
        "best": confirming.contender(
            recipe_of(best, asked),
            *_both(study, best, asked, measures.get("best", measures["default"])),
            _where(study, best),
        ),
        "changes": {} if chosen is None else _changes(chosen),
        "comparison": None if compared is None else compared.to_json(),
        "sentence": " ".join(
            [
                _sentence(asked, rows, None if compared is None else compared.sentence),
                *failed,
                *_smaller_batches(default, chosen),
            ]
        ),
        "confirmation": asdict(confirmed.effort),
        "trials": [_row(row) for row in rows],
        "importance": importances(search),
        "space": [str(each) for each in asked.space],
        "dashboard": _dashboard(study, asked),
    }


def _both(study: Study, row: Record, asked: Asked, confirmed: Measure) -> tuple[Measure, Measure]:
    return Run.open(study.run_path(row.name)).measures["val"][asked.metric], confirmed


def _where(study: Study, row: Record) -> str:
    return study.run_path(row.name).as_posix()


def _keep_weights_of(study: Study, rows: list[Record], kept: set[str]) -> None:
    for row in rows:
        path = study.run_path(row.name)
        if row.name not in kept and (path / "weights.safetensors").exists():
            Run.open(path).drop_weights("the search found better settings")


def _row(row: Record) -> dict[str, Any]:
    return {**asdict(row), "steps": {str(step): value for step, value in row.steps.items()}}


def _sentence(asked: Asked, rows: list[Record], compared: str | None) -> str:
    made = sum(row.state == "complete" for row in rows)
    if compared is None:
        return (
            f"None of {made} trials did better on validation than the default recipe: keep the default. Its "
            f"confirmed {asked.metric} stands below."
        )
    return compared


def _changes(chosen: Record) -> dict[str, Any]:
    """What the winner sets, by dotted name."""
    batch = {} if chosen.batch is None else {"training.batch_size": chosen.batch}
    return {**chosen.point, **batch}


def _smaller_batches(default: Record, chosen: Record | None) -> list[str]:
    """A sentence for each that was not confirmed in its own batches."""
    both = (("default", default), ("best", chosen))
    return [
        f"Memory did not suffice for the batches of the {name} in the search, so it was confirmed in batches "
        f"of {row.batch}."
        for name, row in both
        if row is not None and row.batch is not None
    ]


def _dashboard(study: Study, asked: Asked) -> str:
    """The command that shows the trials live, where optuna-dashboard is installed."""
    return f"optuna-dashboard {storage.with_driver(asked.begun_in(study.path))}"
