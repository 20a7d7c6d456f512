"""Convolutions on small maps as matrix products, where the processor multiplies bf16 tiles (AMX).

oneDNN's kernels for these tiles run along the rows of a map. Rows of 2 to 8 pixels leave them mostly empty,
worst in the gradient of the weights: in ResNet-18 at 32 px the last stage, a quarter of the arithmetic, took
half of the time of a step. Here the patches that a kernel sees are laid out as rows of one matrix, and one
product does the rest (im2col; Chellapilla et al., High Performance Convolutional Neural Networks for Document
Processing, 2006). The sums are the same ones in another order. Figures: docs/benchmarks.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

WEIGHTS_AREA = 64
"""Largest area of the output, pixels, for which the gradient of the weights comes from a product."""

WHOLE_AREA = 16
"""Largest area for which everything does; with a stride everything up to `WEIGHTS_AREA` does."""


def have_tiles(device: torch.device) -> bool:
    """Whether this processor multiplies tiles of bf16."""
    return device.type == "cpu" and bool(getattr(torch.cpu, "_is_amx_tile_supported", bool)())


class SmallMapProducts(TorchFunctionMode):
    """Inside this context, convolutions on small maps are products; all other operations stay as they are."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is nn.functional.conv2d and not kwargs and len(args) == 7 and _fits(*args):
            images, weight, _, stride, padding, *_ = args
            if torch.is_autocast_enabled("cpu"):
                dtype = torch.get_autocast_dtype("cpu")
                images, weight = images.to(dtype), weight.to(dtype)
            return product_conv2d(images, weight, stride[0], padding[0])
        return func(*args, **(kwargs or {}))


def product_conv2d(images: Tensor, weight: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """`conv2d` of `[N, C, H, W]` by square kernels `[K, C, k, k]` without bias, by products where faster.

    >>> ones = torch.ones(1, 1, 2, 2)
    >>> product_conv2d(ones, torch.ones(1, 1, 3, 3), padding=1).flatten().tolist()
    [4.0, 4.0, 4.0, 4.0]
    """
    result: Tensor = _Product.apply(images, weight, stride, padding)
    return result


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.padding = stride, padding
        if _whole(images, weight, stride, padding):
            return _product(images, weight, stride, padding)
        return nn.functional.conv2d(images, weight, stride=stride, padding=padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (gradient,), (images, weight) = gradients, ctx.saved_tensors
        stride, padding = ctx.stride, ctx.padding
        to_images, to_weight = None, None
        if ctx.needs_input_grad[0]:
            if stride == 1 and _whole(images, weight, stride, padding):
                # The gradient of a convolution is one with the kernels turned and their channels exchanged.
                turned = weight.flip(2, 3).transpose(0, 1)
                to_images = _product(gradient, turned, 1, weight.shape[2] - 1 - padding)
            else:
                to_images = _library_gradient(gradient, images, weight, stride, padding)
        if ctx.needs_input_grad[1]:
            rows = gradient.permute(0, 2, 3, 1).reshape(-1, gradient.shape[1])
            patches = _patches(images, weight.shape[2], stride, padding)
            to_weight = (rows.t() @ patches).view(len(weight), *weight.shape[2:], -1).permute(0, 3, 1, 2)
        return to_images, to_weight, None, None


def _fits(
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> bool:
    """Whether it is a plain square convolution onto a small map, and one that a product makes faster."""
    if bias is not None or groups != 1 or images.dim() != 4 or not isinstance(padding, tuple):
        return False
    side = weight.shape[2]
    even = all(len(set(pair)) == 1 for pair in (stride, padding, weight.shape[2:]))
    if not even or set(dilation) != {1} or (side == 1 and stride[0] == 1) or padding[0] >= side:
        return False
    return math.prod(_sides(images, weight, stride[0], padding[0])) <= WEIGHTS_AREA


def _whole(images: Tensor, weight: Tensor, stride: int, padding: int) -> bool:
    return stride > 1 or math.prod(_sides(images, weight, stride, padding)) <= WHOLE_AREA


def _sides(images: Tensor, weight: Tensor, stride: int, padding: int) -> tuple[int, int]:
    """Height and width of the output."""
    height, width = ((side + 2 * padding - weight.shape[2]) // stride + 1 for side in images.shape[2:])
    return height, width


def _product(images: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    height, width = _sides(images, weight, stride, padding)
    kernels = weight.permute(0, 2, 3, 1).reshape(len(weight), -1)  # [K, k k C]
    rows = _patches(images, weight.shape[2], stride, padding) @ kernels.t()  # [N H W, K]
    return rows.view(len(images), height, width, -1).permute(0, 3, 1, 2)


def _patches(images: Tensor, side: int, stride: int, padding: int) -> Tensor:
    """What the kernel sees at each place of the output, `[N H W, k k C]`, by rows, columns, channels."""
    padded = nn.functional.pad(images.permute(0, 2, 3, 1), (0, 0, padding, padding, padding, padding))
    seen = padded.unfold(1, side, stride).unfold(2, side, stride)  # [N, H, W, C, k, k], a view
    return seen.permute(0, 1, 2, 4, 5, 3).reshape(-1, side * side * images.shape[1])


def _library_gradient(gradient: Tensor, images: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """To the pictures alone."""
    pair = [stride, stride], [padding, padding], [1, 1]
    found: Tensor = torch.ops.aten.convolution_backward(
        gradient, images, weight, None, *pair, False, [0, 0], 1, [True, False, False]
    )[0]
    return found
