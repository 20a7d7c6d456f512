"""The words in which a measure says how its interval was made."""

from __future__ import annotations

from eighteen.measuring.scored import Scored

FEW_GROUPS = 10


def wilson_method(confidence: float) -> str:
    """Names Wilson's interval.

    >>> wilson_method(0.95)
    'wilson 95 %'
    """
    return f"wilson {100 * confidence:g} %"


def bootstrap_method(scored: Scored, resamples: int, confidence: float, debiasing: str) -> str:
    """Names a bootstrap and how its bias was taken out; with few groups it says that it is rough."""
    if scored.n_units == 1:
        return f"whole range: {'one group' if scored.clustered else 'one image'} says nothing about others"
    unit = " by group" if scored.clustered else ""
    few = scored.clustered and scored.n_units < FEW_GROUPS
    rough = f", rough: only {scored.n_units} groups" if few else ""
    made = f"bootstrap{unit} {100 * confidence:g} %, {resamples} resamples"
    return f"{made}, {debiasing}{rough}"
