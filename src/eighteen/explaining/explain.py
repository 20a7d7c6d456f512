"""Explains a model's answers about some pictures, and whether the explanations deserve to be looked at.

In come a trained run and pictures; out come, for each picture, where the network looked (Grad-CAM) and the
training pictures that it takes for similar; and, on a sample of validation, two checks of the maps that can
fail and a test for shortcuts (border, blur, colour).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.predictions import softmax
from eighteen.core.progress import Progress, silent
from eighteen.core.run import Run
from eighteen.explaining._asking import Classes, Pixels
from eighteen.explaining.gradcam import explain_maps
from eighteen.explaining.occlusion import occlusion
from eighteen.explaining.overlay import overlay_png
from eighteen.explaining.sanity import CheckResult, deletion_check, randomisation_check
from eighteen.explaining.shortcuts import Shortcuts, find_shortcuts
from eighteen.inference.devices import open_placed
from eighteen.inference.reading import Item, items_of, read_batches
from eighteen.inference.scoring import Forward, Scorer
from eighteen.measuring.neighbours import find_neighbours
from eighteen.training.features import FeatureReader, features_of

NEIGHBOURS = 5
CHECKED_PICTURES = 48
SHORTCUT_PICTURES = 600
LEAST_TOP = 0.1
"""Loss of probability that gets the brightest colour of an occlusion map, at the least."""

OCCLUSION_PICTURES = 12
"""That the check of occlusion maps takes: each costs some 80 forward passes."""


@dataclass(frozen=True)
class Explained:
    """One picture's explanation.

    Attributes:
        path: as it was given.
        label, score: the answer and its probability; "" and 0 where the picture could not be read.
        error: why it could not be read; "" otherwise.
        overlay_png: the picture as the network sees it beside the same under its map; empty with an error.
        occlusion_png: the same with its occlusion map; empty where none was asked for.
        neighbours: id, label and similarity (-1..1) of the nearest training pictures, nearest first.
    """

    path: str
    label: str
    score: float
    error: str
    overlay_png: bytes
    occlusion_png: bytes
    neighbours: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True)
class Explanations:
    """Explained pictures, and what the checks on validation said.

    Attributes:
        checks: of the maps; empty where there is no validation.
        shortcuts: None where there is no validation.
    """

    pictures: tuple[Explained, ...]
    checks: tuple[CheckResult, ...]
    shortcuts: Shortcuts | None

    def to_json(self) -> dict[str, Any]:
        return {
            "pictures": [
                {
                    "path": each.path,
                    "label": each.label,
                    "score": each.score,
                    "error": each.error,
                    "overlay": overlay_file(number, each),
                    "occlusion": occlusion_file(number, each),
                    "neighbours": [
                        {"id": name, "label": label, "similarity": similarity}
                        for name, label, similarity in each.neighbours
                    ],
                }
                for number, each in enumerate(self.pictures, start=1)
            ],
            "checks": [check.to_json() for check in self.checks],
            "shortcuts": None if self.shortcuts is None else self.shortcuts.to_json(),
        }


def overlay_file(number: int, explained: Explained) -> str:
    """Name of the picture's overlay, numbered from 1; "" where it could not be read."""
    return "" if explained.error else f"{number:03d}.png"


def occlusion_file(number: int, explained: Explained) -> str:
    """Name of the picture's occlusion map, numbered from 1; "" where there is none."""
    return f"{number:03d}-occlusion.png" if explained.occlusion_png else ""


def explain(
    run: Run, sources: Sequence[Path], progress: Progress = silent, *, with_occlusion: bool = False
) -> Explanations:
    """Explains what a run's model says about pictures.

    Args:
        run: trained; its data set must still lie where it lay, for neighbours and checks.
        sources: picture files.
        with_occlusion: also covers part after part of each picture, and says what that costs its answer.
        progress: told how far it is.

    Raises:
        DatasetError: there is no picture that can be read.
        RunError: the run holds no weights.
        EighteenError: the network has no map to explain by.
    """
    network, device, _ = open_placed(run)
    pictures = _pictures(run, network, device, sources, progress, with_occlusion)
    validation = run.dataset.subset("val")
    checks, shortcuts = _checked(run, network, device, validation, progress, with_occlusion)
    return Explanations(pictures, checks, shortcuts)


