"""Backgrounds: is every class shown before as many of them as the others?

In: a scanned data set with its plain facts. Out: the finding `backgrounds`. The borders of all pictures are
put into a few kinds by colour and texture (k-means); how evenly a class is spread over them is told as an
effective number of kinds, the exponential of the entropy: 1 where all its pictures have one kind of border.
A class with far fewer than a usual class is named, since a model may learn the ground for the subject.

A border is not always background: where subjects fill the picture, this looks at their rim.

Source: Hill, Diversity and Evenness, Ecology 54 (1973), for the effective number.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eighteen.auditing._facts import facts_in
from eighteen.core.dataset import Dataset
from eighteen.core.findings import Finding, name_some

Floats = npt.NDArray[np.float64]

KINDS = 8
FEW = 0.5
"""A class with fewer kinds than this share of those of the median class is named."""

LEAST_IMAGES = 20
"""A class with fewer pictures is not judged."""

MOST_FITTED = 2_000
"""Borders that the kinds are made from, drawn evenly: eight middles of five facts need no more."""

_BORDER = ("border_red", "border_green", "border_blue", "border_contrast", "border_detail")


def check(dataset: Dataset) -> list[Finding]:
    """The finding `backgrounds`; none where there are too few pictures, or all borders are alike."""
    facts = facts_in(dataset, _BORDER)
    judged = [name for name, count in dataset.class_counts().items() if count >= LEAST_IMAGES]
    if facts is None or len(judged) < 2:
        return []
    kind = kinds_of(facts)
    if kind.max() == 0:
        return []
    targets = dataset.class_index()
    numbers = {name: effective_kinds(kind[targets == dataset.class_names.index(name)]) for name in judged}
    usual = float(np.median(list(numbers.values())))
    told = [f"{name} {numbers[name]:.1f}" for name in sorted(numbers, key=lambda name: numbers[name])]
    message = (
        f"{kind.max() + 1} kinds of border by colour and texture; kinds in even use, fewest first: "
        f"{name_some(told)}"
    )
    few = [name for name in judged if numbers[name] < FEW * usual]
    if not few:
        return [Finding("backgrounds", "info", message, (), "no class stands out by its backgrounds")]
    message += f"; {name_some(few)} far below the usual {usual:.1f}"
    advice = f"add pictures of {name_some(few)} before other grounds, or the ground is learnt as the subject"
    return [Finding("backgrounds", "warning", message, (), advice)]


def kinds_of(facts: Floats) -> npt.NDArray[np.int64]:
    """The kind of each border, `[N]`, 0 … `KINDS` - 1; all 0 where borders are alike.

    Args:
        facts: `[N, F]`.
    """
    from sklearn.cluster import KMeans

    spread = facts.std(axis=0)
    points = (facts - facts.mean(axis=0))[:, spread > 1e-6] / spread[spread > 1e-6]
    drawn = points[np.linspace(0, len(points) - 1, min(len(points), MOST_FITTED)).astype(np.int64)]
    kinds = min(KINDS, len(np.unique(drawn.round(3), axis=0)))
    if kinds < 2 or not points.shape[1]:
        return np.zeros(len(facts), np.int64)
    fitted = KMeans(kinds, n_init=1, random_state=0).fit(drawn)
    return np.asarray(fitted.predict(points), np.int64)


def effective_kinds(kind: npt.NDArray[np.int64]) -> float:
    """How many kinds are in even use.

    >>> effective_kinds(np.array([0, 0, 3, 3])), effective_kinds(np.array([5, 5]))
    (2.0, 1.0)
    """
    share = np.bincount(kind) / len(kind)
    share = share[share > 0]
    return round(float(np.exp(-(share * np.log(share)).sum())), 6)
