"""How varied the pictures are: light, blur and colour, of all and of each class.

In: a scanned data set with its plain facts. Out: the finding `variety`, one line of ranges; `hard_to_see`,
pictures that are nearly black, nearly white or without any detail; and `uniform_class`, classes whose
pictures look far more alike than those of the others, which a model may learn by that look alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.auditing._facts import facts_in
from eighteen.core.dataset import Dataset
from eighteen.core.findings import Finding, name_some

Floats = npt.NDArray[np.float64]

DARK, LIGHT = 15.0, 245.0
"""Mean brightness, 0..255, of a picture that is hard to see; with `FLAT` contrast."""

FLAT = 12.0
"""Standard deviation of the brightness, 0..255; below it a dark or light picture shows hardly anything."""

UNIFORM = 0.4
"""A class whose spread is below this share of that of a usual class is named."""

LEAST_IMAGES = 20
"""A class with fewer pictures is not judged by its spread."""

_LOOK = ("brightness", "contrast", "red", "green", "blue", "saturation", "border_red", "border_green", "blur")


def check(dataset: Dataset) -> list[Finding]:
    """Findings on light, blur and colour."""
    facts = facts_in(dataset)
    if facts is None:
        return []
    return [*_ranges(dataset), *_hard_to_see(dataset), *_uniform(dataset)]


def _ranges(dataset: Dataset) -> list[Finding]:
    facts = facts_in(dataset, ("brightness", "blur", "saturation"))
    assert facts is not None
    low, middle, high = np.quantile(facts, (0.05, 0.5, 0.95), axis=0)
    parts = [
        f"{name} {middle[k]:.{digits}f} ({low[k]:.{digits}f} to {high[k]:.{digits}f})"
        for k, (name, digits) in enumerate((("brightness", 0), ("blur", 3), ("colourfulness", 0)))
    ]
    message = f"median, and where nine in ten lie: {', '.join(parts)}"
    return [
        Finding("variety", "info", message, (), "pictures to be predicted should lie within these ranges")
    ]


def _hard_to_see(dataset: Dataset) -> list[Finding]:
    facts = facts_in(dataset, ("brightness", "contrast"))
    assert facts is not None
    brightness, contrast = facts.T
    flat = contrast < FLAT
    seen = {
        "nearly black": flat & (brightness < DARK),
        "nearly white": flat & (brightness > LIGHT),
    }
    rows = np.flatnonzero(np.any(list(seen.values()), axis=0))
    if not len(rows):
        return []
    images = tuple(dataset.table["id"].gather(rows).to_list())
    counts = " and ".join(f"{int(found.sum())} {name}" for name, found in seen.items() if found.any())
    message = f"pictures that show hardly anything, {counts}: {name_some(images)}"
    return [Finding("hard_to_see", "warning", message, images, "look whether they are what they should be")]


def _uniform(dataset: Dataset) -> list[Finding]:
    facts = facts_in(dataset, _LOOK)
    assert facts is not None
    targets = dataset.class_index()
    judged = [k for k, count in enumerate(dataset.class_counts().values()) if count >= LEAST_IMAGES]
    if len(judged) < 3:
        return []
    spread = np.stack([_middle_half(facts[targets == k]) for k in judged])  # [classes, facts]
    usual = np.maximum(np.median(spread, axis=0), 1e-9)
    share = np.median(spread / usual, axis=1)
    named = [
        f"{dataset.class_names[k]} ({part:.2f})"
        for k, part in zip(judged, share, strict=True)
        if part < UNIFORM
    ]
    if not named:
        return []
    message = (
        f"pictures of {name_some(named)} look far more alike than those of a usual class (spread of light, "
        f"colour, border and blur as a share of the usual one)"
    )
    advice = "add pictures of other places, light and cameras, or the look is learnt instead of the subject"
    names = [dataset.class_names[k] for k, part in zip(judged, share, strict=True) if part < UNIFORM]
    images = dataset.table.filter(pl.col("target").is_in(names))["id"].to_list()
    return [Finding("uniform_class", "warning", message, tuple(images), advice)]


def _middle_half(values: Floats) -> Floats:
    low, high = np.quantile(values, (0.25, 0.75), axis=0)
    return np.asarray(high - low)
