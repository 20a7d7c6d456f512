"""Small pictures for a page: from an image id to an embedded JPEG, or to the reason why there is none.

The files are read where the data set lay when it was trained on. A report must come out without them too, so
a picture that cannot be had is a sentence, never an error.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from eighteen.core.dataset import Dataset
from eighteen.core.errors import UnreadableImage
from eighteen.core.inputs import with_channels
from eighteen.core.pixels import decode_reduced, to_uint8

SIDE_PX = 144
"""Longest side of a thumbnail."""

QUALITY = 80
"""Of the JPEG, 1..95: about 4 kB a picture."""


@dataclass(frozen=True)
class Thumbnail:
    """One picture of a page.

    Attributes:
        image: id of the picture.
        uri: `data:image/jpeg;base64,…`; "" where there is no picture.
        missing: why there is none; "" where there is one.
        small: whether the picture has so few pixels that they should be shown as squares.
    """

    image: str
    uri: str
    missing: str = ""
    small: bool = False


@dataclass(frozen=True)
class Thumbnails:
    """Makes thumbnails of a data set's pictures, each once.

    Attributes:
        root: folder that paths start from.
        places: path and index (-1: the file is the picture) of each known id.
        max_pixels: larger pictures are not unpacked.
    """

    root: Path
    places: Mapping[str, tuple[str, int]]
    max_pixels: int
    _made: dict[str, Thumbnail] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, dataset: Dataset, max_pixels: int) -> Thumbnails:
        rows = dataset.table.select("id", "path", "index").iter_rows()
        return cls(dataset.root, {image: (path, index) for image, path, index in rows}, max_pixels)

    def of_image(self, image: str) -> Thumbnail:
        """The thumbnail of an id; of one that was left out of the data set too, if its file is there."""
        if image not in self._made:
            path, index = self.places.get(image) or _place(image)
            self._made[image] = make(image, self.root / path, index, self.max_pixels)
        return self._made[image]


def make(image: str, path: Path, index: int, max_pixels: int) -> Thumbnail:
    """Decodes a picture and makes it small.

    Args:
        image: its id.
        path, index: where it is; index -1 where the file is the picture.
        max_pixels: larger pictures are not unpacked.
    """
    if not path.is_file():
        return Thumbnail(image, "", "the file is no longer where it was")
    try:
        picture = decode_reduced(path, SIDE_PX, index, max_pixels)
    except UnreadableImage as error:
        return Thumbnail(image, "", error.reason)
    pixels = with_channels(to_uint8(picture), 3)
    small = max(pixels.shape[:2]) <= SIDE_PX // 2
    content = base64.b64encode(_jpeg(pixels, small)).decode("ascii")
    return Thumbnail(image, f"data:image/jpeg;base64,{content}", "", small)


def _jpeg(pixels: npt.NDArray[np.uint8], small: bool) -> bytes:
    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    # Tiny pictures cost nothing, and colours at half resolution would show.
    options = {"quality": 95, "subsampling": 0} if small else {"quality": QUALITY}
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", optimize=True, **options)
    return buffer.getvalue()


def _place(image: str) -> tuple[str, int]:
    """Path and index of an id that the table does not know."""
    path, mark, index = image.rpartition("#")
    return (path, int(index)) if mark and index.isdecimal() else (image, -1)
