"""The whole answer for one fitted picture of a fixed size, channels last, for formats that are static.

What stays outside is the fit: bringing a picture of any size to `[1, size, size, C]`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eighteen.core.artifact import Exportable
from eighteen.core.inputs import InputSpec
from eighteen.models.answering import Calibrating


class OnePicture(nn.Module):
    """`[1, size, size, C]` to probabilities and calibrated logits, `[1, K]` each.

    Args:
        model: what is exported.
        fitted: takes values of 0..255 and normalises them; False takes normalised ones.
    """

    scale: Tensor
    shift: Tensor
    mirrored: Tensor

    def __init__(self, model: Exportable, fitted: bool) -> None:
        super().__init__()
        scale, shift = model.inputs.scale_and_shift()
        self.fitted = fitted
        self.mirror_average = model.inputs.mirror_average
        self.network = model.network
        self.calibrating = Calibrating(model)
        self.register_buffer("scale", torch.from_numpy(scale))
        self.register_buffer("shift", torch.from_numpy(shift))
        # The mirror image is made here by picking columns, which, unlike turning it round, stays integer.
        self.register_buffer("mirrored", torch.arange(model.inputs.size - 1, -1, -1, dtype=torch.int32))
        self.eval()

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        if self.fitted:
            picture = picture * self.scale + self.shift
        if self.mirror_average:
            picture = torch.cat([picture, picture.index_select(2, self.mirrored)])
        logits: Tensor = self.network(picture.permute(0, 3, 1, 2))
        if self.mirror_average:
            logits = logits.mean(0, keepdim=True)
        logits = self.calibrating(logits)
        return logits.softmax(-1), logits


class Normalising(nn.Module):
    """`[N, C, size, size]`, 0..255, to the normalised tensor."""

    scale: Tensor
    shift: Tensor

    def __init__(self, inputs: InputSpec) -> None:
        super().__init__()
        scale, shift = inputs.scale_and_shift()
        self.register_buffer("scale", torch.from_numpy(scale)[:, None, None])
        self.register_buffer("shift", torch.from_numpy(shift)[:, None, None])

    def forward(self, fitted: Tensor) -> Tensor:
        return fitted * self.scale + self.shift
