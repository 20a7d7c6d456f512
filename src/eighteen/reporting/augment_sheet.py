"""A sheet of pictures that shows what augmentation does: each setting at its strength, and all together.

In come a data set and a recipe; out comes a `Sheet` of small pictures and words, which `sheet_png` draws. The
pictures go through the very augmenter and batches that training uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from eighteen.augmenting.batch import BatchAugmenter
from eighteen.augmenting.draws import DRAW_COUNT, Draw, image_keys
from eighteen.augmenting.mixing import Mixing, mixed
from eighteen.augmenting.settings import AugmentSettings
from eighteen.core.dataset import Dataset
from eighteen.core.inputs import InputSpec
from eighteen.core.progress import silent
from eighteen.core.recipe import AugmentSection, Recipe
from eighteen.reporting.augment_rows import (
    DEMONSTRATIONS,
    MIXES,
    POLICIES,
    Demonstration,
    Look,
    fits,
    is_on,
)
from eighteen.tasks import make
from eighteen.training.batches import TrainBatch
from eighteen.training.cache import SquareReader, stored_side_px
from eighteen.training.fitting import training_batches
from eighteen.training.planning import with_statistics
from eighteen.training.resolve import input_spec, resolve

PICTURES = 4
"""Whole looks are shown of so many pictures."""
LOOKS = 7
"""Draws of each of them."""
BESIDE = 2
"""Pictures of a row that shows one setting."""
_POOL = 64
"""Pictures among which partners for mixing are found."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Cell:
    """A picture `[S, S, 1 or 3]` and the words below it."""

    pixels: Pixels
    caption: str


@dataclass(frozen=True)
class SheetRow:
    """A line of the sheet.

    Attributes:
        name: the setting, dotted.
        value: its value, in words.
        sentence: what it does.
        is_on: whether the recipe uses it.
        cells: groups of pictures; the first of each is as validation sees it.
    """

    name: str
    value: str
    sentence: str
    is_on: bool
    cells: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Sheet:
    """What a sheet shows.

    Attributes:
        pictures: training pictures of the data set.
        size_px: side of the network's input.
        whole: a row for each picture, under everything that the recipe does.
        settings: a row for each setting that can act, those that are on first.
    """

    pictures: int
    size_px: int
    whole: tuple[SheetRow, ...]
    settings: tuple[SheetRow, ...]

    @property
    def is_on(self) -> tuple[str, ...]:
        return tuple(row.name for row in self.settings if row.is_on)


def collect_sheet(dataset: Dataset, recipe: Recipe) -> Sheet:
    """Settles the recipe for these pictures, and makes every picture of its sheet.

    Args:
        dataset: scanned and split.
        recipe: as the user gave it.

    Raises:
        RecipeError: settings that contradict one another.
        TrainingError: a picture has vanished.
    """
    resolved, reasons = resolve(recipe, dataset)
    resolved, _ = with_statistics(resolved, dict(reasons), dataset)
    resolved = resolved.changed(
        training={"progressive_from": 1.0, "side_fraction": 1.0, "workers": 0, "batch_size": _POOL}
    )
    training = dataset.subset("train")
    shown = _chosen(training)
    studio = _Studio(shown, resolved)
    rows = [studio.row(row) for row in DEMONSTRATIONS if fits(row, resolved.augment, studio.inputs.channels)]
    rows += [studio.policy_row(name) for name in POLICIES]
    rows += [studio.mixing_row(name) for name in MIXES]
    ordered = sorted(rows, key=lambda row: not row.is_on)
    return Sheet(len(training), studio.inputs.size, _whole(dataset, shown, resolved, studio), tuple(ordered))


def _chosen(training: Dataset) -> Dataset:
    """Up to `_POOL` training pictures, the first ones of different classes."""
    turn = pl.int_range(pl.len()).over("target")
    hashed = training.table.sort("sha256", "id").with_columns(turn.alias("_turn"))
    return training.with_table(hashed.sort("_turn", "target").drop("_turn").head(_POOL))


def _whole(dataset: Dataset, shown: Dataset, recipe: Recipe, studio: _Studio) -> tuple[SheetRow, ...]:
    task = make(dataset.task, dataset.class_names, recipe.loss, dataset.class_counts("train"))
    batches, targets = training_batches(recipe, shown, task, silent), task.collate(shown)
    looks: dict[int, list[Cell]] = {row: [] for row in range(min(PICTURES, len(shown)))}
    epoch = 0
    while any(len(cells) < LOOKS for cells in looks.values()):
        for batch in batches.epoch(epoch):
            for place, row in enumerate(batch.rows.tolist()):
                if len(looks.get(row, [None] * LOOKS)) < LOOKS:
                    caption = f"epoch {epoch + 1}" + _own_share(batch, place, targets[row])
                    looks[row].append(Cell(studio.shown(batch.images[place]), caption))
        epoch += 1
    plain = studio.plain(len(looks))
    return tuple(
        SheetRow(f"picture {row + 1}", "", "", True, ((Cell(plain[row], "validation"), *cells),))
        for row, cells in looks.items()
    )


def _own_share(batch: TrainBatch, place: int, target: Tensor) -> str:
    """How much of its label a mixed picture keeps; nothing for pictures that stand alone."""
    if batch.targets.ndim < 2:
        return ""
    share = float(batch.targets[place][target])
    return "" if share == 1.0 else f", {share:.0%} its own"


