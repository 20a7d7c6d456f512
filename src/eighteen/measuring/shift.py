"""In what pictures differ from validation, which everything was chosen and calibrated on.

In come the rows (label, group) of some pictures, of validation and of training; out come sentences on what
differs by construction: groups that validation knows and these pictures do not, and other shares of classes.
Such a difference does not prove that a model is worse there; it says why it may be.

The shares of classes are compared by Pearson's chi-square of homogeneity, picture by picture: it is about
these pictures, not about the groups that others may come from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eighteen.measuring.scored import Floats

UNLIKELY = 0.01
"""Shares of classes are called different below this chance of their difference."""


def group_difference(
    pictures: Sequence[str], validation: Sequence[str], training: Sequence[str], name: str
) -> str:
    """A sentence where pictures are of groups that validation does not have; "" where they are not.

    Args:
        pictures, validation, training: group of each picture, "" where it has none.
        name: of the pictures.

    >>> group_difference(["d", "e", ""], ["a", "b"], ["c"], "test")
    'none of the 2 test groups occurs in validation'
    """
    own, held, seen = (set(groups) - {""} for groups in (pictures, validation, training))
    common = len(own & held)
    if not own or not held or common > len(own) / 2:
        return ""
    few = "none" if not common else f"only {common:,}"
    told = f"{few} of the {len(own):,} {name} groups {'occurs' if common < 2 else 'occur'} in validation"
    shared = len(held & seen)
    if shared:
        verb = "occurs" if shared == 1 else "occur"
        told += f", while {shared:,} of the {len(held):,} validation groups {verb} in training as well"
    return told


def class_difference(pictures: Sequence[str], validation: Sequence[str], name: str) -> str:
    """A sentence where the shares of classes differ by more than chance explains; "" otherwise.

    Args:
        pictures, validation: class of each picture.
        name: of the pictures.
    """
    names = sorted({*pictures, *validation})
    counts = np.array(
        [[labels.count(name) for name in names] for labels in map(list, (validation, pictures))]
    )
    if min(counts.sum(axis=1)) == 0 or len(names) < 2:
        return ""
    chance = _chance(counts.astype(np.float64))
    if chance >= UNLIKELY:
        return ""
    shares = counts / counts.sum(axis=1, keepdims=True)
    most = int(np.abs(shares[0] - shares[1]).argmax())
    return (
        f"classes have other shares (p = {chance:.1g}), most of all {names[most]}: "
        f"{100 * shares[0, most]:.0f} % of validation, {100 * shares[1, most]:.0f} % of {name}"
    )


def _chance(counts: Floats) -> float:
    from scipy.stats import chi2  # takes half a second to import

    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    statistic = ((counts - expected) ** 2 / expected).sum()
    return float(chi2.sf(statistic, counts.shape[1] - 1))
