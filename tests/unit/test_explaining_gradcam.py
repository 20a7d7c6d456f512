"""Grad-CAM: equal to its formula, on what decides, in the right layer, and without a trace in the network."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torch.nn.functional import interpolate

from eighteen.core.errors import EighteenError
from eighteen.core.inputs import InputSpec
from eighteen.explaining._feature_layer import feature_layer
from eighteen.explaining._randomised import randomised
from eighteen.explaining.gradcam import explain_maps, gradcam
from eighteen.models.resnet18 import ResNet18


def share_on_squares(maps: np.ndarray, squares: np.ndarray) -> float:
    """Mean share of a map's mass that lies on the square."""
    return float(((maps * squares).sum((1, 2)) / np.maximum(maps.sum((1, 2)), 1e-9)).mean())


def small_network(num_classes: int = 3, **options: Any) -> ResNet18:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return ResNet18(
            num_classes, **{"blocks": (1, 1, 1, 1), "stem": "small", "width": 4, **options}
        ).eval()


def images_of(n: int, side: int = 32, channels: int = 3) -> torch.Tensor:
    return torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(n))


def test_the_map_lies_on_what_decides(striped_squares: Any) -> None:
    unseen = striped_squares.unseen
    maps = explain_maps(striped_squares.network, striped_squares.inputs, unseen.pixels, unseen.targets)
    area = float(unseen.squares.mean())
    assert maps.shape == unseen.squares.shape and maps.dtype == np.float32
    assert share_on_squares(maps, unseen.squares) > 1.7 * area
    images = striped_squares.forward.normalised(torch.from_numpy(unseen.pixels))
    ignorant = randomised(striped_squares.network, images, seed=0)
    others = explain_maps(ignorant, striped_squares.inputs, unseen.pixels, unseen.targets)
    assert share_on_squares(others, unseen.squares) < 1.4 * area


def test_it_equals_the_papers_formula() -> None:
    network, images, classes = small_network(), images_of(4), torch.tensor([0, 1, 2, 1])
    activation = network.forward_features(images)  # [B, 32, 4, 4]
    chosen = network.forward_head(activation).gather(1, classes[:, None]).sum()
    (gradient,) = torch.autograd.grad(chosen, activation)
    coarse = (gradient.mean((2, 3), keepdim=True) * activation).sum(1, keepdim=True).relu()
    fine = interpolate(coarse, size=(32, 32), mode="bilinear", align_corners=False)[:, 0]
    expected = (fine / fine.amax((1, 2), keepdim=True)).detach()
    torch.testing.assert_close(gradcam(network, images, classes), expected, rtol=1e-4, atol=1e-5)


def test_maps_reach_from_0_to_1_and_are_0_where_nothing_speaks_for_the_class() -> None:
    network = small_network()
    with torch.no_grad():
        network.fc.weight[1] = -1.0
    maps = gradcam(network, images_of(2), torch.tensor([0, 1]))
    assert maps.min() >= 0
    assert maps[0].max() == 1
    assert (maps[1] == 0).all()


@pytest.mark.parametrize(
    ("stem", "side", "expected"),
    [
        ("small", 32, "layer4"),
        ("small", 16, "layer3"),
        ("imagenet", 32, "layer2"),
        ("imagenet", 64, "layer3"),
        ("imagenet", 224, "layer4"),
    ],
)
def test_small_pictures_are_looked_at_in_an_earlier_layer(stem: str, side: int, expected: str) -> None:
    network = small_network(stem=stem)
    assert feature_layer(network, images_of(1, side)) is network.get_submodule(expected)


@pytest.mark.parametrize(
    ("name", "side", "expected"),
    [
        ("resnet18d", 96, "layer3"),
        ("resnet18d", 128, "layer4"),
        ("resnetv2_18", 128, "norm"),
        ("mobilenetv3_small_100", 128, "blocks"),
        ("mobilenetv3_small_100", 64, "blocks.3"),
        ("efficientnet_b0", 128, "bn2"),
        ("convnext_atto", 128, "norm_pre"),
        ("convnext_atto", 64, "stages.2"),
    ],
)
def test_networks_of_timm(name: str, side: int, expected: str) -> None:
    network = timm.create_model(name, pretrained=False, num_classes=5).eval()
    images = images_of(2, side)
    assert feature_layer(network, images) is network.get_submodule(expected)
    maps = gradcam(network, images, torch.tensor([1, 4]))
    assert maps.shape == (2, side, side) and torch.isfinite(maps).all()


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_a_network_without_maps_is_refused(name: str) -> None:
    network = timm.create_model(name, pretrained=False, num_classes=2)
    with pytest.raises(EighteenError, match=r"has no layer with a map.*occlusion"):
        gradcam(network, images_of(1, 224), torch.tensor([0]))


