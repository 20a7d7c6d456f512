"""The fit that a user does before a model of one fixed size, in words."""

from __future__ import annotations

from eighteen.core.inputs import InputSpec


def fit_in_words(inputs: InputSpec) -> str:
    """What follows "turn": upright pictures, their background, grey, sides and kernel; without rounding."""
    size = inputs.size
    short_px = max(size, round(size / inputs.crop_fraction))
    grey = "" if inputs.channels == 3 else "make them grey (ITU-R 601 luma, rounded); "
    fits = {
        "squash": f"resize both sides to {size}",
        "crop": f"resize the short side to {short_px} and cut the middle {size} x {size}",
        "letterbox": f"resize the long side to {size} and fill up with RGB {inputs.background}",
    }
    return (
        f"pictures upright, lay transparent ones over RGB {inputs.background}; {grey}"
        f"{fits[inputs.fit]}, {inputs.kernel} with antialias"
    )
