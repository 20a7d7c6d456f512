"""Asking a model about fitted pictures, in batches, after a check that there is something to ask about."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from eighteen.core.errors import EighteenError
from eighteen.core.predictions import softmax
from eighteen.inference.scoring import Forward

Pixels = npt.NDArray[np.float32]
"""Fitted pictures `[B, C, H, W]`, 0..255."""

Maps = npt.NDArray[np.float32]
"""One value for each pixel, `[B, H, W]`."""

Classes = npt.NDArray[np.int64]

BATCH_SIZE = 32


def logits_of(forward: Forward, pixels: Pixels) -> npt.NDArray[np.float32]:
    """Logits `[B, K]`, at most 32 pictures at a time."""
    starts = range(0, len(pixels), BATCH_SIZE)
    return np.concatenate([forward(pixels[start : start + BATCH_SIZE]) for start in starts])


def probability_of(forward: Forward, pixels: Pixels, classes: Classes) -> npt.NDArray[np.float64]:
    """Probability of each picture's class, `[B]`.

    Raises:
        EighteenError: a class is none of the model's.
    """
    probabilities = softmax(logits_of(forward, pixels))  # [B, K]
    refuse_other_classes(classes, probabilities.shape[1])
    return np.asarray(probabilities[np.arange(len(pixels)), classes])


def refuse_other_classes(classes: npt.NDArray[Any], outputs: int) -> None:
    """Refuses indices beyond the model's outputs.

    Raises:
        EighteenError: a class is below 0, or K or more.
    """
    wrong = [int(index) for index in classes if not 0 <= index < outputs]
    if wrong:
        raise EighteenError(
            f"class {wrong[0]} is none of the model's {outputs} classes; expected 0 to {outputs - 1}: give "
            f"the index of the class that is to be explained"
        )


def as_pictures(pixels: npt.NDArray[Any]) -> Pixels:
    """The same as float32 in one piece.

    Raises:
        EighteenError: there is no picture, the shape is another, or a value is not finite.
    """
    if pixels.ndim != 4 or not pixels.size:
        raise EighteenError(
            f"pixels of shape {pixels.shape} hold no picture to explain; expected [B, C, H, W], B of 1 or "
            f"more: give one picture or more that can be read, fitted by InputSpec.read"
        )
    if not np.isfinite(pixels).all():
        raise EighteenError("pixels hold values that are not finite; expected 0..255: read the pictures anew")
    return np.ascontiguousarray(pixels, np.float32)


def check_classes(classes: npt.NDArray[Any], n: int) -> None:
    """Refuses what is not one class for each of n pictures.

    Raises:
        EighteenError: classes are not as many, or no whole numbers.
    """
    if classes.shape != (n,) or not np.issubdtype(classes.dtype, np.integer):
        raise EighteenError(
            f"classes of shape {classes.shape} and type {classes.dtype} were given for {n} pictures; "
            f"expected one whole number each: the index of the class to explain"
        )


def check_groups(groups: Sequence[str], n: int) -> None:
    """Refuses groups that are not one for each of n pictures, or none at all.

    Raises:
        EighteenError: there are more, or fewer.
    """
    if len(groups) not in (0, n):
        raise EighteenError(
            f'{len(groups)} groups were given for {n} pictures; expected one each ("" where there is none), '
            f"or no list at all"
        )


def content_number(picture: npt.NDArray[np.float32]) -> int:
    """Stands for a picture's content, so that what is drawn for it does not depend on its row."""
    return zlib.crc32(np.ascontiguousarray(picture).tobytes())
