"""Labels that look wrong, from what models say about pictures that they were not trained on.

In: labels and `Predictions` held out of training (out of fold). Out: the suspects, most suspect first. Which
labels are named is decided by confident learning: a label is suspect where a picture is surer to be of
another class than pictures of that class usually are, and as many are named as the estimated noise makes
likely. Their order is by the margin of the best other class over the stated one.

Neither score nor number is a proof: what a model finds hard looks like what is labelled wrongly. So nothing
is repaired here; a person looks.

Source: Northcutt, Jiang and Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, JAIR 70
(2021); the implementation is cleanlab's.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from eighteen.core.errors import EighteenError
from eighteen.core.findings import Finding, Suspect, name_some
from eighteen.core.predictions import Predictions

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

SMALLEST = 1e-6
"""Probabilities below it count as this much: no model is surer."""


def find_label_errors(predictions: Predictions, labels: Mapping[str, str]) -> Finding:
    """The finding `label_errors`.

    Args:
        predictions: held out of training; a picture may stand there several times (repeats), and its mean
            probabilities count.
        labels: stated label by id of picture; the others of `predictions` are passed over.

    Raises:
        EighteenError: none of the pictures of `predictions` has a label.
    """
    ids, probabilities = mean_probabilities(predictions)
    place = {name: k for k, name in enumerate(predictions.class_names)}
    targets = np.array([place.get(labels.get(image, ""), -1) for image in ids], np.int64)
    known = targets >= 0
    if not known.any():
        raise EighteenError(
            f"none of the {len(ids)} pictures that were predicted is in this data set under a label that the "
            f"model knows; give predictions of these pictures"
        )
    ids, targets, probabilities = ids[known], targets[known], probabilities[known]
    scores = suspicion(targets, probabilities)
    rows = np.flatnonzero(suspect(targets, probabilities))
    rows = rows[np.lexsort((ids[rows], -scores[rows]))]
    suspects = tuple(
        Suspect(
            str(ids[row]),
            predictions.class_names[targets[row]],
            predictions.class_names[_best_other(targets[row], probabilities[row])],
            round(float(scores[row]), 4),
        )
        for row in rows
    )
    return _finding(suspects, len(ids))


def suspicion(targets: Ints, probabilities: Floats) -> Floats:
    """How suspect each label is, `[N]`, 0..1: half of one plus the best other class minus the stated one.

    At 0.5 the model is undecided between the two; above it, the model prefers the other class.

    Args:
        targets: stated classes, `[N]`, 0 .. K - 1.
        probabilities: `[N, K]`, held out of training.
    """
    from cleanlab.rank import get_label_quality_scores

    quality = get_label_quality_scores(targets, _proper(probabilities), method="normalized_margin")
    return np.asarray(1 - quality, np.float64)


def suspect(targets: Ints, probabilities: Floats) -> Flags:
    """Whether each label is named, `[N]`, with the arguments of `suspicion`."""
    from cleanlab.filter import find_label_issues

    if len(np.unique(targets)) < 2:
        return np.zeros(len(targets), np.bool_)
    found = find_label_issues(targets, _proper(probabilities), filter_by="prune_by_noise_rate", n_jobs=1)
    return np.asarray(found, np.bool_)


def mean_probabilities(predictions: Predictions) -> tuple[npt.NDArray[np.str_], Floats]:
    """Ids `[M]` in order and their mean probabilities `[M, K]`, each picture once."""
    names = np.asarray(predictions.rows["id"].to_list(), np.str_)
    ids, inverse = np.unique(names, return_inverse=True)
    total = np.zeros((len(ids), len(predictions.class_names)))
    np.add.at(total, inverse, predictions.probabilities)
    return ids, total / np.maximum(np.bincount(inverse, minlength=len(ids)), 1)[:, None]


def _proper(probabilities: Floats) -> Floats:
    """Never 0, and of sum 1 to the last bit."""
    raised = np.maximum(probabilities, SMALLEST)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _best_other(target: int, probabilities: Floats) -> int:
    others = probabilities.copy()
    others[target] = -1
    return int(others.argmax())


def _finding(suspects: tuple[Suspect, ...], looked_at: int) -> Finding:
    if not suspects:
        return Finding("label_errors", "info", f"no label of {looked_at} pictures looks wrong to a model")
    named = [f"{each.path} ({each.label}, looks like {each.suggested})" for each in suspects]
    count = f"{len(suspects)} of {looked_at} labels look" if len(suspects) > 1 else f"1 of {looked_at} looks"
    message = f"{count} wrong to a model that was not trained on them, most suspect first: {name_some(named)}"
    advice = "look at them: eighteen review; what is hard looks like what is wrong, so nothing changes here"
    images = tuple(each.path for each in suspects)
    return Finding("label_errors", "warning", message, images, advice, suspects=suspects)
