"""Collects everything that a report says about a run into one frozen value; drawing comes after.

In comes a run folder, out goes a `Report`. The page and the model card read nothing else, so what they say is
tested here. The one thing read from outside the run are the pictures for thumbnails, where they still lie.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eighteen.core.run import Run
from eighteen.evaluating.ledger import ledger_sentence
from eighteen.reporting.curves import Training, training
from eighteen.reporting.data import DataFacts, ShownFinding, data_facts, shown_findings
from eighteen.reporting.exports import ExportRow, export_rows
from eighteen.reporting.mistakes import Mistakes, mistakes
from eighteen.reporting.model import ModelFacts, model_facts
from eighteen.reporting.results import Result, results
from eighteen.reporting.settings import (
    Setting,
    recipe_toml,
    settings,
    train_command,
    without_places,
)
from eighteen.reporting.thumbnails import Thumbnail, Thumbnails
from eighteen.reporting.words import counted, pictures

PICTURES = 40
MISTAKE_PICTURES = 12
FINDING_PICTURES = 12
"""Most thumbnails of a report, of its mistakes and of its findings; samples of the data take the rest."""

_STATES = {
    "running": "This run is not finished: it was still training, or was killed, when this page was written.",
    "interrupted": "This run was interrupted before it was finished.",
    "failed": "This run failed.",
}


@dataclass(frozen=True)
class Report:
    """All that a report says.

    Attributes:
        name: of the run folder.
        problem: says that the run is not whole; "" where it is.
        resume_command: that goes on with a run that is not whole.
        confidence: level of all intervals, such as "95 %".
        test: sentence on the test split and how often it was opened.
        command: that makes such a run again.
        public_command: the same without the place of the data.
        names_only: whether files that the recipe names stand here without their folders.
        events: what happened on the way.
        stages: name and seconds of each finished stage.
    """

    name: str
    task: str
    created: str
    version: str
    problem: str
    resume_command: str
    model: ModelFacts
    confidence: str
    results: tuple[Result, ...]
    test: str
    data: DataFacts
    findings: tuple[ShownFinding, ...]
    training: Training
    mistakes: Mistakes
    exports: tuple[ExportRow, ...]
    settings: tuple[Setting, ...]
    command: str
    public_command: str
    recipe_toml: str
    names_only: bool
    seed: int
    environment: tuple[tuple[str, str], ...]
    stages: tuple[tuple[str, float], ...]
    events: tuple[str, ...]

    @property
    def chosen(self) -> tuple[Setting, ...]:
        return tuple(setting for setting in self.settings if setting.origin == "chosen")

    @property
    def given(self) -> tuple[Setting, ...]:
        return tuple(setting for setting in self.settings if setting.origin == "given")

    @property
    def thumbnails(self) -> tuple[Thumbnail, ...]:
        """Every picture of the page."""
        answers = (*self.mistakes.wrong, *self.mistakes.unsure)
        return (
            *(thumbnail for sample in self.data.samples for thumbnail in sample.thumbnails),
            *(thumbnail for finding in self.findings for thumbnail in finding.thumbnails),
            *(answer.thumbnail for answer in answers),
        )


def collect(run: Run) -> Report:
    """Reads a run folder.

    Raises:
        RunError: a file of the run is damaged, or missing where the run's state needs it.
    """
    info, stored, reasons, dataset = run.info, run.recipe, run.reasons, run.dataset
    recipe = without_places(stored)
    thumbnails = Thumbnails.of(dataset, recipe.data.max_pixels)
    wrong = mistakes(run, thumbnails, MISTAKE_PICTURES)
    findings = shown_findings(run.findings, thumbnails, FINDING_PICTURES)
    spent = len(wrong.wrong) + len(wrong.unsure) + sum(len(row.thumbnails) for row in findings)
    return Report(
        name=run.path.resolve().name,
        task=info["task"],
        created=info["created"],
        version=info["package_version"],
        problem=_problem(info),
        resume_command=shlex.join(["eighteen", "train", "--resume", run.path.as_posix()]),
        model=model_facts(run, recipe),
        confidence=f"{100 * recipe.evaluation.confidence:g}\u00a0%",
        results=results(run),
        test=_test_sentence(run, dataset.split_counts["test"]),
        data=data_facts(dataset, thumbnails, PICTURES - spent),
        findings=findings,
        training=training(run),
        mistakes=wrong,
        exports=export_rows(run),
        settings=settings(recipe, reasons),
        command=train_command(recipe, reasons, dataset.root.as_posix()),
        public_command=train_command(recipe, reasons, "DATA"),
        recipe_toml=recipe_toml(recipe),
        names_only=recipe != stored,
        seed=recipe.seed,
        environment=_environment(run.environment),
        stages=tuple((stage["name"], float(stage["seconds"])) for stage in info["stages"]),
        events=tuple(info["events"]),
    )


def _problem(info: Mapping[str, Any]) -> str:
    sentence = _STATES.get(info["state"], "")
    if not sentence:
        return ""
    last = f" {info['events'][-1]}." if info["state"] == "failed" and info["events"] else ""
    return f"{sentence}{last}"


def _test_sentence(run: Run, count: int) -> str:
    if not count:
        return "The data set has no test split, so there is no number on unseen pictures."
    openings = run.test_openings
    if "test" in run.measures or not openings:
        return f"{ledger_sentence(openings)} It has {pictures(count)}."
    times = counted(len(openings), "time", "times")
    return f"This test split ({pictures(count)}) was opened {times}, but not by this run."


def _environment(facts: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    flat = {key: str(value) for key, value in facts.items() if not isinstance(value, dict)}
    for value in facts.values():
        if isinstance(value, dict):
            flat |= {name: str(inner) for name, inner in value.items()}
    return tuple(flat.items())
