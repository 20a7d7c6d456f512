"""`InputSpec` as a functional Keras model: uint8 RGB `[N, H, W, 3]` of any size to `[N, size, size, C]`.

The same two matrices as in `models/preparing.py`, from operations of `keras.ops` alone, so that no class of
this package is needed to open it. Sides are found inside the graph by counting along them, which works on
every backend, also where shapes are fixed by compiling. All places are whole numbers: JAX has no float64,
and whole numbers need none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from eighteen.core.inputs import MAX_ASPECT, InputSpec

_LUMA = (19595.0, 38470.0, 7471.0)  # Pillow's, in 1/65536


def preparation(inputs: InputSpec) -> Any:
    """The Keras model of a preparation; its output is normalised."""
    import keras
    from keras import ops

    image = keras.Input((None, None, 3), dtype="uint8", name="image")
    planes = ops.cast(image, "float32")  # [N, H, W, 3], 0..255
    if inputs.channels == 1:
        luma = ops.sum(planes * np.array(_LUMA, np.float32), axis=-1, keepdims=True)
        planes = ops.floor((luma + 32768.0) / 65536.0)
    down, across = _counted(image[0, :, 0, 0]), _counted(image[0, 0, :, 0])
    new_height, new_width = _new_sides(inputs, down[1], across[1])
    rows, inside_rows = _matrix(inputs, new_height, *down)
    columns, inside_columns = _matrix(inputs, new_width, *across)
    fitted = ops.einsum("oh,nhwc->nowc", rows, planes)
    fitted = ops.einsum("pw,nowc->nopc", columns, fitted)
    if inputs.kernel == "bicubic":
        fitted = ops.clip(fitted, 0.0, 255.0)
    if inputs.fit == "letterbox":
        inside = ops.expand_dims(ops.expand_dims(inside_rows, 1) * inside_columns, -1)  # [size, size, 1]
        fitted = fitted * inside + (1.0 - inside) * inputs.background_values
    scale, shift = inputs.scale_and_shift()
    return keras.Model(image, fitted * scale + shift, name="preparation")


def _counted(line: Any) -> tuple[Any, Any]:
    """1, 2, 3 … along a line of pixels `[length]`, and its length."""
    from keras import ops

    ones = ops.ones_like(line, dtype="int32")
    return ops.cumsum(ones, axis=0), ops.sum(ones)


def _new_sides(inputs: InputSpec, height: Any, width: Any) -> tuple[Any, Any]:
    """Sides of the resized picture, before it is cut or filled up."""
    from keras import ops

    if inputs.fit == "squash":
        return ops.zeros_like(height) + inputs.size, ops.zeros_like(width) + inputs.size
    longer, shorter = ops.maximum(height, width), ops.minimum(height, width)
    if inputs.fit == "letterbox":
        sides = (_rounded(side * inputs.size, longer) for side in (height, width))
        return ops.maximum(next(sides), 1), ops.maximum(next(sides), 1)
    short = max(inputs.size, round(inputs.size / inputs.crop_fraction))
    kept = ops.minimum(longer, shorter * int(MAX_ASPECT))
    long = ops.maximum(_rounded(kept * short, shorter), short)
    least = ops.zeros_like(long) + short
    upright = ops.less_equal(width, height)
    return ops.where(upright, long, least), ops.where(upright, least, long)


def _rounded(above: Any, below: Any) -> Any:
    """The whole number next to a fraction; of two, the even one, as Python rounds."""
    from keras import ops

    doubled = above * 2 + below
    whole, rest = ops.floor_divide(doubled, below * 2), ops.mod(doubled, below * 2)
    odd = ops.mod(whole, 2)
    return whole - ops.where(ops.equal(rest, 0), odd, ops.zeros_like(odd))


def _matrix(inputs: InputSpec, new_length: Any, count: Any, length: Any) -> tuple[Any, Any]:
    """The matrix `[size, length]` of a side, and which of its rows hold picture, `[size]`."""
    from keras import ops

    # Where the output begins in the resized picture; below 0 where a margin comes first. Rounded down is the
    # part that is cut off, or the margin.
    if inputs.fit == "letterbox":
        start = ops.negative(ops.floor_divide(inputs.size - new_length, 2))
    else:
        start = ops.floor_divide(new_length - inputs.size, 2)
    place = start + np.arange(inputs.size, dtype=np.int32)  # [size]
    # Both from the middle, in halves of a pixel: small numbers, and exact.
    from_middle = ops.expand_dims(place * 2 + 1 - new_length, 1)  # [size, 1]
    samples = count * 2 - 1 - length  # [length]
    between = ops.abs(samples * new_length - from_middle * length)
    window = ops.maximum(length, new_length) * 2
    distance = ops.cast(between, "float32") / ops.cast(window, "float32")
    weights = _triangle(distance) if inputs.kernel == "bilinear" else _cubic(distance)
    inside = ops.logical_and(ops.greater_equal(place, 0), ops.less(place, new_length))
    total = ops.where(inside, ops.sum(weights, axis=1), 1.0)  # nothing to share out elsewhere
    return weights / ops.expand_dims(total, 1), ops.cast(inside, "float32")


def _triangle(distance: Any) -> Any:
    from keras import ops

    return ops.maximum(1.0 - distance, 0.0)


def _cubic(distance: Any) -> Any:
    from keras import ops

    x = distance
    near = (x * 1.5 - 2.5) * x * x + 1.0
    far = ((x * -0.5 + 2.5) * x - 4.0) * x + 2.0
    return ops.where(ops.less(x, 1.0), near, ops.where(ops.less(x, 2.0), far, ops.zeros_like(x)))
