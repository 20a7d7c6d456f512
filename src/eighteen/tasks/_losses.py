"""Losses that can stand in for the cross-entropy, each of logits against shares of the classes.

Every one of them gives a number a picture; class weights then weigh pictures by what their shares name. With
`p` the softmax of the logits and `y` the shares, all sums over the classes:

    focal        sum y (1 - p)^gamma (-log p)       Lin et al., Focal Loss, ICCV 2017, in its softmax form
    bce          sum of binary cross-entropies      Wightman et al., ResNet strikes back, 2021
    generalised  sum y (1 - p^q) / q                Zhang and Sabuncu, NeurIPS 2018

`generalised` bounds what one wrong label can cost: at most 1/q, where the cross-entropy knows no end. It is
the cross-entropy in the limit q = 0 and half the absolute error at q = 1. `bce` is summed over the classes,
not averaged, so that its gradients are as large as the others' and the same learning rates fit.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from eighteen.core.recipe import LossSection


def mean_loss(logits: Tensor, shares: Tensor, weights: Tensor | None, settings: LossSection) -> Tensor:
    """Mean loss of a batch, a scalar.

    Args:
        logits: float `[B, K]`.
        shares: float `[B, K]`, each row with sum one.
        weights: `[K]`, of the classes; None: all count alike.
        settings: which loss, and its constants; `name` is not "cross_entropy".

    >>> import torch
    >>> logits, shares = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0]])
    >>> plain = LossSection(name="focal", focal_gamma=0.0, label_smoothing=0.0)
    >>> loss = mean_loss(logits, shares, None, plain)
    >>> bool(torch.isclose(loss, functional.cross_entropy(logits, shares)))
    True
    """
    smoothed = shares.lerp(shares.new_full((), 1 / shares.shape[1]), settings.label_smoothing)
    losses = _picture_losses(logits, smoothed, settings)  # [B]
    if weights is None:
        return losses.mean()
    share_weights = shares @ weights  # [B]
    return (losses * share_weights).sum() / share_weights.sum()


def _picture_losses(logits: Tensor, shares: Tensor, settings: LossSection) -> Tensor:
    if settings.name == "bce":
        return functional.binary_cross_entropy_with_logits(logits, shares, reduction="none").sum(1)
    logs = functional.log_softmax(logits, dim=1)
    if settings.name == "focal":
        # 1 - p is kept off 0, where a power below 1 has no finite slope.
        return -(shares * (1 - logs.exp()).clamp_min(1e-7) ** settings.focal_gamma * logs).sum(1)
    q = settings.robust_q
    return -(shares * (q * logs).expm1() / q).sum(1)
