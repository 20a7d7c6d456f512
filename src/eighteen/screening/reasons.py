"""Why a picture was chosen or not, in words: what it resembles, and between which classes it stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eighteen.screening.choosing import Method, Rows
from eighteen.screening.judging import Judged
from eighteen.screening.nearest import nearest
from eighteen.screening.seen import Floats


def why_chosen(method: Method, judged: Judged, chosen: Rows, labelled_paths: Sequence[str]) -> list[str]:
    """One sentence for each chosen row.

    Args:
        method: by which they were chosen.
        judged: what they were chosen from.
        chosen: rows of `judged`.
        labelled_paths: of `judged.labelled`, for people.
    """
    if method == "random":
        return ["drawn at random"] * len(chosen)
    if method != "varied":
        how = "the answer is open" if method == "uncertain" else "stands for its kind; the answers"
        return [f"{how}: {answer}" for answer in answers(judged, chosen)]
    if not len(judged.labelled):
        return ["unlike the pictures chosen before it"] * len(chosen)
    near = _nearest(judged.labelled, judged.vectors[chosen])
    return [
        f"adds variety: nothing labelled is closer than {labelled_paths[row]} ({how})" for row, how in near
    ]


def why_spare(method: Method, judged: Judged, spare: Rows, chosen: Rows, paths: Sequence[str]) -> list[str]:
    """One sentence for each row that was good and not chosen.

    Args:
        method: by which the others were chosen.
        judged: what they were chosen from.
        spare, chosen: rows of `judged`.
        paths: of all rows of `judged`, for people.
    """
    if method == "random" or not len(chosen):
        return ["not drawn"] * len(spare)
    if method == "uncertain":
        return [f"surer than those chosen: {answer}" for answer in answers(judged, spare)]
    near = _nearest(judged.vectors[chosen], judged.vectors[spare])
    return [f"closest to {paths[chosen[row]]}, which was chosen ({likeness})" for row, likeness in near]


def answers(judged: Judged, rows: Rows) -> list[str]:
    """The two most probable classes of each row: "shirt 41 %, longsleeve 38 %"."""
    assert judged.probabilities is not None
    values = judged.probabilities[rows]
    best = np.argsort(-values, axis=1, kind="stable")[:, :2]
    return [
        ", ".join(f"{judged.class_names[k]} {100 * row[k]:.0f} %" for k in top)
        for row, top in zip(values, best, strict=True)
    ]


def _nearest(bank: Floats, asked: Floats) -> list[tuple[int, str]]:
    pairs = zip(*nearest(bank, asked), strict=True)
    return [(int(row), f"likeness {likeness:.2f}") for row, likeness in pairs]
