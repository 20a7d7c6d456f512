"""What opening has in common for formats whose files describe themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eighteen.core.artifact import Opened, Pictures
from eighteen.core.errors import RunError
from eighteen.core.inputs import InputSpec

PIXELS_A_CALL = 8_000_000
"""Of the pictures that a model file gets at once: inside it a pixel takes some 30 bytes, so that this is 240
MB. 64 pictures of 350x350 go together; a larger one than this goes alone."""

TAKES = "takes"
"""Beside what a file says of itself: the name of its input, where the format knows it."""

IMAGE = "image"

Run = Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]]
"""A batch, as the file takes it, to calibrated logits `[N, K]`."""


def open_described(model: Path, bare: Path, load: Callable[[Path], tuple[Run, Mapping[str, str]]]) -> Opened:
    """Both files of a format.

    Args:
        model: takes pictures, and says what its classes and inputs are.
        bare: takes tensors; opened when it is first asked, so it may be absent.
        load: opens a file of the format, and gives its metadata.

    Raises:
        RunError: the file is missing, takes no pictures, or says nothing about itself.
    """
    ask, notes = load(_present(model))
    if notes.get(TAKES, IMAGE) != IMAGE:
        raise RunError(
            f"{model} takes '{notes[TAKES]}', and a file that takes pictures ('{IMAGE}') is expected; name "
            f"the folder of the export, or model{model.suffix} in it"
        )
    try:
        inputs = InputSpec.from_json(json.loads(notes["input_spec"]))
        class_names = tuple(json.loads(notes["classes"]))
        plain = json.loads(notes.get("calibration", "{}")).get("method") == "none"
    except (KeyError, ValueError, TypeError, AttributeError, RunError) as error:
        raise RunError(
            f"{model} does not say what its classes and inputs are; make it with `eighteen export RUN`"
        ) from error
    loaded: list[Run] = []

    def from_tensor(tensor: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if not loaded:
            loaded.append(load(_present(bare))[0])
        return loaded[0](tensor)

    def from_pictures(pictures: Pictures) -> npt.NDArray[np.float32]:
        logits = np.empty((len(pictures), len(class_names)), np.float32)
        for rows in _calls(pictures):
            logits[rows] = ask(np.stack([pictures[row] for row in rows]))
        return logits

    made_from = notes.get("weights_sha256", "")
    return Opened(from_pictures, from_tensor, inputs, class_names, plain, made_from)


def _present(path: Path) -> Path:
    if not path.exists():
        raise RunError(f"{path} is missing; export the model again")
    return path


def _calls(pictures: Pictures) -> Iterator[list[int]]:
    """Pictures that go together: of one size, and not more than `PIXELS_A_CALL`."""
    found: dict[tuple[int, ...], list[int]] = {}
    for row, picture in enumerate(pictures):
        found.setdefault(picture.shape, []).append(row)
    for (height, width, *_), rows in found.items():
        number = max(1, PIXELS_A_CALL // (height * width))
        yield from (rows[start : start + number] for start in range(0, len(rows), number))
