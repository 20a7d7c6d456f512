"""Products on small maps give what convolutions give, forwards and backwards."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from eighteen.training import precision, small_maps
from eighteen.training.precision import Mode
from eighteen.training.small_maps import SmallMapProducts, product_conv2d

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("height", "width", "side", "stride", "padding"),
    [
        (4, 4, 3, 1, 1),  # all by products
        (3, 5, 3, 1, 0),
        (2, 2, 5, 1, 2),
        (8, 8, 3, 1, 1),  # only the gradient of the weights
        (9, 7, 3, 2, 1),  # with a stride
        (8, 6, 1, 2, 0),
        (7, 7, 3, 3, 2),
    ],
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["nchw", "nhwc"])
def test_as_the_library_computes_it(
    height: int, width: int, side: int, stride: int, padding: int, layout: torch.memory_format
) -> None:
    torch.manual_seed(side)
    images = torch.randn(3, 4, height, width, dtype=torch.float64).contiguous(memory_format=layout)
    weight = torch.randn(5, 4, side, side, dtype=torch.float64).contiguous(memory_format=layout)
    found = _with_gradients(lambda x, w: product_conv2d(x, w, stride, padding), images, weight)
    expected = _with_gradients(
        lambda x, w: nn.functional.conv2d(x, w, stride=stride, padding=padding), images, weight
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_only_what_is_asked_for_gets_a_gradient() -> None:
    images, weight = torch.randn(2, 3, 4, 4), torch.randn(3, 3, 3, 3, requires_grad=True)
    product_conv2d(images, weight, padding=1).sum().backward()
    assert images.grad is None and weight.grad is not None


@pytest.mark.parametrize(
    ("layer", "side_px", "taken"),
    [
        (nn.Conv2d(4, 4, 3, padding=1, bias=False), 8, True),
        (nn.Conv2d(4, 4, 3, padding=1, bias=False), 9, False),  # too large a map
        (nn.Conv2d(4, 4, 1, bias=False), 4, False),  # a product already
        (nn.Conv2d(4, 4, 1, stride=2, bias=False), 4, True),
        (nn.Conv2d(4, 4, 3, padding=1), 4, False),  # a bias
        (nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False), 4, False),
        (nn.Conv2d(4, 4, 3, padding=2, dilation=2, bias=False), 4, False),
        (nn.Conv2d(4, 4, (1, 3), padding=(0, 1), bias=False), 4, False),
        (nn.Conv2d(4, 4, 3, stride=(1, 2), padding=1, bias=False), 4, False),
        (nn.Conv2d(4, 4, 3, padding="same", bias=False), 4, False),
        (nn.Conv2d(4, 4, 3, padding=3, bias=False), 2, False),  # zeros that the turned kernel would need
    ],
    ids=str,
)
def test_what_is_taken(layer: nn.Conv2d, side_px: int, taken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _counted(monkeypatch)
    images = torch.randn(2, 4, side_px, side_px)
    expected = layer(images)
    with SmallMapProducts():
        torch.testing.assert_close(layer(images), expected)
    assert len(calls) == taken


def test_a_network_learns_the_same_in_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """With either, gradients differ from those of float32 by as much as bf16 rounds."""
    from eighteen.models.family import build

    torch.manual_seed(0)
    network = build("resnet18", num_classes=3, in_channels=3, stem="small", width=0.125).train()
    images = torch.randn(4, 3, 32, 32)
    calls = _counted(monkeypatch)

    def gradients(mode: Mode, tiles: bool) -> torch.Tensor:
        monkeypatch.setattr(precision, "have_tiles", lambda device: tiles)
        network.zero_grad()
        network.to(memory_format=mode.memory_format)
        with mode.computing(CPU):
            loss = nn.functional.cross_entropy(network(images).float(), torch.tensor([0, 1, 2, 0]))
        loss.backward()
        return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])

    exact = gradients(Mode(False, True), True)
    library = gradients(Mode(True, True), False)
    assert not calls  # not in float32, and not without tiles
    products = gradients(Mode(True, True), True)
    assert len(calls) == 10  # stages 3 and 4
    rounding = (library - exact).norm()
    assert rounding > 0 and (products - exact).norm() < 1.5 * rounding


def test_tiles_are_a_matter_of_this_processor() -> None:
    assert small_maps.have_tiles(CPU) == torch.cpu._is_amx_tile_supported()
    assert not small_maps.have_tiles(torch.device("meta"))


def _with_gradients(compute: Any, images: torch.Tensor, weight: torch.Tensor) -> list[torch.Tensor]:
    images, weight = images.clone().requires_grad_(), weight.clone().requires_grad_()
    out = compute(images, weight)
    torch.manual_seed(1)
    out.backward(torch.randn(out.shape, dtype=out.dtype))
    assert images.grad is not None and weight.grad is not None
    return [out.detach(), images.grad, weight.grad]


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    calls: list[int] = []
    plain = small_maps.product_conv2d

    def counting(*arguments: Any) -> torch.Tensor:
        calls.append(1)
        return plain(*arguments)

    monkeypatch.setattr(small_maps, "product_conv2d", counting)
    return calls
