"""The whole augmenter: bound to picture and epoch, the plain view when off, and every setting acting."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from eighteen.augmenting.batch import BatchAugmenter
from eighteen.augmenting.draws import image_keys
from eighteen.augmenting.settings import AugmentSettings
from eighteen.core.errors import RecipeError, TrainingError
from eighteen.core.inputs import InputSpec, resize

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
COLOUR: dict[str, Any] = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
STRONG: dict[str, Any] = {"horizontal_flip": 0.5, "vertical_flip": 0.3, "erasing": 0.5, **COLOUR}
WAYS: list[tuple[dict[str, Any], dict[str, Any], int]] = [
    ({"crop": "pad", **STRONG}, {}, 32),
    ({"crop": "pad", "rotation_degrees": 20.0, "zoom_fraction": 0.2, **STRONG}, {}, 32),
    ({"crop": "resized", "rotation_degrees": 20.0, "fill": "background", **STRONG}, {}, 75),
    ({"crop": "none", "fill": "background", **STRONG}, {"fit": "letterbox"}, 32),
    ({"crop": "none", "horizontal_flip": 0.5}, {"fit": "crop", "crop_fraction": 0.8}, 40),
]


def batch(count: int, channels: int = 3, side_px: int = 32) -> tuple[Tensor, Tensor, np.ndarray]:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(
        0, 256, (count, channels, side_px, side_px), dtype=torch.uint8, generator=generator
    )
    aspects = torch.tensor([1.0, 0.5, 1.0, 2.5, 1.3])[torch.arange(count) % 5]
    return pixels, aspects, image_keys([f"{i}.png" for i in range(count)])


def augmenter(size_px: int = 32, **settings: Any) -> BatchAugmenter:
    return BatchAugmenter(AugmentSettings(**settings), size_px, MEAN, STD)


@pytest.mark.parametrize(("settings", "view", "stored_px"), WAYS)
def test_a_picture_is_the_same_in_every_batch_and_at_every_place(
    settings: dict[str, Any], view: dict[str, Any], stored_px: int
) -> None:
    augment = BatchAugmenter(AugmentSettings(**settings), 32, MEAN, STD, **view)
    pixels, aspects, keys = batch(70, side_px=stored_px)
    together = augment(pixels, aspects, keys, 1, 4)
    order = torch.from_numpy(np.random.default_rng(0).permutation(70))
    assert torch.equal(augment(pixels[order], aspects[order], keys[order.numpy()], 1, 4), together[order])
    for i in (0, 1, 33, 69):
        alone = augment(pixels[i : i + 1], aspects[i : i + 1], keys[i : i + 1], 1, 4)
        assert torch.equal(alone[0], together[i])
    assert not torch.equal(augment(pixels, aspects, keys, 1, 5), together)
    assert not torch.equal(augment(pixels, aspects, keys, 2, 4), together)


@pytest.mark.parametrize("channels", [1, 3])
def test_large_pictures_do_not_depend_on_the_number_of_threads(channels: int) -> None:
    colour = {"brightness": 0.4, "contrast": 0.4}
    augment = BatchAugmenter(
        AugmentSettings(crop="resized", rotation_degrees=9.0, **colour), 224, MEAN[:channels], STD[:channels]
    )
    pixels, aspects, keys = batch(3, channels, 256)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = augment(pixels, aspects, keys, 0, 0)
        torch.set_num_threads(2)
        two = augment(pixels, aspects, keys, 0, 0)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(one, two)


def test_prefetching_threads_give_what_one_thread_gives() -> None:
    augment = augmenter(crop="pad", rotation_degrees=10.0, **STRONG)
    pixels, aspects, keys = batch(24)
    with ThreadPoolExecutor(3) as pool:
        epochs = list(pool.map(lambda epoch: augment(pixels, aspects, keys, 0, epoch), range(6)))
    for epoch, result in enumerate(epochs):
        assert torch.equal(result, augment(pixels, aspects, keys, 0, epoch))


def test_no_global_random_state_is_touched() -> None:
    torch_state, numpy_state, python_state = (
        torch.get_rng_state(),
        np.random.get_state()[1],
        random.getstate(),
    )
    augmenter(crop="resized", **STRONG)(*batch(8), 0, 0)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)
    assert random.getstate() == python_state


@pytest.mark.parametrize("channels", [1, 3])
def test_without_settings_the_pixels_are_normalised_and_nothing_else(channels: int) -> None:
    pixels, aspects, keys = batch(4, channels)
    mean, std = np.array(MEAN[:channels]), np.array(STD[:channels])
    plain = BatchAugmenter(AugmentSettings(), 32, mean.tolist(), std.tolist())(pixels, aspects, keys, 0, 0)
    expected = (pixels.numpy() / 255.0 - mean[:, None, None]) / std[:, None, None]
    assert plain.dtype == torch.float32
    assert np.allclose(plain.numpy(), expected, atol=1e-5)


def scene(width_px: int, height_px: int) -> np.ndarray:
    """A smooth picture in which every place has a colour of its own: uint8 `[H, W, 3]`."""
    y, x = np.mgrid[0:height_px, 0:width_px]
    x, y = (x + 0.5) / width_px, (y + 0.5) / height_px
    planes = [255 * x, 255 * y, 127.5 + 127.5 * np.sin(3 * x + 4 * y)]
    return np.stack(planes, axis=2).round().astype(np.uint8)


@pytest.mark.parametrize(("width_px", "height_px"), [(240, 240), (320, 200), (150, 330), (301, 277)])
@pytest.mark.parametrize("fit", ["squash", "crop", "letterbox"])
@pytest.mark.parametrize("size_px", [48, 53])
def test_without_settings_the_view_is_that_of_the_input_spec(
    fit: str, width_px: int, height_px: int, size_px: int
) -> None:
    inputs = InputSpec(size=size_px, fit=fit, crop_fraction=0.8, background=(0, 0, 128), mean=MEAN, std=STD)
    pixels = scene(width_px, height_px)
    expected = inputs.normalised(inputs.fitted(pixels)[None])
    stored = torch.from_numpy(resize(pixels, 64, 64, "bilinear")).round().to(torch.uint8)[None]
    augment = BatchAugmenter.for_inputs(AugmentSettings(fill="background"), inputs)
    plain = augment(stored, torch.tensor([width_px / height_px]), image_keys(["a"]), 0, 0)
    levels = np.abs(plain.numpy() - expected) * np.array(STD)[:, None, None] * 255
    # The rows and columns along a letterbox's edge may blend with its margin; all else agrees to two levels
    # (a ramp crosses five a pixel, so a view half a pixel off would show).
    edges = {"letterbox": 0.1}.get(fit, 0.0)
    assert np.quantile(levels, 1 - edges) < 2.0
    assert levels.mean() < 1.0 if fit != "letterbox" else np.median(levels) < 1.0


@pytest.mark.parametrize(
    "change",
    [
        {"crop": "pad"},
        {"crop": "resized"},
        {"horizontal_flip": 1.0},
        {"vertical_flip": 1.0},
        {"rotation_degrees": 20.0},
        {"zoom_fraction": 0.3},
        {"brightness": 0.3},
        {"contrast": 0.3},
        {"saturation": 0.3},
        {"hue": 0.1},
        {"erasing": 1.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_setting_acts(change: dict[str, Any]) -> None:
    pixels, aspects, keys = batch(6)
    plain, changed = (
        augmenter()(pixels, aspects, keys, 0, 0),
        augmenter(**change)(pixels, aspects, keys, 0, 0),
    )
    for i in range(6):
        assert not torch.allclose(plain[i], changed[i], atol=1e-3), i


@pytest.mark.parametrize(
    ("base", "change"),
    [
        ({"crop": "resized", "crop_scale_min": 0.35}, {"crop_scale_min": 0.9}),
        ({"crop": "resized"}, {"crop_aspect_max": 2.0}),
        ({"crop": "pad"}, {"pad_fraction": 0.4}),
        ({"erasing": 1.0}, {"erasing_area_max": 0.05}),
        ({"rotation_degrees": 40.0}, {"fill": "background"}),
        ({"crop": "pad"}, {"fill": "background"}),
    ],
)
def test_each_companion_setting_acts(base: dict[str, Any], change: dict[str, Any]) -> None:
    inputs = batch(6)
    assert not torch.equal(augmenter(**base)(*inputs, 0, 0), augmenter(**base | change)(*inputs, 0, 0))


def test_the_view_given_acts() -> None:
    pixels, aspects, keys = batch(5)
    settings = AugmentSettings(fill="background")
    views: list[dict[str, Any]] = [
        {},
        {"fit": "crop"},
        {"fit": "crop", "crop_fraction": 0.5},
        {"fit": "letterbox"},
        {"fit": "letterbox", "background": (0, 0, 0)},
    ]
    results = [
        BatchAugmenter(settings, 32, MEAN, STD, **view)(pixels, aspects, keys, 0, 0)[1] for view in views
    ]
    for i, left in enumerate(results):
        assert not any(torch.equal(left, right) for right in results[i + 1 :])


def test_a_zoom_enlarges_about_the_middle() -> None:
    pixels = torch.zeros(40, 1, 32, 32, dtype=torch.uint8)
    pixels[:, :, 8:24, 8:24] = 255
    augment = BatchAugmenter(
        AugmentSettings(zoom_fraction=0.4, fill="background"), 32, [0], [1], background=[0]
    )
    keys = image_keys([str(i) for i in range(40)])
    bright = augment(pixels, torch.ones(40), keys, 0, 0)[:, 0]
    sides = bright.sum((1, 2)).sqrt() / 16
    assert 0.59 < sides.min() < 0.7 and 1.3 < sides.max() < 1.41
    assert torch.allclose(bright, bright.flip(1, 2), atol=1e-4)


def test_whole_pixel_moves_keep_every_value_sharp() -> None:
    pixels, _, keys = batch(20, channels=1)
    augment = BatchAugmenter(AugmentSettings(crop="pad", horizontal_flip=0.5), 32, [0.0], [1 / 255])
    moved = augment(pixels, torch.ones(20), keys, 0, 0)
    assert torch.equal(moved, moved.round())
    middles = [
        set(m[0].flatten().tolist()) <= set(p.float().flatten().tolist())
        for m, p in zip(moved, pixels, strict=True)
    ]
    assert all(middles)


def test_a_buffer_given_is_filled_and_returned() -> None:
    augment, inputs = augmenter(crop="resized", **STRONG), batch(6)
    out = torch.full((6, 3, 32, 32), torch.nan)
    assert augment(*inputs, 0, 0, out=out) is out
    assert torch.equal(out, augment(*inputs, 0, 0))
    with pytest.raises(TrainingError, match=r"out is torch\.float32 \[5, 3, 32, 32\].*expected contiguous"):
        augment(*inputs, 0, 0, out=out[:5])


def test_the_pictures_given_are_left_alone_and_autocast_does_not_coarsen() -> None:
    augment, (pixels, aspects, keys) = augmenter(crop="pad", rotation_degrees=5.0, **STRONG), batch(6)
    before = pixels.clone()
    plain = augment(pixels, aspects, keys, 0, 0)
    assert torch.equal(pixels, before)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(augment(pixels, aspects, keys, 0, 0), plain)


def test_a_batch_of_the_wrong_kind_is_refused_with_all_its_problems() -> None:
    augment, (pixels, aspects, keys) = augmenter(), batch(4)
    with pytest.raises(TrainingError) as caught:
        augment(pixels.float(), aspects[:3], keys.astype(np.int64), 0, 0)
    message = str(caught.value)
    for words in (
        "pixels is torch.float32 [4, 3, 32, 32], expected torch.uint8 [B, 3, S, S]",
        "aspects is torch.float32 [3], expected 4 positive numbers",
        "keys is int64 [4], expected uint64 [4]; make them with image_keys",
    ):
        assert words in message


@pytest.mark.parametrize(
    "shape", [(4, 1, 32, 32), (4, 3, 32, 40), (4, 3, 31, 31), (3, 32, 32), (0, 3, 32, 32), ()]
)
def test_pixels_of_the_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    count = shape[0] if shape else 0
    with pytest.raises(TrainingError, match=r"pixels is torch\.uint8.*B from 1 and S from 32"):
        augmenter()(torch.zeros(shape, dtype=torch.uint8), torch.ones(count), image_keys(["a"] * count), 0, 0)


@pytest.mark.parametrize("aspect", [0.0, -1.0, float("nan"), float("inf")])
def test_aspects_that_are_none_are_refused(aspect: float) -> None:
    pixels, _, keys = batch(1)
    with pytest.raises(TrainingError, match="expected 1 positive numbers"):
        augmenter()(pixels, torch.tensor([aspect]), keys, 0, 0)


def test_settings_that_contradict_the_input_are_refused() -> None:
    with pytest.raises(
        RecipeError, match=r"saturation is 0\.4, hue 0\.1, grey 0\.0; expected 0.*one channel"
    ):
        BatchAugmenter(AugmentSettings(**COLOUR), 32, [0.5], [0.2])
    with pytest.raises(RecipeError, match="expected 'background' beside fit 'letterbox'"):
        BatchAugmenter(AugmentSettings(), 32, MEAN, STD, fit="letterbox")
    with pytest.raises(RecipeError, match="give 1 or 3 of each"):
        BatchAugmenter(AugmentSettings(), 32, MEAN, STD[:2])
    with pytest.raises(RecipeError, match="give 1 or 3 of each"):
        BatchAugmenter(AugmentSettings(), 32, [0.5], [0.0])