def test_the_finest_map_is_taken_where_none_is_fine_enough() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 4, stride=4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    assert feature_layer(network, images_of(1, 8)) is network[0]


def test_nothing_is_left_in_the_network(striped_squares: Any) -> None:
    network = copy.deepcopy(striped_squares.network).train()
    network.conv1.weight.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    random, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()
    unseen = striped_squares.unseen
    with torch.no_grad():
        explain_maps(network, striped_squares.inputs, unseen.pixels[:3], unseen.targets[:3])
        assert not torch.is_grad_enabled()
    assert network.training and all(part.training for part in network.modules())
    assert not network.conv1.weight.requires_grad and network.fc.weight.requires_grad
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(part._forward_hooks for part in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert (np.random.get_state()[1] == numbers).all()


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_it_works_where_gradients_are_off(mode: Any) -> None:
    network, classes = small_network().requires_grad_(False), torch.tensor([0, 1])
    expected = gradcam(network, images_of(2), classes)
    with mode():
        torch.testing.assert_close(gradcam(network, images_of(2) + 0.0, classes + 0), expected)


def test_a_mirrored_answer_has_a_mirrored_map() -> None:
    network = small_network()
    plain = InputSpec(size=32, fit="squash")
    both = plain.model_copy(update={"mirror_average": True})
    pixels = np.random.default_rng(0).uniform(0, 255, (6, 3, 32, 32)).astype(np.float32)
    classes, turned = np.array([0, 1, 2, 0, 1, 2]), np.ascontiguousarray(pixels[..., ::-1])
    maps = explain_maps(network, both, pixels, classes)
    np.testing.assert_allclose(maps[..., ::-1], explain_maps(network, both, turned, classes), atol=1e-5)
    one, other = explain_maps(network, plain, pixels, classes), explain_maps(network, plain, turned, classes)
    assert np.abs(one[..., ::-1] - other).max() > 0.1
    for joint, first, second in zip(maps, one, other[..., ::-1], strict=True):
        # The mean of the two before scaling: a mixture of both, with weights of 0 or more
        weights, _, _, _ = np.linalg.lstsq(
            np.stack([first.ravel(), second.ravel()], 1), joint.ravel(), rcond=None
        )
        np.testing.assert_allclose(weights[0] * first + weights[1] * second, joint, atol=1e-4)
        assert weights.min() > -1e-4


def test_pictures_do_not_depend_on_their_batch() -> None:
    network, inputs = small_network(), InputSpec(size=32, fit="squash")
    pixels = np.random.default_rng(1).uniform(0, 255, (40, 3, 32, 32)).astype(np.float32)
    classes = np.arange(40) % 3
    together = explain_maps(network, inputs, pixels, classes)
    alone = [
        explain_maps(network, inputs, pixels[row : row + 1], classes[row : row + 1]) for row in (0, 33, 39)
    ]
    np.testing.assert_allclose(together[[0, 33, 39]], np.concatenate(alone), atol=1e-4)


def test_grey_pictures() -> None:
    inputs = InputSpec(size=32, channels=1, fit="squash", mean=(0.5,), std=(0.25,))
    pixels = np.random.default_rng(2).uniform(0, 255, (2, 1, 32, 32)).astype(np.float32)
    maps = explain_maps(small_network(in_channels=1), inputs, pixels, np.array([0, 2]))
    assert maps.shape == (2, 32, 32)


def test_refusals() -> None:
    network, inputs = small_network(), InputSpec(size=32)
    none = np.empty((0, 3, 32, 32), np.float32)
    one = np.zeros((1, 3, 32, 32), np.float32)
    with pytest.raises(EighteenError, match="hold no picture to explain"):
        explain_maps(network, inputs, none, np.empty(0, np.int64))
    with pytest.raises(EighteenError, match="given for 1 pictures; expected one whole number each"):
        explain_maps(network, inputs, one, np.array([0, 1]))
    with pytest.raises(EighteenError, match="class 3 is none of the model's 3 classes; expected 0 to 2"):
        explain_maps(network, inputs, one, np.array([3]))
    with pytest.raises(EighteenError, match="not finite"):
        explain_maps(network, inputs, one * np.nan, np.array([0]))
    with pytest.raises(EighteenError, match="cannot be explained"):
        gradcam(network, torch.zeros(3, 32, 32), torch.tensor([0]))