class _Studio:
    """The pictures that are shown, and ways to show them."""

    def __init__(self, shown: Dataset, recipe: Recipe) -> None:
        self.inputs: InputSpec = input_spec(recipe)
        self.section: AugmentSection = recipe.augment
        sides = shown.table.select(pl.min_horizontal("width", "height")).to_series().to_numpy()
        side_px = stored_side_px(self.inputs.size, sides)
        reader = SquareReader(shown, self.inputs, side_px, recipe.data.max_pixels)
        count = min(PICTURES, len(shown))
        self.squares = torch.from_numpy(np.stack([reader.read(row) for row in range(count)]))
        self.aspects = torch.from_numpy(reader.aspects[:count])
        self.keys = image_keys(shown.ids[:count])
        scale, shift = self.inputs.scale_and_shift()
        self._scale, self._shift = (torch.from_numpy(part)[:, None, None] for part in (scale, shift))

    def shown(self, image: Tensor) -> Pixels:
        """A normalised picture as bytes, `[S, S, C]`."""
        pixels = ((image - self._shift) / self._scale).round().clamp(0, 255).to(torch.uint8)
        return np.asarray(pixels.permute(1, 2, 0).numpy())

    def plain(self, count: int) -> list[Pixels]:
        """What validation sees."""
        return [self.shown(self._look(row, Look("", {}, {}))) for row in range(count)]

    def row(self, demonstration: Demonstration) -> SheetRow:
        name, on = demonstration.field, is_on(demonstration, self.section)
        value = float(getattr(self.section, name)) if on else demonstration.usual
        groups = []
        for row, way in enumerate((1.0, -1.0)[: min(BESIDE, len(self.squares))]):
            looks = [
                demonstration.looks(value, self.section, strength, way)
                for strength in demonstration.strengths
            ]
            groups.append(self._group(row, looks))
        words = demonstration.unit.format(value) + (" of the pictures" if demonstration.counts else "")
        return self._sheet_row(name, words, on, groups)

    def policy_row(self, policy: str) -> SheetRow:
        """Three draws of a policy."""
        on = self.section.policy == policy
        numbers = ("policy_operations", "policy_magnitude")
        chosen = {name: getattr(self.section, name) for name in numbers}
        settings = self._settings({"policy": policy, **chosen})
        groups = []
        for row in range(min(BESIDE, len(self.squares))):
            draws = [self._augmenter(settings)(*self._only(row), 1, epoch)[0] for epoch in range(3)]
            cells = [Cell(self.shown(image), f"draw {n + 1}") for n, image in enumerate(draws)]
            groups.append((Cell(self.plain(row + 1)[row], "as it is"), *cells))
        section = self.section
        words = POLICIES[policy].format(n=section.policy_operations, m=section.policy_magnitude)
        return SheetRow(f"augment.policy = {policy}", "", words, on, tuple(groups))

    def mixing_row(self, name: str) -> SheetRow:
        """Three draws of mixing with the next picture."""
        on = bool(getattr(self.section, name) > 0)
        value = getattr(self.section, name) or 1.0
        mixing = Mixing(**{name: value})
        plain = [self._look(row, Look("", {}, {})) for row in range(len(self.squares))]
        groups = []
        for row in range(min(BESIDE, len(plain))):
            partner = plain[(row + 1) % len(plain)]
            cells = [Cell(self.shown(plain[row]), "as it is")]
            for epoch in range(3):
                key = self.keys[row : row + 1]
                images, own = mixed(mixing, plain[row][None], partner[None], key, 5, epoch)
                cells.append(Cell(self.shown(images[0]), f"{float(own[0]):.0%} its own"))
            groups.append(tuple(cells))
        return self._sheet_row(name, f"{value:g}", on, groups)

    def _sheet_row(self, name: str, value: str, on: bool, groups: Sequence[tuple[Cell, ...]]) -> SheetRow:
        sentence = AugmentSection.model_fields[name].description or ""
        return SheetRow(f"augment.{name}", value, sentence, on, tuple(groups))

    def _group(self, row: int, looks: Sequence[Look]) -> tuple[Cell, ...]:
        cells = [Cell(self.shown(self._look(row, look)), look.caption) for look in looks]
        return (Cell(self.plain(row + 1)[row], "as it is"), *cells)

    def _look(self, row: int, look: Look) -> Tensor:
        draws = np.full((1, DRAW_COUNT), 0.5)
        draws[:, [Draw.FLIP_HORIZONTAL, Draw.FLIP_VERTICAL, Draw.ERASING, Draw.GREY, Draw.BLUR]] = 1 - 1e-9
        for position, draw in look.draws.items():
            draws[:, position] = draw
        pixels, aspects, _ = self._only(row)
        return self._augmenter(self._settings(look.settings)).decided(pixels, aspects, draws)[0]

    def _settings(self, values: Mapping[str, Any]) -> AugmentSettings:
        return AugmentSettings(**{"fill": self.section.fill, **values})

    def _augmenter(self, settings: AugmentSettings) -> BatchAugmenter:
        return BatchAugmenter.for_inputs(settings, self.inputs)

    def _only(self, row: int) -> tuple[Tensor, Tensor, npt.NDArray[np.uint64]]:
        one = slice(row, row + 1)
        return self.squares[one], self.aspects[one], self.keys[one]
