"""Fits epochs and, where needed, resolution to a time budget, from measured seconds a step.

A training that is shown fewer than `MIN_EPOCHS` epochs learns little: when the budget does not allow that
many at the chosen size, the size goes down (time falls about with the square of the side).
"""

from __future__ import annotations

from dataclasses import dataclass

MIN_EPOCHS = 8
SHARE_FOR_TRAINING = 0.85
"""The rest of the budget is for validation, saving and what the measurement did not see."""

SIZES_PX = (224, 192, 160, 128, 96, 64, 48, 32, 24, 16)


@dataclass(frozen=True)
class Fitted:
    """What fits into the time, and why."""

    epochs: int
    size_px: int
    reason: str


def fit_to_budget(
    minutes: float,
    seconds_an_epoch: float,
    size_px: int,
    wanted_epochs: int,
    smallest_px: int,
    fixed_seconds: float = 0.0,
) -> Fitted:
    """Epochs and side that end within the budget.

    Args:
        minutes: the budget.
        seconds_an_epoch: measured at `size_px`, training and validation.
        size_px: side that was chosen without a budget.
        wanted_epochs: epochs that were chosen without a budget; more are not made than twice these.
        smallest_px: the side is not lowered below it; with `size_px` it stays.
        fixed_seconds: what an epoch takes besides, at any side, such as the steps of the optimizer.
    """
    time_s = minutes * 60 * SHARE_FOR_TRAINING
    sizes = [size for size in SIZES_PX if smallest_px <= size < size_px]
    for size in (size_px, *sizes):
        epoch_s = seconds_an_epoch * (size / size_px) ** 2 + fixed_seconds
        epochs = int(time_s / epoch_s)
        if epochs >= min(MIN_EPOCHS, wanted_epochs) or size == (size_px, *sizes)[-1]:
            break
    epochs = max(1, min(epochs, 2 * wanted_epochs))
    return Fitted(
        epochs, size, f"{epoch_s:.1f} s an epoch at {size} px (measured), {minutes:g} minutes in all"
    )
