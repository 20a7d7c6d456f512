"""What a search was asked for: checked once, stored with the study, and read again when it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from eighteen.core.config import recipe_from_json
from eighteen.core.dataset import Dataset
from eighteen.core.errors import RecipeError
from eighteen.core.recipe import Recipe
from eighteen.measuring.verdicts import METRICS
from eighteen.training.resolve import resolve
from eighteen.tuning import storage
from eighteen.tuning.methods import METHODS
from eighteen.tuning.space import Parameter, changed_space, check_numbers, default_space


@dataclass(frozen=True)
class Asked:
    """What was asked for; stored with the study, so that it goes on the same way.

    Attributes:
        recipe: the default, as the user gave it.
        space: what is searched.
        resolved: the default with every value explicit.
        method, metric: see `METHODS` and `METRICS`.
        trials: most trials, or None.
        minutes: of search and confirmation together, or None.
        folds, seeds: of the confirmation, where time allows.
        winners: trials that are confirmed; of several, the best on other fresh seeds.
        workers: processes of the search.
        storage: URL without a password; None is SQLite in the study's folder.
        search: name of the search in its storage.
    """

    recipe: Recipe
    space: tuple[Parameter, ...]
    resolved: Recipe
    method: str
    metric: str
    trials: int | None
    minutes: float | None
    folds: int
    seeds: int
    winners: int
    workers: int
    storage: str | None
    search: str

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "recipe": self.recipe.to_json(),
            "resolved": self.resolved.to_json(),
            "space": [each.to_json() for each in self.space],
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        read = {
            "recipe": recipe_from_json(row["recipe"]),
            "resolved": recipe_from_json(row["resolved"]),
            "space": tuple(Parameter.from_json(each) for each in row["space"]),
        }
        return cls(**{**row, **read})

    def begun_in(self, folder: Path) -> str:
        """URL of the storage, without a password.

        Args:
            folder: of the study.
        """
        return self.storage or storage.sqlite_url(folder)

    @property
    def maximise(self) -> bool:
        return self.metric != "nll"


def asked_for(
    recipe: Recipe,
    dataset: Dataset,
    space: tuple[str, ...],
    *,
    method: str,
    metric: str,
    trials: int | None,
    minutes: float | None,
    folds: int,
    seeds: int,
    winners: int,
    workers: int,
    storage_url: str | None,
    search: str,
) -> Asked:
    """Settles what is searched and checks the rest.

    Raises:
        RecipeError: an unknown method or metric, a range that the recipe refuses, no budget at all.
    """
    problems = [
        f"there is no {what} '{given}'; expected one of {', '.join(known)}"
        for what, given, known in (("method", method, METHODS), ("metric", metric, METRICS))
        if given not in known
    ]
    if trials is None and minutes is None:
        problems.append("how long? give --trials N, or --budget such as 1h")
    if trials is not None and trials < 2:
        problems.append(f"{trials} trials: expected 2 or more, the first of which is the default recipe")
    if min(folds, seeds, winners, workers) < 1 or winners > 3:
        problems.append(
            f"{folds} folds, {seeds} seeds, {winners} winners, {workers} workers: expected 1 or more of "
            f"each, and at most 3 winners"
        )
    if problems:
        raise RecipeError("; ".join(problems))
    resolved, _ = resolve(recipe, dataset)
    searched = changed_space(default_space(resolved), space, recipe)
    check_numbers(searched, resolved)
    url = None if storage_url is None else storage.without_password(storage_url)
    return Asked(
        recipe,
        searched,
        resolved,
        method,
        metric,
        trials,
        minutes,
        folds,
        seeds,
        winners,
        workers,
        url,
        search,
    )
