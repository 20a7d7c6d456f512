"""Shapes of the pictures, and what a centre crop would cut away: crop, squash or letterbox?

In: a scanned data set with its plain facts. Out: the finding `geometry`. A centre crop of a 3:4 picture
leaves out almost half of its area. Whether that matters is told by the detail that lies there: where it
is as busy as the middle, the subject reaches into it (or the background is busy), and all should be kept. How
is told by the rule that training from scratch chooses by (`core.shapes`), of the same pictures.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eighteen.auditing._facts import CROP_FRACTION, area_outside, facts_in
from eighteen.core.dataset import Dataset
from eighteen.core.findings import Finding
from eighteen.core.shapes import SQUARE, aspect_spread, whole_fit

Floats = npt.NDArray[np.float64]

MATTERS = 0.3
"""Share of the detail; where a centre crop loses more, in the median, the advice is to keep all."""

BUSY = 0.8
"""Density of detail outside over that of the whole; above it the outside is called busy."""


def check(dataset: Dataset) -> list[Finding]:
    """The finding `geometry`; none where sizes are not known."""
    facts = facts_in(dataset, ("outside_detail", "border_detail"))
    if facts is None:
        return []
    width, height = (dataset.table[name].to_numpy().astype(np.float64) for name in ("width", "height"))
    lost_detail, border = facts.T
    lost_area = area_outside(width, height)
    message = (
        f"{_shapes(width / height)}; a centre crop (of {CROP_FRACTION:.3g} of the short side) leaves out "
        f"{100 * np.median(lost_area):.0f} % of the area and with it {100 * np.median(lost_detail):.0f} % of "
        f"the detail (medians); detail along the border is {np.median(border):.2f} of that of the whole"
    )
    learned = (dataset.table["split"] == "train").to_numpy()
    learned = learned if learned.any() else np.ones_like(learned)
    spread = aspect_spread(width[learned], height[learned])
    return [Finding("geometry", "info", message, (), _advice(spread, lost_detail, lost_area))]


def _shapes(aspect: Floats) -> str:
    lying, upright = int((aspect > SQUARE).sum()), int((aspect < 1 / SQUARE).sum())
    parts = ((lying, "lying"), (upright, "upright"), (len(aspect) - lying - upright, "square"))
    return ", ".join(f"{count} {name}" for count, name in parts if count)


def _advice(spread: float, lost_detail: Floats, lost_area: Floats) -> str:
    density = np.median(lost_detail / np.maximum(lost_area, 1e-9))
    if np.median(lost_detail) < MATTERS or density < BUSY:
        return "a centre crop loses little of what is shown"
    fit, why = whole_fit(spread)
    return (
        f"the outside is as busy as the middle. Training from scratch keeps the whole picture, by "
        f"inputs.fit={fit} ({why}); most published weights crop: compare that with --change inputs.fit={fit}"
    )
