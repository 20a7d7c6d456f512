"""Looking without any model: colours, where they are, edges, brightness, blur and shape.

Each picture becomes four blocks of numbers at equal weight. That tells an X-ray from a dress and a dark photo
from a bright one; it does not know what is shown, and so is much weaker than a network.

Sources: Swain and Ballard, Color Indexing, IJCV 7 (1991), for colour histograms; Dalal and Triggs, CVPR 2005,
for histograms of oriented gradients, here coarse ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eighteen.core.dataset import Dataset
from eighteen.core.errors import DatasetError
from eighteen.core.inputs import InputSpec
from eighteen.core.pixels import MAX_PIXELS
from eighteen.core.progress import Progress
from eighteen.inference.reading import items_of, read_batches
from eighteen.measuring.picture_facts import brightness_and_blur
from eighteen.screening.seen import Floats, Seen, at_length_1

SIDE_PX = 64
"""Side that every picture is brought to."""

_THUMBNAIL, _CELLS, _DIRECTIONS, _LEVELS = 8, 4, 8, 4
_BATCH = 64


@dataclass(frozen=True)
class EyeLook:
    """Looks without a model.

    Attributes:
        max_pixels: larger pictures are refused by the decoder.
    """

    max_pixels: int = MAX_PIXELS

    @property
    def sentence(self) -> str:
        return (
            "colours, edges and brightness alone, which is much weaker than a network; name one with --run, "
            "or with --model and --weights"
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        return ()

    @property
    def can_suggest(self) -> bool:
        return False

    def __call__(self, dataset: Dataset, progress: Progress) -> Seen:
        """Looks at every row.

        Raises:
            DatasetError: a picture that was readable when it was scanned no longer is.
        """
        inputs = InputSpec(size=SIDE_PX, fit="squash")
        parts: list[Floats] = []
        for batch in read_batches(items_of(dataset), inputs, _BATCH, self.max_pixels):
            if batch.unreadable:
                row, reason = batch.unreadable[0]
                raise DatasetError(
                    f"{dataset.ids[row]}: {reason}; it was readable a moment ago. Bring it back"
                )
            parts.append(described(batch.pixels))
            progress("look", int(batch.positions[-1]) + 1, len(dataset), "")
        blocks = np.concatenate(parts) if parts else np.empty((0, described_width()), np.float32)
        return Seen(np.concatenate([blocks, _shape(dataset)], axis=1))


def described(pixels: Floats) -> Floats:
    """Describes fitted pictures.

    Args:
        pixels: `[B, 3, 64, 64]`, 0..255.

    Returns:
        float32 `[B, D]`: a thumbnail, a colour histogram and edge directions, each at length 1, then
        brightness and blur.
    """
    brightness, blur = brightness_and_blur(pixels)
    facts = np.stack([brightness / 255, blur], axis=1)
    blocks = [at_length_1(_thumbnail(pixels)), at_length_1(_colours(pixels)), at_length_1(_edges(pixels))]
    return np.concatenate([*blocks, facts], axis=1).astype(np.float32)


def described_width() -> int:
    """Numbers that `described` gives a picture."""
    return 3 * _THUMBNAIL**2 + _LEVELS**3 + _DIRECTIONS * _CELLS**2 + 2


def _thumbnail(pixels: Floats) -> Floats:
    step = SIDE_PX // _THUMBNAIL
    cells = pixels.reshape(len(pixels), 3, _THUMBNAIL, step, _THUMBNAIL, step).mean(axis=(3, 5))
    # Around grey, or all thumbnails would point one way.
    return np.asarray(cells.reshape(len(pixels), -1) / 255 - 0.5, np.float32)


def _colours(pixels: Floats) -> Floats:
    """Roots of the shares of 64 colours, `[B, 64]`."""
    level = np.minimum(pixels * (_LEVELS / 256), _LEVELS - 1).astype(np.int64)  # [B, 3, H, W]
    colour = (level[:, 0] * _LEVELS + level[:, 1]) * _LEVELS + level[:, 2]
    return _roots(colour, np.ones(colour.shape, np.float32), _LEVELS**3)


def _edges(pixels: Floats) -> Floats:
    """Roots of the gradient's strength by cell and direction, `[B, 128]`."""
    grey = pixels.mean(axis=1)  # [B, H, W]
    down, across = np.gradient(grey, axis=(1, 2))
    turn = np.arctan2(down, across) % np.pi / np.pi  # 0..1
    direction = np.minimum((turn * _DIRECTIONS).astype(np.int64), _DIRECTIONS - 1)
    place = np.arange(SIDE_PX) * _CELLS // SIDE_PX
    cell = place[:, None] * _CELLS + place
    return _roots(cell * _DIRECTIONS + direction, np.hypot(down, across), _CELLS**2 * _DIRECTIONS)


def _roots(bins: npt.NDArray[np.int64], weight: Floats, count: int) -> Floats:
    """Square roots of each picture's summed weights by bin, `[B, count]`."""
    own = bins + count * np.arange(len(bins))[:, None, None]
    sums = np.bincount(own.ravel(), weight.ravel(), len(bins) * count)
    return np.sqrt(sums.reshape(len(bins), count)).astype(np.float32)


def _shape(dataset: Dataset) -> Floats:
    """Share of the width in width and height, `[N, 1]`."""
    width, height = (dataset.table[name].to_numpy().astype(np.float32) for name in ("width", "height"))
    return np.asarray((width / np.maximum(1, width + height))[:, None], np.float32)
