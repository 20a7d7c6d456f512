"""The depth rule "full-range": how samples of any depth become 8 bits.

* uint8 stays. 1-bit is 0 and 255 already.
* uint16 is divided by its full range, which the mode names: "I;16" by 65535, "I;12" by 4095, "I;8" by 255.
* int32 and uint32 are divided by the smallest of 255, 4095 and 65535 that holds the picture's maximum, above
  that by the maximum itself.
* float32 up to 1 is multiplied by 255; up to 255 it stays; above that it goes as int32 does.
* A picture with negative values (int32, float32) is spread from its minimum..maximum over 0..255.

Results are rounded to the nearest integer, halves up. Values that are not finite never get here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eighteen.core.decoding.value import Array, strips

_RANGES = (255.0, 4095.0, 65535.0)


def to_bytes(samples: Array, mode: str) -> npt.NDArray[np.uint8]:
    """Brings samples `[H, W, C]` without alpha to uint8 by the rule above."""
    if samples.dtype == np.uint8:
        return samples
    if samples.dtype == np.uint16:
        levels = np.arange(65536, dtype=np.float64) * 255.0 / full_range(mode) + 0.5
        table = np.minimum(levels, 255.0).astype(np.uint8)
        return looked_up(table, samples)
    low, high = float(samples.min()), float(samples.max())
    if low < 0:
        full, shift = high - low or 1.0, low
    elif samples.dtype == np.float32 and high <= 1:
        full, shift = 1.0, 0.0
    else:
        full, shift = next((full for full in _RANGES if high <= full), high), 0.0
    out = np.empty(samples.shape, dtype=np.uint8)
    for rows in strips(*samples.shape[:2]):
        out[rows] = np.clip((samples[rows].astype(np.float64) - shift) * 255.0 / full + 0.5, 0.0, 255.0)
    return out


def looked_up(table: npt.NDArray[np.uint8], indices: Array) -> npt.NDArray[np.uint8]:
    """`table[indices]`; NumPy makes indices of eight bytes each on the way."""
    out = np.empty((*indices.shape, *table.shape[1:]), dtype=np.uint8)
    for rows in strips(*indices.shape[:2]):
        out[rows] = table[indices[rows]]
    return out


def full_range(mode: str) -> int:
    """The largest value of 16-bit samples, by the bits that a mode such as "I;12" or "RGB;16" names."""
    bits = mode.partition(";")[2]
    return (1 << int(bits)) - 1 if bits.isdigit() else 65535


def over_background(
    colours: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8], background: tuple[int, int, int]
) -> npt.NDArray[np.uint8]:
    """Lays `[H, W, 1 or 3]` with alpha `[H, W, 1]` over one colour; grey over grey stays grey."""
    if int(alpha.min()) == 255:
        return colours
    channels = 3 if len(set(background)) > 1 else colours.shape[2]
    under = np.array(background[:channels], dtype=np.float32)
    out = np.empty((*colours.shape[:2], channels), dtype=np.uint8)
    for rows in strips(*colours.shape[:2]):
        share = alpha[rows].astype(np.float32) / np.float32(255)
        blended = colours[rows] * share + under * (np.float32(1) - share)
        out[rows] = blended + np.float32(0.5)
    return out
