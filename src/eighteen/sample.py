"""The built-in sample: scikit-learn's handwritten digits as picture files, with three planted faults.

1,797 grey pictures of 8x8 pixels (E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI
1998) come with scikit-learn, so the sample needs no network. The faults are what an audit should find: a file
that is cut off, a copy of a picture, and a picture that stands under two labels.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from eighteen.core import store

CUT = "3/cut-off.png"
COPY = "7/copy.png"
CONTRADICTION = "8/also-a-nine.png"


def write_digits(folder: Path) -> Path:
    """Writes the sample as one folder a class, unless it is there already.

    Args:
        folder: where to; made whole or not at all.
    """
    if folder.is_dir():
        return folder
    from sklearn.datasets import load_digits

    digits = load_digits()
    with store.new_folder(folder) as staging:
        seen: dict[int, list[bytes]] = {}
        for picture, digit in zip(digits.images, digits.target, strict=True):
            content = _png(picture)
            place = seen.setdefault(int(digit), [])
            place.append(content)
            _write(staging / f"{digit}/{len(place):03d}.png", content)
        _write(staging / CUT, seen[3][0][: len(seen[3][0]) * 3 // 5])
        _write(staging / COPY, seen[7][0])
        _write(staging / CONTRADICTION, seen[9][0])
    return folder


def _png(picture: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> bytes:
    """A picture of 0..16 as an 8-bit grey PNG."""
    buffer = BytesIO()
    Image.fromarray(np.rint(picture * (255 / 16)).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
