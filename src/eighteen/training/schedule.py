"""The learning rate at each step, as a share of its peak."""

from __future__ import annotations

import math

from eighteen.core.recipe import ScheduleSection


def rate_factor(step: int, steps: int, schedule: ScheduleSection) -> float:
    """Share of the peak learning rate at a step.

    Args:
        step: 0 .. steps - 1.
        steps: all steps of the training.
        schedule: a resolved section (its warm-up is a number).

    Returns:
        Rises linearly during the warm-up; then falls linearly ("onecycle", after Smith and Topin 2018), along
        half a cosine ("cosine", Loshchilov and Hutter 2017), or stays ("constant"), down to `final_fraction`.

    >>> rate_factor(0, 10, ScheduleSection(name="constant", warmup_fraction=0.0))
    1.0
    """
    assert schedule.warmup_fraction != "auto"
    warmup = min(round(steps * schedule.warmup_fraction), steps - 1)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, steps - warmup)  # 0 .. 1
    if schedule.name == "constant":
        return 1.0
    left = 1 - done if schedule.name == "onecycle" else (1 + math.cos(math.pi * done)) / 2
    return schedule.final_fraction + (1 - schedule.final_fraction) * left
