"""Pictures unlike all others of the data set: slips, screenshots, other subjects, or rare and precious ones.

In: a scanned data set, and features of a network where there are some. Out: the finding `outliers`, most
unusual first. Unusual is a picture whose nearest neighbours are far away: distances to the k-th neighbour are
compared on a logarithmic scale, by the median and the spread of the middle half. Without a network the
plain facts of pictures (colours, contrast, border, detail, blur) take the place of features, which finds odd
looks but not odd subjects.

Source: Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors, ICML 2022.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from eighteen.auditing._facts import facts_in
from eighteen.core.dataset import Dataset
from eighteen.core.findings import Finding, name_some

Floats = npt.NDArray[np.float64]

NEIGHBOUR = 5
"""Few, so that a small kind of picture is no outlier once there are some of it."""

LIMIT = 4.0
"""Robust standard deviations above the median; a normal distribution has 3 in 100,000 beyond."""

LEAST_IMAGES = 50
MOST_COMPARED = 20_000
"""Neighbours are looked for among so many, evenly drawn."""


def check(dataset: Dataset) -> list[Finding]:
    """Pictures whose plain facts are far from those of all others."""
    facts = facts_in(dataset)
    if facts is None or len(dataset) < LEAST_IMAGES:
        return []
    rows = unusual(_spread_alike(facts))
    what = "pictures look unlike all others (by colours, contrast, border, detail and blur)"
    return _finding("odd_looks", dataset, rows, what)


def find_outliers(dataset: Dataset, features: npt.NDArray[np.float32]) -> list[Finding]:
    """Pictures whose features are far from those of all others.

    Args:
        dataset: N rows.
        features: `[N, D]` of one network.
    """
    if len(dataset) < LEAST_IMAGES:
        return []
    length = np.linalg.norm(features, axis=1, keepdims=True)
    rows = unusual(features / np.where(length > 0, length, 1))
    return _finding("outliers", dataset, rows, "pictures are unlike all others to a network")


def unusual(points: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Rows that are far from their neighbours, farthest first.

    Args:
        points: `[N, D]`, N of `LEAST_IMAGES` or more.
    """
    from sklearn.neighbors import NearestNeighbors

    step = max(1, -(-len(points) // MOST_COMPARED))
    near = NearestNeighbors(n_neighbors=NEIGHBOUR + 1).fit(points[::step])
    # One more neighbour than asked for, since a row finds itself.
    distance = np.log(near.kneighbors(points)[0][:, -1] + 1e-9)
    low, middle, high = np.quantile(distance, (0.25, 0.5, 0.75))
    robust = (distance - middle) / max((high - low) / 1.349, 1e-9)
    far = np.flatnonzero(robust > LIMIT)
    return np.asarray(far[np.argsort(-robust[far], kind="stable")], np.int64)


def _spread_alike(facts: Floats) -> Floats:
    """Each fact by its median and middle spread, so that none counts more than another."""
    low, middle, high = np.quantile(facts, (0.25, 0.5, 0.75), axis=0)
    spread = np.where(high > low, (high - low) / 1.349, np.maximum(facts.std(axis=0), 1e-9))
    return np.asarray((facts - middle) / spread)


def _finding(check: str, dataset: Dataset, rows: npt.NDArray[np.int64], what: str) -> list[Finding]:
    if not len(rows):
        return []
    images = tuple(dataset.table.select(pl.col("id").gather(rows)).to_series().to_list())
    message = f"{len(rows)} {what}, most unusual first: {name_some(images)}"
    advice = "remove them if they are slips; if they are rare but real, add more like them"
    if check == "odd_looks":
        return [Finding("odd_looks", "info", message, images, advice)]
    return [Finding("outliers", "warning", message, images, advice)]