def _pictures(
    run: Run,
    network: nn.Module,
    device: torch.device,
    sources: Sequence[Path],
    progress: Progress,
    with_occlusion: bool,
) -> tuple[Explained, ...]:
    pixels, places, errors = _read(run, [(source, -1) for source in sources])
    if not places:
        raise DatasetError(f"none of the {len(sources)} pictures can be read: {next(iter(errors.values()))}")
    forward = _calibrated(run, network, device)
    probabilities = softmax(forward(pixels))
    classes, scores = probabilities.argmax(axis=1), probabilities.max(axis=1)
    progress("maps", 0, len(places), "")
    maps = explain_maps(network, run.inputs, pixels, classes)
    progress("maps", len(places), len(places), "")
    covered = _occluded(forward, pixels, classes, progress) if with_occlusion else [b""] * len(places)
    training = run.dataset.subset("train")
    reader = FeatureReader(network, run.inputs, device, run.recipe.data.max_pixels)
    known, _ = reader.read(training, progress)
    near = find_neighbours(known, features_of(network, run.inputs, pixels), NEIGHBOURS)
    names, labels = training.ids, training.table["target"].to_list()

    def explained(row: int, source: Path) -> Explained:
        around = zip(near.rows[row].tolist(), near.similarity[row].tolist(), strict=True)
        return Explained(
            path=str(source),
            label=run.class_names[int(classes[row])],
            score=float(scores[row]),
            error="",
            overlay_png=overlay_png(pixels[row], maps[row]),
            occlusion_png=covered[row],
            neighbours=tuple((names[index], labels[index], similarity) for index, similarity in around),
        )

    row_of = {place: row for row, place in enumerate(places)}
    return tuple(
        explained(row_of[place], source)
        if place in row_of
        else Explained(str(source), "", 0.0, errors[place], b"", b"", ())
        for place, source in enumerate(sources)
    )


def _occluded(forward: Forward, pixels: Pixels, classes: Classes, progress: Progress) -> list[bytes]:
    """Overlays of occlusion maps, in one scale for all, so that a faint map looks faint."""
    losses = []
    for row in range(len(pixels)):
        progress("occlusion", row, len(pixels), "")
        losses.append(occlusion(forward, pixels[row : row + 1], classes[row : row + 1])[0])
    progress("occlusion", len(pixels), len(pixels), "")
    top = max(LEAST_TOP, *(float(loss.max()) for loss in losses))
    return [overlay_png(picture, loss, top) for picture, loss in zip(pixels, losses, strict=True)]


def _checked(
    run: Run,
    network: nn.Module,
    device: torch.device,
    validation: Dataset,
    progress: Progress,
    with_occlusion: bool,
) -> tuple[tuple[CheckResult, ...], Shortcuts | None]:
    sample = _sample(validation, SHORTCUT_PICTURES)
    if not len(sample):
        return (), None
    pixels, places, _ = _read(run, items_of(sample))
    if not places:
        return (), None
    rows = sample.table[places]
    groups, targets = rows["group"].to_list(), sample.class_index()[places]
    forward = _calibrated(run, network, device)
    few = slice(0, CHECKED_PICTURES)
    answers = forward(pixels[few]).argmax(axis=1)
    progress("checks", 0, 3, "")
    maps = explain_maps(network, run.inputs, pixels[few], answers)
    deletion = deletion_check(forward, pixels[few], maps, answers, groups=groups[few])
    progress("checks", 1, 3, "")
    randomisation = randomisation_check(network, run.inputs, pixels[few], answers, groups=groups[few])
    checks = [deletion, randomisation]
    if with_occlusion:
        some = slice(0, OCCLUSION_PICTURES)
        losses = occlusion(forward, pixels[some], answers[some])
        found = deletion_check(forward, pixels[some], losses, answers[some], groups=groups[some])
        checks.append(replace(found, name="occlusion_deletion", sentence=f"Occlusion: {found.sentence}"))
    progress("checks", 2, 3, "")
    counts = run.dataset.class_counts("train")
    majority = max(range(len(run.class_names)), key=lambda k: counts[run.class_names[k]])
    shortcuts = find_shortcuts(forward, pixels, targets, majority=majority, groups=groups, split="val")
    progress("checks", 3, 3, "")
    return tuple(checks), shortcuts


def _read(run: Run, items: Sequence[Item]) -> tuple[Pixels, list[int], dict[int, str]]:
    """Fitted pictures `[B, C, H, W]`, which items they are, and why the others could not be read."""
    batches = list(read_batches(items, run.inputs, 64, run.recipe.data.max_pixels))
    places = [int(place) for batch in batches for place in batch.positions]
    errors = {place: reason for batch in batches for place, reason in batch.unreadable}
    return np.concatenate([batch.pixels for batch in batches]), places, errors


def _calibrated(run: Run, network: nn.Module, device: torch.device) -> Forward:
    scorer, calibration = Scorer(network, run.inputs, device), run.calibration
    return lambda pixels: calibration.apply(scorer(pixels))


def _sample(dataset: Dataset, most: int) -> Dataset:
    """Up to `most` pictures, spread evenly over those sorted by content."""
    order = dataset.table.with_row_index("_row").sort("sha256", "id")["_row"].to_numpy()
    places = np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(int)
    return dataset.with_table(dataset.table[order[places]])
