"""Cross-entropy against one class a picture, or against shares of several: "soft" targets.

Mixed pictures (mixup, CutMix) and distillation ask for a share of each class. A row of shares that names one
class costs exactly what that class costs as a hard target, with label smoothing and class weights too.

Source: the weighted mean of `torch.nn.functional.cross_entropy`. For shares PyTorch itself divides by the
number of pictures, for classes by the sum of their weights; here both are divided by the weights.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
    """Mean loss of a batch, a scalar.

    Args:
        logits: float `[B, K]`.
        targets: int64 `[B]` classes, or float `[B, K]` shares, each row with sum one.
        weights: `[K]`, of the classes; None: all count alike.
        smoothing: share of the target that is spread over all classes.

    >>> import torch
    >>> logits, classes = torch.tensor([[2.0, 0.0], [1.0, 3.0]]), torch.tensor([0, 0])
    >>> hard = cross_entropy(logits, classes, torch.tensor([1.0, 4.0]), 0.1)
    >>> soft = cross_entropy(logits, functional.one_hot(classes, 2).float(), torch.tensor([1.0, 4.0]), 0.1)
    >>> bool(torch.isclose(hard, soft))
    True
    """
    if not targets.is_floating_point():
        return functional.cross_entropy(logits, targets, weight=weights, label_smoothing=smoothing)
    summed = functional.cross_entropy(
        logits, targets, weight=weights, label_smoothing=smoothing, reduction="sum"
    )
    return summed / (targets.sum() if weights is None else (targets @ weights).sum())
