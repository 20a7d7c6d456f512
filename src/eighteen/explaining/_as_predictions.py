"""Bare logits as `Predictions`, so that everything that measures can be used on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.core.predictions import Predictions
from eighteen.explaining._asking import Classes, Pixels, content_number


def content_ids(pixels: Pixels) -> list[str]:
    """Names by content, so that intervals do not depend on the order of the pictures; copies are numbered."""
    seen: Counter[int] = Counter()
    names = []
    for picture in pixels:
        number = content_number(picture)
        names.append(f"{number}-{seen[number]}")
        seen[number] += 1
    return names


def as_predictions(
    logits: npt.NDArray[np.float32], ids: list[str], targets: Classes, groups: Sequence[str]
) -> Predictions:
    """Predictions of classes "0" … "K - 1" with these logits `[N, K]`, targets `[N]` and groups (or none)."""
    names = tuple(str(index) for index in range(logits.shape[1]))
    n = len(targets)
    rows = pl.DataFrame(
        {
            "id": ids,
            "path": ids,
            "target": [names[index] for index in targets],
            "predicted": [names[index] for index in logits.argmax(axis=1)],
            "score": [0.0] * n,
            "split": [""] * n,
            "group": list(groups) or [""] * n,
            "fold": [-1] * n,
            "seed": [0] * n,
        }
    )
    return Predictions(rows, {"logits": logits}, names, n)
