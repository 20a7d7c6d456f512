"""Sizes and shapes: what the pictures have in common, and the odd ones by name.

Odd pictures are used: they are brought to the model's square like all others. A very long one keeps little of
what it shows there, a tiny one shows little to begin with.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from eighteen.core.dataset import Dataset
from eighteen.core.findings import Finding, name_some

MAX_ASPECT_RATIO = 20.0
"""Long side over short side; above it a picture is named (a panorama has about 6)."""

MIN_SIDE_PX = 8
"""Pixels; a picture with a shorter side is named (the smallest real data sets have 8)."""

_MIXED_FACTOR = 8.0
"""Short side of the largest twentieth over that of the smallest; above it resolutions differ a lot."""


def check(dataset: Dataset) -> list[Finding]:
    """Findings on width and height of the scanned pictures."""
    known = dataset.table.filter((pl.col("width") > 0) & (pl.col("height") > 0)).with_columns(
        long=pl.max_horizontal("width", "height"), short=pl.min_horizontal("width", "height")
    )
    return [*_odd(known), *_range(known)]


def _odd(known: pl.DataFrame) -> list[Finding]:
    thin = known.filter(pl.col("long") > MAX_ASPECT_RATIO * pl.col("short"))
    tiny = known.filter(pl.col("short") < MIN_SIDE_PX)
    odd = known.filter(pl.col("id").is_in([*thin["id"], *tiny["id"]]))
    if odd.is_empty():
        return []
    parts = [
        f"{len(rows)} {what}: {name_some(_named(rows))}"
        for rows, what in (
            (thin, f"with one side more than {MAX_ASPECT_RATIO:.0f} times the other"),
            (tiny, f"too small to show much (a side below {MIN_SIDE_PX} px)"),
        )
        if len(rows)
    ]
    message = f"pictures of odd size are used, but look at them: {'; '.join(parts)}"
    advice = "remove them if they are slips (tracking pixels, rulers, icons)"
    return [Finding("odd_sizes", "warning", message, tuple(odd["id"]), advice)]


def _range(known: pl.DataFrame) -> list[Finding]:
    """One line that says how large the pictures are."""
    if known.is_empty():
        return []
    sizes = known.select("width", "height").unique()
    if len(sizes) == 1:
        width, height = sizes.row(0)
        return [Finding("sizes", "info", f"all pictures have {width}x{height} pixels")]
    short = known["short"].to_numpy()
    ratio = known["long"].to_numpy() / short
    message = (
        f"{len(sizes)} different sizes; short side {short.min()} to {short.max()} px (median "
        f"{np.median(short):.0f}), long side up to {ratio.max():.1f} times the short one (median "
        f"{np.median(ratio):.2f})"
    )
    small, large = np.quantile(short, (0.05, 0.95))
    mixed = large > _MIXED_FACTOR * small
    advice = "resolutions differ a lot; check that they do not go with the classes" if mixed else ""
    return [Finding("sizes", "info", message, (), advice)]


def _named(rows: pl.DataFrame) -> list[str]:
    return [
        f"{image} ({width}x{height})" for image, width, height in rows.select("id", "width", "height").rows()
    ]
